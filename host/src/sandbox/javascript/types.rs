//! JSON Schema (2020-12) of TypeScript types, read from the tree without running anything.
//!
//! Types that the file declares are followed; one that contains itself becomes a `$ref`. What is not
//! understood becomes the schema that allows everything.

use std::collections::{BTreeMap, HashMap};

use oxc::allocator::Allocator;
use oxc::ast::ast::{
    Expression, PropertyKey, Statement, TSEnumDeclaration, TSInterfaceDeclaration, TSLiteral, TSSignature,
    TSTupleElement, TSType, TSTypeName, TSTypeReference, UnaryOperator,
};
use oxc::parser::Parser;
use oxc::span::{GetSpan as _, SourceType};
use serde_json::{Map, Value, json};

use super::jsdoc::{Definition, Doc};
use super::schema::{any_of, changed, choice, describe, merge, number, object};

/// Schemas that one signature may have; a few lines of types can multiply without end.
const SCHEMAS_MAX: usize = 5_000;

/// What the file declares, by name.
pub(super) enum Declared<'p, 'a> {
    Alias(&'p TSType<'a>),
    Interface(&'p TSInterfaceDeclaration<'a>),
    Enum(&'p TSEnumDeclaration<'a>),
    Comment(Definition),
}

/// A type that cannot be an argument or a result, in words for the author.
#[derive(Debug)]
pub(super) struct Unfit(pub(super) String);

/// A schema and whether the value may be left out (`undefined`).
type Found = Result<(Value, bool), Unfit>;

pub(super) struct Schemas<'p, 'a> {
    declared: HashMap<String, Declared<'p, 'a>>,
    /// Comments, by the start of what they stand before.
    docs: HashMap<u32, Doc>,
    /// Arguments are JSON as it is parsed; results become JSON, which more types can.
    arguments: bool,
    open: Vec<String>,
    definitions: BTreeMap<String, Value>,
    made: usize,
    /// Pieces of content were met.
    content: bool,
}

impl<'p, 'a> Schemas<'p, 'a> {
    pub(super) fn new(docs: HashMap<u32, Doc>) -> Self {
        let definitions = docs.values().filter_map(|doc| doc.defines.clone());
        let declared = definitions.map(|one| (one.name.clone(), Declared::Comment(one))).collect();
        Self {
            declared,
            docs,
            arguments: true,
            open: Vec::new(),
            definitions: BTreeMap::new(),
            made: 0,
            content: false,
        }
    }

    pub(super) fn declare(&mut self, name: &str, declared: Declared<'p, 'a>) {
        self.declared.insert(name.to_owned(), declared);
    }

    pub(super) fn doc(&self, start: u32) -> Option<&Doc> {
        self.docs.get(&start)
    }

    /// From here on the types are those of results.
    pub(super) fn for_result(&mut self) {
        self.arguments = false;
        self.definitions.clear();
        self.content = false;
    }

    /// Whether what was looked at has `Content` in it, which ctx makes.
    pub(super) fn has_content(&self) -> bool {
        self.content
    }

    /// The document of a schema: with the definitions that it refers to.
    pub(super) fn finished(&mut self, mut schema: Value) -> Value {
        let definitions = std::mem::take(&mut self.definitions);
        if let Some(object) = schema.as_object_mut()
            && !definitions.is_empty()
        {
            object.insert("$defs".to_owned(), Value::Object(definitions.into_iter().collect()));
        }
        schema
    }

    /// The schema of a type in a comment, such as `string[]`, `?number` or `{a: string}`.
    pub(super) fn of_text(&mut self, text: &str) -> Found {
        let text = text.trim();
        if text == "*" || text.is_empty() {
            return Ok((json!({}), false));
        }
        let allocator = Allocator::default();
        let source = format!("type T = {text};");
        let parsed = Parser::new(&allocator, &source, SourceType::ts()).parse();
        match parsed.program.body.first() {
            Some(Statement::TSTypeAliasDeclaration(alias)) if !parsed.diagnostics.has_errors() => {
                // A tree of its own, whose types are looked up among ours.
                self.of(&alias.type_annotation)
            }
            // A few lines of comment are no reason to refuse a tool.
            _ => Ok((json!({}), false)),
        }
    }

