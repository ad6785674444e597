//! Forms in the words that clients of older revisions have for them. Nothing else of a question is touched, and the
//! fields stay in the order of their author.

use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

/// The members of an object in their order, their values as they came.
struct Members(Vec<(String, Box<RawValue>)>);

impl Members {
    fn read(raw: &RawValue) -> Option<Self> {
        serde_json::from_str(raw.get()).ok()
    }

    /// Puts another value in the place of each of this name that `change` has one for.
    fn change(&mut self, name: &str, change: impl Fn(&RawValue) -> Option<Box<RawValue>>) {
        let named = self.0.iter_mut().filter(|(member, _)| member == name);
        named.for_each(|(_, value)| {
            if let Some(changed) = change(value) {
                *value = changed;
            }
        });
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = from.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

impl Serialize for Members {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// The parameters of a form for a client of 2025-06-18: there a choice of one text has its titles in `enumNames`
/// (`EnumSchema`), since 2025-11-25 in `oneOf` (`TitledSingleSelectEnumSchema`). None for what is no form.
pub(super) fn with_enum_names(params: &RawValue) -> Option<Box<RawValue>> {
    let mut params = Members::read(params)?;
    params.change("requestedSchema", |schema| {
        let mut schema = Members::read(schema)?;
        schema.change("properties", |fields| {
            let mut fields = Members::read(fields)?;
            for (_, field) in &mut fields.0 {
                if let Some(named) = named(field) {
                    *field = named;
                }
            }
            to_raw_value(&fields).ok()
        });
        to_raw_value(&schema).ok()
    });
    to_raw_value(&params).ok()
}

/// The field, if it is a choice of one with titles.
fn named(field: &RawValue) -> Option<Box<RawValue>> {
    let mut field: Value = serde_json::from_str(field.get()).ok()?;
    let members = field.as_object_mut()?;
    let choices = members.get("oneOf")?.as_array()?;
    let texts: Vec<&str> = choices.iter().map(|choice| choice["const"].as_str()).collect::<Option<_>>()?;
    let titles = choices.iter().zip(&texts).map(|(choice, text)| choice["title"].as_str().unwrap_or(text));
    let (texts, titles): (Value, Value) = (texts.iter().copied().collect(), titles.collect());
    members.remove("oneOf");
    members.insert("enum".to_owned(), texts);
    members.insert("enumNames".to_owned(), titles);
    to_raw_value(&field).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn told(params: &str) -> Option<String> {
        let raw = RawValue::from_string(params.to_owned()).expect("JSON");
        with_enum_names(&raw).map(|told| told.get().to_owned())
    }

    #[test]
    fn titles_are_told_in_the_older_words_and_everything_else_stays_as_it_is() {
        let form = |fields: &str| {
            format!(
                r#"{{"message":"?","requestedSchema":{{"type":"object","properties":{{{fields}}},"required":["z"]}},"a":1.50}}"#
            )
        };
        let titled = r#""z":{"type":"string","oneOf":[{"const":"r","title":"Red"},{"const":"b"}]}"#;
        let named = r#""z":{"enum":["r","b"],"enumNames":["Red","b"],"type":"string"}"#;
        let others = r#""m":{"type":"string","title":"M"},"b":{"type":"string","enum":["x"],"default":"x"},"a":7"#;
        assert_eq!(told(&form(&format!("{titled},{others}"))), Some(form(&format!("{named},{others}"))));
        for plain in
            [form(others), r#"{"requestedSchema":7}"#.to_owned(), r#"{"requestedSchema":{"properties":[]}}"#.to_owned()]
        {
            assert_eq!(told(&plain).as_deref(), Some(plain.as_str()));
        }
        assert_eq!(told("[1]"), None);
    }

    proptest! {
        #[test]
        fn whatever_a_guest_asks_stays_json(field in "\\{\"oneOf\":[\\[\\]{}0-9\"a-z:,]{0,20}\\}") {
            let params = format!("{{\"requestedSchema\":{{\"properties\":{{\"a\":{field}}}}}}}");
            if let Ok(raw) = RawValue::from_string(params) {
                let told = with_enum_names(&raw).expect("an object");
                prop_assert!(serde_json::from_str::<Value>(told.get()).is_ok());
            }
        }
    }
}
