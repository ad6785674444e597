//! The `main` of a module: what it takes, what it gives, what it is for.

use std::collections::HashMap;

use oxc::ast::ast::{
    BindingPattern, Declaration, ExportDefaultDeclarationKind, Expression, FormalParameter, FormalParameters,
    ObjectPattern, Program, Statement, TSTypeAnnotation, UnaryOperator,
};
use oxc::span::GetSpan as _;
use serde_json::{Map, Value, json};

use super::jsdoc::Doc;
use super::schema::{describe, number, object};
use super::types::{self, Declared, Schemas, Unfit, key, start};

/// What was found, and the position of `main` for what is wrong with it.
pub(super) struct Signature {
    pub(super) summary: String,
    pub(super) input: Value,
    pub(super) output: Option<Value>,
    /// The result stands in `{"result": …}`.
    pub(super) wrapped: bool,
}

pub(super) enum Wrong {
    NoMain,
    /// What is exported in its place begins at the offset.
    NoFunction(u32),
    /// `main` begins at the offset; the text says what to change.
    Main(u32, String),
}

const NOT_ONE_OBJECT: &str = "main takes one object with all arguments, and ctx after it if it wants that; write \
                              `main({ city, days })` or `main({ city, days }, ctx)`";

/// A function that may be `main`.
#[derive(Clone, Copy)]
struct Function<'p, 'a> {
    parameters: &'p FormalParameters<'a>,
    returns: Option<&'p TSTypeAnnotation<'a>>,
    /// Where its statement begins.
    start: u32,
}

/// Reads the signature of what a module exports as `main`, or else as its default.
///
/// # Errors
/// When there is none, or it takes what arguments cannot be.
pub(super) fn read(program: &Program<'_>, docs: HashMap<u32, Doc>) -> Result<Signature, Wrong> {
    let mut module = Module {
        schemas: Schemas::new(docs),
        functions: HashMap::new(),
        values: HashMap::new(),
        exported: HashMap::new(),
    };
    for statement in &program.body {
        module.statement(statement);
    }
    let exported = || ["main", "default"].into_iter().filter_map(|name| module.exported.get(name));
    // As the interpreter looks for it: what is no function is passed over.
    let found = exported().find(|one| module.value(one).is_none());
    let main = match found {
        Some(Exported::Function(function)) => Some(*function),
        Some(Exported::Name(name)) => module.functions.get(name).copied(),
        Some(Exported::Value(_)) | None => {
            return Err(exported().find_map(|one| module.value(one)).map_or(Wrong::NoMain, Wrong::NoFunction));
        }
    };
    let mut schemas = module.schemas;
    let Some(main) = main else {
        // Exported, but not as a function that stands there: nothing is known about it.
        return Ok(Signature {
            summary: String::new(),
            input: json!({"type": "object"}),
            output: None,
            wrapped: false,
        });
    };
    let mut doc = schemas.doc(main.start).cloned().unwrap_or_default();
    let wrong = |Unfit(text): Unfit| Wrong::Main(main.start, text);
    let (argument, context) = parameters(main.parameters).map_err(wrong)?;
    doc.forget(context);
    let input = input(&mut schemas, argument, &doc).map_err(wrong)?;
    let input = schemas.finished(input);
    let (output, wrapped) = output(&mut schemas, main.returns, &doc).map_err(wrong)?;
    Ok(Signature { summary: doc.summary(), input, output, wrapped })
}

/// What is exported under a name.
enum Exported<'p, 'a> {
    Function(Function<'p, 'a>),
    /// What can be no function; it begins at the offset.
    Value(u32),
    Name(String),
}

struct Module<'p, 'a> {
    schemas: Schemas<'p, 'a>,
    functions: HashMap<String, Function<'p, 'a>>,
    /// What can be no function, and where it begins.
    values: HashMap<String, u32>,
    exported: HashMap<String, Exported<'p, 'a>>,
}

