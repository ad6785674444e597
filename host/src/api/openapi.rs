//! The API as OpenAPI 3.1, made of the table of routes and of what its handlers' types say. A test holds
//! `docs/openapi.json` to it.
//!
//! What an answer may leave out is never null, and what may be null is never left out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response as Sent};
use serde_json::{Value, json};
use utoipa::ToSchema as _;
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::path::{HttpMethod, Operation, OperationBuilder, PathsBuilder};
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{Object, ObjectBuilder, Ref};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{ComponentsBuilder, Info, InfoBuilder, License, OpenApi, Type};

use super::describe::{Answer, Description, JSON, Schemas, Told, content};
use super::problem::{self, Kind};
use super::{Access, ROUTES, Route};
use crate::auth::cookies;

const ABOUT: &str = "\
What people and their programs can do. A list is `{items, total, page, page_size, pages}`; what does not succeed \
is `application/problem+json` (RFC 9457). Log in at `POST /auth/login` and send `Authorization: Bearer TOKEN`; a \
browser's session is a cookie, beside which whatever changes something repeats a token in `X-CSRF-Token`. What an \
answer may leave out is never null, and what may be null is never left out. Models speak MCP at `/mcp`.";

const BEARER: &str = "bearer";
const COOKIE: &str = "cookie";
const CSRF: &str = "csrf";

/// The document, and what is wrong with it, which a test wants to be nothing.
struct Made {
    document: Value,
    faults: Vec<String>,
}

static MADE: LazyLock<Made> = LazyLock::new(make);

/// The document.
pub fn document() -> &'static Value {
    &MADE.document
}

/// What of the document contradicts itself.
pub fn faults() -> &'static [String] {
    &MADE.faults
}

/// `docs/openapi.json`.
pub fn text() -> String {
    format!("{:#}\n", document())
}

/// The document as an answer.
pub(super) struct Document;

impl IntoResponse for Document {
    fn into_response(self) -> Sent {
        ([(CONTENT_TYPE, JSON)], document().to_string()).into_response()
    }
}

impl Answer for Document {
    fn describe(to: &mut Description) {
        to.answer(StatusCode::OK, vec![(JSON, content(Object::with_type(Type::Object)))]);
    }
}

pub(super) async fn show() -> Document {
    Document
}

/// Collects what all operations share.
#[derive(Default)]
struct Shared {
    /// Each name's schema, and whether it is of answers only.
    schemas: BTreeMap<String, (Value, bool)>,
    problems: BTreeMap<String, Response>,
    faults: Vec<String>,
}

impl Shared {
    fn note(&mut self, schemas: Schemas, given: bool) {
        for (name, schema) in schemas {
            let mut schema = serde_json::to_value(schema).unwrap_or_default();
            if given {
                require_nullable(&mut schema);
            }
            match self.schemas.get(&name) {
                Some((known, _)) if *known != schema => {
                    let how =
                        "give one of them another name (`#[schema(as = ...)]`), or taken and answered one type each";
                    self.faults.push(format!("there are two schemas `{name}`: {how}"));
                }
                _ => _ = self.schemas.insert(name, (schema, given)),
            }
        }
    }

    /// The answer for all kinds of one status, by reference.
    fn problem(&mut self, kinds: &[&'static Kind]) -> Ref {
        let name = kinds.iter().map(|kind| kind.name).collect::<Vec<_>>().join("-or-");
        self.problems.entry(name.clone()).or_insert_with(|| {
            let lines = kinds.iter().map(|kind| format!("`/problems/{}`: {}", kind.name, kind.sentence));
            let response = ResponseBuilder::new()
                .description(lines.collect::<Vec<_>>().join("\n\n"))
                .content(problem::MEDIA_TYPE, content(Ref::from_schema_name(problem::Told::name())))
                .header_ref(REQUEST_ID, header(REQUEST_ID));
            let named = |wanted: &Kind| kinds.iter().any(|kind| *kind == wanted);
            let mut response = response;
            if named(&problem::UNAUTHENTICATED) {
                response = response.header_ref(CHALLENGE, header(CHALLENGE));
            }
            if named(&problem::RATE_LIMITED) || named(&problem::BUSY) {
                response = response.header_ref(RETRY_AFTER, header(RETRY_AFTER));
            }
            response.build()
        });
        Ref::from_response_name(name)
    }
}

/// Requires of an object each property that may be null.
fn require_nullable(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            let nullable: BTreeSet<String> = match members.get("properties").and_then(Value::as_object) {
                Some(properties) => {
                    properties.iter().filter(|(_, schema)| may_be_null(schema)).map(|(name, _)| name.clone()).collect()
                }
                None => BTreeSet::new(),
            };
            if !nullable.is_empty() {
                let required = members.get("required").and_then(Value::as_array).into_iter().flatten();
                let required: BTreeSet<String> =
                    required.filter_map(|name| name.as_str().map(str::to_owned)).chain(nullable).collect();
                members.insert("required".to_owned(), json!(required));
            }
            members.values_mut().for_each(require_nullable);
        }
        Value::Array(items) => items.iter_mut().for_each(require_nullable),
        _ => {}
    }
}

