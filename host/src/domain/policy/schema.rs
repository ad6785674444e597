//! The table of policies as schemas, for the description of the API.

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{AdditionalProperties, Object, ObjectBuilder, Schema, SchemaType, Type};
use utoipa::{PartialSchema, ToSchema};

use super::{PolicyChange, TABLE, Values};

impl Values {
    /// One value.
    pub fn schema(self) -> ObjectBuilder {
        let of = |kind| ObjectBuilder::new().schema_type(kind);
        match self {
            Self::Words(words) => of(Type::String).enum_values(Some(words.iter().copied())),
            Self::Flag => of(Type::Boolean),
            Self::Number { min, max } => of(Type::Integer).minimum(Some(f64::from(min))).maximum(Some(f64::from(max))),
        }
    }
}

/// An object with a value of each policy, all of them.
pub fn all() -> Object {
    let each = TABLE.iter().fold(ObjectBuilder::new(), |object, policy| {
        let mut value = policy.values.schema().description(Some(policy.sentence)).build();
        // What a limit says may lie outside of what people may set.
        if policy.default_text().is_empty() {
            (value.minimum, value.maximum) = (Some(1.into()), None);
        }
        object.property(policy.name, value).required(policy.name)
    });
    each.build()
}

impl PartialSchema for PolicyChange {
    fn schema() -> RefOr<Schema> {
        let each = TABLE.iter().fold(ObjectBuilder::new(), |object, policy| {
            let mut value = policy.values.schema().description(Some(policy.sentence)).build();
            value.schema_type = match value.schema_type {
                SchemaType::Type(kind) => SchemaType::from_iter([kind, Type::Null]),
                other => other,
            };
            if let Some(words) = &mut value.enum_values {
                words.push(serde_json::Value::Null);
            }
            object.property(policy.name, value)
        });
        let object = each.additional_properties(Some(AdditionalProperties::FreeForm(false)));
        object.description(Some("What is absent or null stays as it is.")).into()
    }
}

impl ToSchema for PolicyChange {}