    pub(super) fn of(&mut self, kind: &TSType<'_>) -> Found {
        self.made += 1;
        if self.made > SCHEMAS_MAX {
            return Err(Unfit(format!("the types of main come to more than {SCHEMAS_MAX} schemas; make them simpler")));
        }
        let always = |schema: Value| Ok((schema, false));
        match kind {
            TSType::TSStringKeyword(_) | TSType::TSTemplateLiteralType(_) => always(json!({"type": "string"})),
            TSType::TSNumberKeyword(_) => always(json!({"type": "number"})),
            TSType::TSBooleanKeyword(_) => always(json!({"type": "boolean"})),
            TSType::TSNullKeyword(_) => always(json!({"type": "null"})),
            TSType::TSObjectKeyword(_) => always(json!({"type": "object"})),
            TSType::TSUndefinedKeyword(_) | TSType::TSVoidKeyword(_) => Ok((json!({"type": "null"}), true)),
            TSType::TSBigIntKeyword(_) => self.only_result("bigint", "number", json!({"type": ["integer", "string"]})),
            TSType::TSArrayType(array) => self.list(&array.element_type),
            TSType::TSTupleType(tuple) => self.tuple(&tuple.element_types),
            TSType::TSLiteralType(literal) => {
                always(constant(&literal.literal).map_or(json!({}), |it| choice(vec![it])))
            }
            TSType::TSUnionType(union) => self.union(&union.types),
            TSType::TSIntersectionType(all) => self.intersection(&all.types),
            TSType::TSTypeLiteral(literal) => self.object(&literal.members),
            TSType::TSParenthesizedType(inner) => self.of(&inner.type_annotation),
            TSType::TSTypeOperatorType(operator) if operator.operator.to_str() == "readonly" => {
                self.of(&operator.type_annotation)
            }
            TSType::JSDocNullableType(inner) => {
                let (schema, optional) = self.of(&inner.type_annotation)?;
                Ok((any_of(vec![schema, json!({"type": "null"})]), optional))
            }
            TSType::JSDocNonNullableType(inner) => self.of(&inner.type_annotation),
            TSType::TSTypeReference(reference) => self.reference(reference),
            _ => always(json!({})),
        }
    }

    /// A type that results may have and arguments never do.
    fn only_result(&self, name: &str, instead: &str, schema: Value) -> Found {
        if self.arguments {
            return Err(Unfit(format!(
                "arguments are JSON, and there is no {name} in it; take a {instead} and make the {name} of it in main"
            )));
        }
        Ok((schema, false))
    }

    fn list(&mut self, item: &TSType<'_>) -> Found {
        let (item, _) = self.of(item)?;
        Ok((if item == json!({}) { json!({"type": "array"}) } else { json!({"type": "array", "items": item}) }, false))
    }