impl<'p, 'a> Module<'p, 'a> {
    fn statement(&mut self, statement: &'p Statement<'a>) {
        let start = start(statement);
        match statement {
            Statement::ExportDeclaration(export) => {
                for name in self.declaration(&export.declaration, start) {
                    self.exported.insert(name.clone(), Exported::Name(name));
                }
            }
            Statement::ExportNamedDeclaration(export) => {
                for one in &export.specifiers {
                    let exported = Exported::Name(one.local.name().to_string());
                    self.exported.insert(one.exported.name().to_string(), exported);
                }
            }
            Statement::ExportDefaultDeclaration(export) => {
                let exported = match &export.declaration {
                    ExportDefaultDeclarationKind::FunctionDeclaration(function) => {
                        Exported::Function(made(&function.params, function.return_type.as_deref(), start))
                    }
                    ExportDefaultDeclarationKind::ClassDeclaration(_) => Exported::Value(start),
                    other => match other.as_expression() {
                        Some(Expression::Identifier(name)) => Exported::Name(name.name.to_string()),
                        Some(expression) => match function(expression, start) {
                            Some(function) => Exported::Function(function),
                            None if is_value(expression) => Exported::Value(start),
                            None => Exported::Name(String::new()),
                        },
                        None => return,
                    },
                };
                self.exported.insert("default".to_owned(), exported);
            }
            other => {
                if let Some(declaration) = other.as_declaration() {
                    self.declaration(declaration, start);
                }
            }
        }
    }

    /// Notes what is declared; answers the names of its values.
    fn declaration(&mut self, declaration: &'p Declaration<'a>, start: u32) -> Vec<String> {
        match declaration {
            Declaration::FunctionDeclaration(declared) => {
                let Some(id) = &declared.id else { return Vec::new() };
                // Of overloads the first counts: it is the one with the documentation.
                let function = made(&declared.params, declared.return_type.as_deref(), start);
                self.functions.entry(id.name.to_string()).or_insert(function);
                return vec![id.name.to_string()];
            }
            Declaration::VariableDeclaration(variables) => {
                let mut names = Vec::new();
                for one in &variables.declarations {
                    let BindingPattern::BindingIdentifier(id) = &one.id else { continue };
                    if let Some(function) = one.init.as_ref().and_then(|init| function(init, start)) {
                        self.functions.insert(id.name.to_string(), function);
                    } else if variables.kind.is_const() && one.init.as_ref().is_some_and(is_value) {
                        self.values.insert(id.name.to_string(), start);
                    }
                    names.push(id.name.to_string());
                }
                return names;
            }
            Declaration::TSTypeAliasDeclaration(alias) if alias.type_parameters.is_none() => {
                self.schemas.declare(&alias.id.name, Declared::Alias(&alias.type_annotation));
            }
            Declaration::TSInterfaceDeclaration(interface) if interface.type_parameters.is_none() => {
                self.schemas.declare(&interface.id.name, Declared::Interface(interface));
            }
            Declaration::TSEnumDeclaration(list) => {
                self.schemas.declare(&list.id.name, Declared::Enum(list));
                self.values.insert(list.id.name.to_string(), start);
                return vec![list.id.name.to_string()];
            }
            Declaration::ClassDeclaration(class) => {
                let Some(id) = &class.id else { return Vec::new() };
                self.values.insert(id.name.to_string(), start);
                return vec![id.name.to_string()];
            }
            _ => {}
        }
        Vec::new()
    }

    /// Where that begins which is exported and can be no function.
    fn value(&self, exported: &Exported<'_, '_>) -> Option<u32> {
        match exported {
            Exported::Function(_) => None,
            Exported::Value(start) => Some(*start),
            Exported::Name(name) => self.values.get(name).copied(),
        }
    }
}

fn made<'p, 'a>(
    parameters: &'p FormalParameters<'a>,
    returns: Option<&'p TSTypeAnnotation<'a>>,
    start: u32,
) -> Function<'p, 'a> {
    Function { parameters, returns, start }
}