/// Takes null out of what a parameter may be: one that is absent is left out of the address.
fn never_null(schema: &mut Value) {
    let is_null = |kind: &Value| kind == "null" || kind["type"] == "null";
    for key in ["type", "oneOf", "enum"] {
        let Some(choices) = schema.get_mut(key).and_then(Value::as_array_mut) else { continue };
        choices.retain(|kind| !is_null(kind) && !kind.is_null());
        if key != "enum" && choices.len() == 1 {
            let only = choices.remove(0);
            match key {
                "type" => schema["type"] = only,
                _ => *schema = only,
            }
        }
    }
}

fn may_be_null(schema: &Value) -> bool {
    let is_null = |kind: &Value| kind == "null";
    let any = |key: &str, is: &dyn Fn(&Value) -> bool| schema[key].as_array().is_some_and(|all| all.iter().any(is));
    is_null(&schema["type"]) || any("type", &is_null) || any("oneOf", &may_be_null) || any("anyOf", &may_be_null)
}

const REQUEST_ID: &str = "X-Request-Id";
const CHALLENGE: &str = "WWW-Authenticate";
const RETRY_AFTER: &str = "Retry-After";
const LIMIT: &str = "X-RateLimit-Limit";
const REMAINING: &str = "X-RateLimit-Remaining";
const SET_COOKIE: &str = "Set-Cookie";

/// The headers of answers, with what they say.
const HEADERS: [(&str, Type, &str); 6] = [
    (REQUEST_ID, Type::String, "The id under which the host's log tells of the request."),
    (CHALLENGE, Type::String, "The kind of credential that is wanted."),
    (RETRY_AFTER, Type::Integer, "Seconds to wait."),
    (LIMIT, Type::Integer, "Requests that one address has in a minute."),
    (REMAINING, Type::Integer, "Requests that the address has left."),
    (SET_COOKIE, Type::String, "The cookies of a browser's session, given or taken back; none for a program."),
];

fn header(name: &str) -> Ref {
    Ref::new(format!("#/components/headers/{name}"))
}

fn header_of(kind: Type, sentence: &str) -> Header {
    HeaderBuilder::new().schema(Some(ObjectBuilder::new().schema_type(kind))).description(Some(sentence)).build()
}

fn make() -> Made {
    let mut shared = Shared::default();
    let mut paths = PathsBuilder::new();
    for route in ROUTES {
        let Some(method) = http_method(&route.method) else {
            shared.faults.push(format!("OpenAPI has no operations for {}", route.method));
            continue;
        };
        let operation = operation(route, &mut shared);
        let item = utoipa::openapi::PathItem::new(method, operation);
        paths = paths.path(route.path, item);
    }
    let mut problem = Schemas::new();
    problem.push((problem::Told::name().into_owned(), <problem::Told as utoipa::PartialSchema>::schema()));
    problem::Told::schemas(&mut problem);
    shared.note(problem, true);
    let mut components = ComponentsBuilder::new();
    for (name, scheme) in security_schemes() {
        components = components.security_scheme(name, scheme);
    }
    for (name, kind, sentence) in HEADERS {
        components = components.header(name, header_of(kind, sentence));
    }
    for (name, response) in std::mem::take(&mut shared.problems) {
        components = components.response(name, response);
    }
    let mut api = OpenApi::new(info(), paths.build());
    api.components = Some(components.build());
    let mut document = serde_json::to_value(api).unwrap_or_default();
    let schemas: serde_json::Map<String, Value> =
        shared.schemas.into_iter().map(|(name, (schema, _))| (name, schema)).collect();
    document["components"]["schemas"] = Value::Object(schemas);
    let operations = document["paths"].as_object_mut().into_iter().flat_map(|paths| paths.values_mut());
    let operations = operations.filter_map(Value::as_object_mut).flat_map(|item| item.values_mut());
    for parameter in operations.filter_map(|one| one.get_mut("parameters")?.as_array_mut()).flatten() {
        never_null(&mut parameter["schema"]);
    }
    let mut faults = shared.faults;
    faults.extend(dangling(&document, &document));
    faults.sort();
    faults.dedup();
    Made { document, faults }
}

fn info() -> Info {
    let mut license = License::new(env!("CARGO_PKG_LICENSE"));
    license.identifier = Some(env!("CARGO_PKG_LICENSE").to_owned());
    InfoBuilder::new()
        .title("MCPbox")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(ABOUT))
        .license(Some(license))
        .build()
}