    fn tuple(&mut self, elements: &[TSTupleElement<'_>]) -> Found {
        let (mut prefix, mut rest, mut required) = (Vec::new(), json!(false), 0);
        for element in elements {
            match element {
                TSTupleElement::TSRestType(more) => {
                    rest = match &more.type_annotation {
                        TSType::TSArrayType(array) => self.of(&array.element_type)?.0,
                        _ => json!(true),
                    };
                }
                TSTupleElement::TSOptionalType(optional) => prefix.push(self.of(&optional.type_annotation)?.0),
                TSTupleElement::TSNamedTupleMember(named) => {
                    prefix.push(named.element_type.as_ts_type().map_or(Ok((json!({}), false)), |one| self.of(one))?.0);
                    required = if named.optional { required } else { prefix.len() };
                }
                other => {
                    prefix.push(other.as_ts_type().map_or(Ok((json!({}), false)), |one| self.of(one))?.0);
                    required = prefix.len();
                }
            }
        }
        Ok((json!({"type": "array", "prefixItems": prefix, "items": rest, "minItems": required}), false))
    }

    fn union(&mut self, types: &[TSType<'_>]) -> Found {
        let (mut schemas, mut constants, mut optional) = (Vec::new(), Vec::new(), false);
        for one in types {
            match one {
                TSType::TSUndefinedKeyword(_) | TSType::TSVoidKeyword(_) => optional = true,
                TSType::TSLiteralType(literal) if constant(&literal.literal).is_some() => {
                    constants.extend(constant(&literal.literal));
                }
                other => {
                    let (schema, may_miss) = self.of(other)?;
                    optional |= may_miss;
                    schemas.push(schema);
                }
            }
        }
        if !constants.is_empty() {
            schemas.insert(0, choice(constants));
        }
        // An undefined result is null.
        if optional && !self.arguments {
            schemas.push(json!({"type": "null"}));
        }
        Ok((any_of(schemas), optional))
    }

    fn intersection(&mut self, types: &[TSType<'_>]) -> Found {
        let mut merged = json!({"type": "object", "properties": {}});
        for one in types {
            let (schema, _) = self.of(one)?;
            if schema["type"] != "object" {
                return Ok((json!({}), false));
            }
            merge(&mut merged, schema);
        }
        Ok((merged, false))
    }

    fn object(&mut self, members: &[TSSignature<'_>]) -> Found {
        let mut properties = Map::new();
        let mut required = Vec::new();
        // Arguments that nobody reads are a mistake of the caller; results may say more than their type.
        let mut additional = self.arguments.then_some(json!(false));
        for member in members {
            match member {
                TSSignature::TSPropertySignature(property) => {
                    let Some(name) = key(&property.key) else { continue };
                    let (mut schema, optional) = match &property.type_annotation {
                        Some(kind) => self.of(&kind.type_annotation)?,
                        None => (json!({}), false),
                    };
                    if let Some(doc) = self.docs.get(&property.span.start) {
                        describe(&mut schema, &doc.summary());
                    }
                    if !property.optional && !optional {
                        required.push(name.clone());
                    }
                    properties.insert(name, schema);
                }
                TSSignature::TSIndexSignature(index) => {
                    additional = Some(self.of(&index.type_annotation.type_annotation)?.0);
                }
                _ => {}
            }
        }
        Ok((object(properties, required, additional), false))
    }

    fn reference(&mut self, reference: &TSTypeReference<'_>) -> Found {
        let TSTypeName::IdentifierReference(identifier) = &reference.type_name else {
            return Ok((json!({}), false));
        };
        let name = identifier.name.as_str();
        let arguments = reference.type_arguments.as_ref().map_or(&[][..], |arguments| &arguments.params);
        if self.declared.contains_key(name) {
            return self.named(name);
        }
        let first = arguments.first();
        let of_first = |schemas: &mut Self| first.map_or(Ok((json!({}), false)), |kind| schemas.of(kind));
        match name {
            "Array" | "ReadonlyArray" | "array" => match first {
                Some(item) => self.list(item),
                None => Ok((json!({"type": "array"}), false)),
            },
            "Promise" | "PromiseLike" | "Awaited" | "Readonly" => of_first(self),
            "NonNullable" => {
                let (mut schema, _) = of_first(self)?;
                if let Some(members) = schema.get_mut("anyOf").and_then(Value::as_array_mut) {
                    members.retain(|one| *one != json!({"type": "null"}));
                    schema = any_of(std::mem::take(members));
                }
                Ok((schema, false))
            }
            "Record" | "Object" if arguments.len() == 2 => self.record(&arguments[0], &arguments[1]),
            "Partial" | "Required" | "Pick" | "Omit" => {
                let (schema, _) = of_first(self)?;
                let names = arguments.get(1).map(|names| self.of(names)).transpose()?;
                Ok((changed(name, schema, names.map(|(names, _)| names)), false))
            }
            "Object" | "object" => Ok((json!({"type": "object"}), false)),
            "String" => Ok((json!({"type": "string"}), false)),
            "Number" | "float" | "double" => Ok((json!({"type": "number"}), false)),
            "integer" | "int" => Ok((json!({"type": "integer"}), false)),
            "Boolean" | "bool" => Ok((json!({"type": "boolean"}), false)),
            "Date" => self.only_result("Date", "string", json!({"type": "string", "format": "date-time"})),
            "URL" => self.only_result("URL", "string", json!({"type": "string", "format": "uri"})),
            "Uint8Array" | "ArrayBuffer" => {
                self.only_result(name, "string", json!({"type": "string", "contentEncoding": "base64"}))
            }
            "Set" | "ReadonlySet" => {
                let (item, _) = of_first(self)?;
                self.only_result("Set", "array", json!({"type": "array", "items": item}))
            }
            "Map" | "ReadonlyMap" => {
                let value = arguments.get(1).map_or(Ok((json!({}), false)), |value| self.of(value))?.0;
                self.only_result("Map", "Record", json!({"type": "object", "additionalProperties": value}))
            }
            "Content" => {
                self.content = true;
                Ok((json!({}), false))
            }
            _ => Ok((json!({}), false)),
        }
    }

    fn record(&mut self, names: &TSType<'_>, values: &TSType<'_>) -> Found {
        let (names, _) = self.of(names)?;
        let (value, _) = self.of(values)?;
        if let Some(names) = names["enum"].as_array() {
            let names: Vec<String> = names.iter().filter_map(Value::as_str).map(str::to_owned).collect();
            let properties = names.iter().map(|name| (name.clone(), value.clone())).collect();
            return Ok((object(properties, names, self.arguments.then_some(json!(false))), false));
        }
        Ok((json!({"type": "object", "additionalProperties": value}), false))
    }

    /// A type that the file declares. Where it contains itself, the inner one is a reference.
    fn named(&mut self, name: &str) -> Found {
        let reference = json!({"$ref": format!("#/$defs/{name}")});
        if self.open.iter().any(|open| open == name) {
            self.definitions.entry(name.to_owned()).or_insert(Value::Null);
            return Ok((reference, false));
        }
        // Out of the table while it is looked at, so that `self` is free; nobody else looks for it then.
        let Some(declared) = self.declared.remove(name) else { return Ok((json!({}), false)) };
        self.open.push(name.to_owned());
        self.declared.insert(name.to_owned(), Declared::Comment(Definition::placeholder(name)));
        let found = self.declared_as(&declared);
        self.declared.insert(name.to_owned(), declared);
        self.open.pop();
        let (schema, optional) = found?;
        if let Some(definition) = self.definitions.get_mut(name) {
            *definition = schema.clone();
        }
        Ok((schema, optional))
    }

    fn declared_as(&mut self, declared: &Declared<'p, 'a>) -> Found {
        match declared {
            Declared::Alias(kind) => self.of(kind),
            Declared::Interface(interface) => {
                let (mut merged, _) = self.object(&interface.body.body)?;
                for parent in &interface.extends {
                    if let TSTypeName::IdentifierReference(parent) = &parent.type_name
                        && self.declared.contains_key(parent.name.as_str())
                    {
                        let (mut base, _) = self.named(parent.name.as_str())?;
                        merge(&mut base, std::mem::take(&mut merged));
                        merged = base;
                    }
                }
                Ok((merged, false))
            }
            Declared::Enum(list) => Ok((enumeration(list), false)),
            Declared::Comment(definition) => self.definition(definition),
        }
    }

    fn definition(&mut self, definition: &Definition) -> Found {
        if definition.properties.is_empty() {
            return self.of_text(definition.kind.as_deref().unwrap_or("object"));
        }
        let mut properties = Map::new();
        let mut required = Vec::new();
        for property in &definition.properties {
            let (mut schema, optional) = self.of_text(property.kind.as_deref().unwrap_or("*"))?;
            describe(&mut schema, &property.text);
            if !property.optional && !optional {
                required.push(property.name.clone());
            }
            properties.insert(property.name.clone(), schema);
        }
        Ok((object(properties, required, self.arguments.then_some(json!(false))), false))
    }
}

impl Definition {
    /// Stands for a type that is being looked at.
    fn placeholder(name: &str) -> Self {
        Self { name: name.to_owned(), kind: None, properties: Vec::new() }
    }
}

/// Whether a type is the one of this name.
pub(super) fn is_named(kind: &TSType<'_>, name: &str) -> bool {
    matches!(kind, TSType::TSTypeReference(reference)
        if matches!(&reference.type_name, TSTypeName::IdentifierReference(one) if one.name == name))
}

/// The name of a property when it is written out.
pub(super) fn key(key: &PropertyKey<'_>) -> Option<String> {
    key.static_name().map(|name| name.to_string())
}

fn constant(literal: &TSLiteral<'_>) -> Option<Value> {
    match literal {
        TSLiteral::BooleanLiteral(value) => Some(json!(value.value)),
        TSLiteral::NumericLiteral(value) => Some(number(value.value)),
        TSLiteral::StringLiteral(value) => Some(json!(value.value.as_str())),
        TSLiteral::UnaryExpression(unary) if unary.operator == UnaryOperator::UnaryNegation => match &unary.argument {
            Expression::NumericLiteral(value) => Some(number(-value.value)),
            _ => None,
        },
        _ => None,
    }
}

fn enumeration(list: &TSEnumDeclaration<'_>) -> Value {
    let mut next = Some(0.0);
    let mut values = Vec::new();
    for member in &list.body.members {
        let value = match &member.initializer {
            None => next.map(number),
            Some(Expression::StringLiteral(text)) => Some(json!(text.value.as_str())),
            Some(Expression::NumericLiteral(value)) => {
                next = Some(value.value);
                Some(number(value.value))
            }
            Some(_) => None,
        };
        // A member that is computed could be anything.
        let Some(value) = value else { return json!({}) };
        next = value.is_number().then(|| next.map(|last| last + 1.0)).flatten();
        values.push(value);
    }
    choice(values)
}

/// Where a statement or declaration begins; comments are found by it.
pub(super) fn start(statement: &Statement<'_>) -> u32 {
    statement.span().start
}