fn function<'p, 'a>(expression: &'p Expression<'a>, start: u32) -> Option<Function<'p, 'a>> {
    match expression {
        Expression::ArrowFunctionExpression(arrow) => Some(made(&arrow.params, arrow.return_type.as_deref(), start)),
        Expression::FunctionExpression(function) => {
            Some(made(&function.params, function.return_type.as_deref(), start))
        }
        Expression::ParenthesizedExpression(inner) => function(&inner.expression, start),
        Expression::TSSatisfiesExpression(inner) => function(&inner.expression, start),
        Expression::TSAsExpression(inner) => function(&inner.expression, start),
        _ => None,
    }
}

/// Whether an expression is no function, whatever its parts are. A class is none that can be called.
fn is_value(expression: &Expression<'_>) -> bool {
    match expression {
        Expression::BooleanLiteral(_)
        | Expression::NullLiteral(_)
        | Expression::NumericLiteral(_)
        | Expression::BigIntLiteral(_)
        | Expression::RegExpLiteral(_)
        | Expression::StringLiteral(_)
        | Expression::TemplateLiteral(_)
        | Expression::ArrayExpression(_)
        | Expression::ObjectExpression(_)
        | Expression::ClassExpression(_)
        | Expression::UnaryExpression(_)
        | Expression::BinaryExpression(_) => true,
        Expression::ParenthesizedExpression(inner) => is_value(&inner.expression),
        Expression::TSSatisfiesExpression(inner) => is_value(&inner.expression),
        Expression::TSAsExpression(inner) => is_value(&inner.expression),
        _ => false,
    }
}

/// What `main` takes: the parameter for its arguments, if there is one, and the name of that for its context.
///
/// # Errors
/// When there are others.
fn parameters<'p, 'a>(
    parameters: &'p FormalParameters<'a>,
) -> Result<(Option<&'p FormalParameter<'a>>, Option<&'p str>), Unfit> {
    match (parameters.items.as_slice(), &parameters.rest) {
        ([], None) => Ok((None, None)),
        ([first], None) => Ok((Some(first), None)),
        ([first, second], None) if is_context(second) => Ok((Some(first), name(second))),
        _ => Err(Unfit(NOT_ONE_OBJECT.to_owned())),
    }
}

fn name<'p>(parameter: &'p FormalParameter<'_>) -> Option<&'p str> {
    match &parameter.pattern {
        BindingPattern::BindingIdentifier(name) => Some(name.name.as_str()),
        _ => None,
    }
}

/// Whether the second parameter means the context and is no argument by itself: by its type, its name, or that it
/// is taken apart.
fn is_context(parameter: &FormalParameter<'_>) -> bool {
    if let Some(kind) = &parameter.type_annotation {
        return types::is_named(&kind.type_annotation, "Context");
    }
    match name(parameter) {
        Some(name) => ["ctx", "context", ""].contains(&name.trim_start_matches('_')),
        None => matches!(parameter.pattern, BindingPattern::ObjectPattern(_)),
    }
}

/// The schema of the arguments.
fn input(schemas: &mut Schemas<'_, '_>, parameter: Option<&FormalParameter<'_>>, doc: &Doc) -> Result<Value, Unfit> {
    let Some(first) = parameter else { return Ok(object(Map::new(), Vec::new(), Some(json!(false)))) };
    let pattern = match &first.pattern {
        BindingPattern::ObjectPattern(pattern) => Some(&**pattern),
        BindingPattern::BindingIdentifier(_) => None,
        _ => return Err(Unfit(NOT_ONE_OBJECT.to_owned())),
    };
    let mut schema = match whole(schemas, first, pattern, doc)? {
        Some(schema) => schema,
        None => match pattern {
            Some(pattern) => by_name(schemas, pattern, doc)?,
            None => by_comment(schemas, doc)?,
        },
    };
    if let Some(pattern) = pattern {
        add_defaults(&mut schema, pattern);
    }
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        for (name, property) in properties {
            if property["description"].is_null() {
                describe(property, doc.property(name).map_or("", |said| said.text.as_str()));
            }
        }
    }
    Ok(schema)
}