fn security_schemes() -> [(&'static str, SecurityScheme); 3] {
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("The access token of a program's session."))
        .build();
    let cookie = ApiKeyValue::with_description(cookies::SESSION.name, "The session of a browser.");
    let csrf = ApiKeyValue::with_description(
        "X-CSRF-Token",
        "What the cookie `mcpbox_csrf` says, beside the cookie of a session.",
    );
    [
        (BEARER, SecurityScheme::Http(bearer)),
        (COOKIE, SecurityScheme::ApiKey(ApiKey::Cookie(cookie))),
        (CSRF, SecurityScheme::ApiKey(ApiKey::Header(csrf))),
    ]
}

fn http_method(method: &Method) -> Option<HttpMethod> {
    match *method {
        Method::GET => Some(HttpMethod::Get),
        Method::POST => Some(HttpMethod::Post),
        Method::PUT => Some(HttpMethod::Put),
        Method::PATCH => Some(HttpMethod::Patch),
        Method::DELETE => Some(HttpMethod::Delete),
        _ => None,
    }
}

fn operation(route: &Route, shared: &mut Shared) -> Operation {
    let mut description = Description::new(route.path);
    (route.describe)(&mut description);
    let Description { parameters, body, answers, mut problems, taken, given, .. } = description;
    shared.note(taken, false);
    shared.note(given, true);
    problems.extend_from_slice(route.problems);
    problems.extend_from_slice(of_access(route));
    let mut operation = OperationBuilder::new()
        .operation_id(Some(route.operation.replace("::", ".")))
        .tag(route.operation.split("::").next().unwrap_or_default())
        .summary(Some(route.summary()))
        .parameters((!parameters.is_empty()).then_some(parameters))
        .request_body(body)
        .securities(Some(securities(route)));
    for told in answers {
        let (status, response) = answer(route, told);
        operation = operation.response(status.as_str(), response);
    }
    let statuses: BTreeSet<u16> = problems.iter().map(|kind| kind.status.as_u16()).collect();
    for status in statuses {
        let of_status = |kind: &&&'static Kind| kind.status.as_u16() == status && problems.contains(*kind);
        let kinds: Vec<&'static Kind> = KINDS.iter().filter(of_status).copied().collect();
        operation = operation.response(status.to_string(), shared.problem(&kinds));
    }
    operation.build()
}

/// All kinds of problems, as the table has them.
static KINDS: LazyLock<Vec<&'static Kind>> = LazyLock::new(|| problem::KINDS.iter().collect());

/// What may happen at every route that such callers use.
fn of_access(route: &Route) -> &'static [&'static Kind] {
    match route.access {
        Access::Open => &[&problem::MISDIRECTED, &problem::RATE_LIMITED, &problem::INTERNAL],
        Access::Admin => &[
            &problem::MISDIRECTED,
            &problem::RATE_LIMITED,
            &problem::INTERNAL,
            &problem::UNAUTHENTICATED,
            &problem::CROSS_SITE,
        ],
        Access::Probe => &[&problem::MISDIRECTED, &problem::INTERNAL],
        Access::Private => &[&problem::MISDIRECTED, &problem::INTERNAL, &problem::NOT_FOUND],
    }
}

/// The ways to show who asks; none for everybody.
fn securities(route: &Route) -> Vec<SecurityRequirement> {
    if route.access != Access::Admin {
        return Vec::new();
    }
    let none = [""; 0];
    let cookie = SecurityRequirement::new(COOKIE, none);
    let cookie = if route.method.is_safe() { cookie } else { cookie.add(CSRF, none) };
    vec![SecurityRequirement::new(BEARER, none), cookie]
}

fn answer(route: &Route, told: Told) -> (StatusCode, Response) {
    let Told { status, contents, cookies } = told;
    let mut response = ResponseBuilder::new()
        .description(status.canonical_reason().unwrap_or_default())
        .header_ref(REQUEST_ID, header(REQUEST_ID));
    if route.access.is_counted() {
        response = response.header_ref(LIMIT, header(LIMIT)).header_ref(REMAINING, header(REMAINING));
    }
    if cookies {
        response = response.header_ref(SET_COOKIE, header(SET_COOKIE));
    }
    for (kind, content) in contents {
        response = response.content(kind, content);
    }
    (status, response.build())
}

/// References that lead nowhere.
fn dangling(document: &Value, part: &Value) -> Vec<String> {
    match part {
        Value::Object(members) => {
            let own = members.get("$ref").and_then(Value::as_str);
            let lost = own.filter(|target| document.pointer(target.trim_start_matches('#')).is_none());
            let lost = lost.map(|target| format!("{target} is referred to and does not exist"));
            lost.into_iter().chain(members.values().flat_map(|part| dangling(document, part))).collect()
        }
        Value::Array(items) => items.iter().flat_map(|part| dangling(document, part)).collect(),
        _ => Vec::new(),
    }
}