/// The schema of the one parameter when it has a type of its own, in TypeScript or in the comment.
fn whole(
    schemas: &mut Schemas<'_, '_>,
    parameter: &FormalParameter<'_>,
    pattern: Option<&ObjectPattern<'_>>,
    doc: &Doc,
) -> Result<Option<Value>, Unfit> {
    let (schema, _) = match &parameter.type_annotation {
        Some(kind) => schemas.of(&kind.type_annotation)?,
        None => {
            // A comment about the object itself: the first one, unless that is one of its properties.
            let names: Vec<String> =
                pattern.into_iter().flat_map(|pattern| &pattern.properties).filter_map(|one| key(&one.key)).collect();
            let Some(kind) = doc
                .parameters
                .first()
                .filter(|first| !names.contains(&first.name))
                .and_then(|first| first.kind.as_deref())
            else {
                return Ok(None);
            };
            // `@param {object} place` says nothing; `@param {string} place.city` after it does.
            if ["object", "any", "*", "{}"].contains(&kind.trim().to_lowercase().as_str()) {
                return Ok(None);
            }
            schemas.of_text(kind)?
        }
    };
    if schema["type"] == "object" {
        return Ok(Some(schema));
    }
    if schema == json!({}) {
        return Ok(parameter.type_annotation.is_some().then(|| json!({"type": "object"})));
    }
    Err(Unfit(format!("{NOT_ONE_OBJECT}; its type must be an object")))
}

/// From the names in `{ city, days = 3 }` and what the comment says about each.
fn by_name(schemas: &mut Schemas<'_, '_>, pattern: &ObjectPattern<'_>, doc: &Doc) -> Result<Value, Unfit> {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for property in &pattern.properties {
        let Some(name) = key(&property.key) else { continue };
        let said = doc.property(&name);
        let default = match &property.value {
            BindingPattern::AssignmentPattern(assigned) => Some(&assigned.right),
            _ => None,
        };
        let (mut schema, optional) = match said.and_then(|said| said.kind.as_deref()) {
            Some(kind) => schemas.of_text(kind)?,
            None => (default.map_or(json!({}), inferred), false),
        };
        let optional = optional || default.is_some() || said.is_some_and(|said| said.optional);
        add_default_text(&mut schema, said.and_then(|said| said.default.as_deref()));
        if !optional {
            required.push(name.clone());
        }
        properties.insert(name, schema);
    }
    Ok(object(properties, required, pattern.rest.is_none().then_some(json!(false))))
}

/// From `@param {string} args.city` alone; without such lines anything may be in it.
fn by_comment(schemas: &mut Schemas<'_, '_>, doc: &Doc) -> Result<Value, Unfit> {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for said in &doc.parameters {
        let Some((_, name)) = said.name.split_once('.') else { continue };
        // Properties of properties belong to what their parent's type says.
        if name.contains('.') {
            continue;
        }
        let (mut schema, optional) = schemas.of_text(said.kind.as_deref().unwrap_or("*"))?;
        add_default_text(&mut schema, said.default.as_deref());
        if !optional && !said.optional {
            required.push(name.to_owned());
        }
        properties.insert(name.to_owned(), schema);
    }
    if properties.is_empty() {
        return Ok(json!({"type": "object"}));
    }
    Ok(object(properties, required, Some(json!(false))))
}

/// A default of `[days=3]`: JSON, or else text.
fn add_default_text(schema: &mut Value, default: Option<&str>) {
    if let Some(default) = default {
        let unquoted = default.trim_matches(['\'', '"', '`']);
        schema["default"] = serde_json::from_str(default).unwrap_or_else(|_| json!(unquoted));
    }
}

/// What `{ days = 3 }` says beside a type: a default, and that it may be left out.
fn add_defaults(schema: &mut Value, pattern: &ObjectPattern<'_>) {
    for property in &pattern.properties {
        let (Some(name), BindingPattern::AssignmentPattern(assigned)) = (key(&property.key), &property.value) else {
            continue;
        };
        if let Some(default) = literal(&assigned.right)
            && let Some(known) = schema.get_mut("properties").and_then(|all| all.get_mut(&name))
            && known.is_object()
        {
            known["default"] = default;
        }
        if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
            required.retain(|one| *one != name.as_str());
            if required.is_empty()
                && let Some(object) = schema.as_object_mut()
            {
                object.remove("required");
            }
        }
    }
}

/// The type of a default, as TypeScript infers it.
fn inferred(default: &Expression<'_>) -> Value {
    match literal(default) {
        Some(Value::String(_)) => json!({"type": "string"}),
        Some(Value::Number(_)) => json!({"type": "number"}),
        Some(Value::Bool(_)) => json!({"type": "boolean"}),
        Some(Value::Array(_)) => json!({"type": "array"}),
        Some(Value::Object(_)) => json!({"type": "object"}),
        _ => json!({}),
    }
}

/// The value of an expression that is written out.
fn literal(expression: &Expression<'_>) -> Option<Value> {
    match expression {
        Expression::StringLiteral(text) => Some(json!(text.value.as_str())),
        Expression::NumericLiteral(value) => Some(number(value.value)),
        Expression::BooleanLiteral(value) => Some(json!(value.value)),
        Expression::NullLiteral(_) => Some(Value::Null),
        Expression::UnaryExpression(unary) if unary.operator == UnaryOperator::UnaryNegation => match &unary.argument {
            Expression::NumericLiteral(value) => Some(number(-value.value)),
            _ => None,
        },
        Expression::ArrayExpression(array) => array
            .elements
            .iter()
            .map(|one| one.as_expression().and_then(literal))
            .collect::<Option<_>>()
            .map(Value::Array),
        Expression::ObjectExpression(object) if object.properties.is_empty() => Some(json!({})),
        Expression::ParenthesizedExpression(inner) => literal(&inner.expression),
        Expression::TSAsExpression(inner) => literal(&inner.expression),
        _ => None,
    }
}

/// The schema of the structured result, and whether the result is wrapped in it.
fn output(
    schemas: &mut Schemas<'_, '_>,
    returns: Option<&TSTypeAnnotation<'_>>,
    doc: &Doc,
) -> Result<(Option<Value>, bool), Unfit> {
    schemas.for_result();
    let (schema, _) = match (returns, &doc.returns) {
        (Some(kind), _) => schemas.of(&kind.type_annotation)?,
        (None, Some(kind)) => schemas.of_text(kind)?,
        (None, None) => return Ok((None, false)),
    };
    // Content is no JSON; what may be some has no schema.
    if schemas.has_content() || schema == json!({}) || schema == json!({"type": "null"}) {
        return Ok((None, false));
    }
    if schema["type"] == "object" {
        return Ok((Some(schemas.finished(schema)), false));
    }
    let wrapped = object(Map::from_iter([("result".to_owned(), schema)]), vec!["result".to_owned()], None);
    Ok((Some(schemas.finished(wrapped)), true))
}

/// Where a module asks for another one, and for which.
pub(super) fn import<'p>(program: &'p Program<'_>) -> Option<(u32, &'p str)> {
    program.body.iter().find_map(|statement| {
        let source = match statement {
            Statement::ImportDeclaration(import) => &import.source,
            Statement::ExportAllDeclaration(export) => &export.source,
            Statement::ExportFromDeclaration(export) => &export.source,
            _ => return None,
        };
        Some((statement.span().start, source.value.as_str()))
    })
}
