//! What a handler's own types say about it: its parameters, its body, its answers and its problems, for
//! the OpenAPI document. A handler whose types say nothing of these does not compile into the table of
//! routes, so that no route is without a description and none has a wrong one.

use std::future::Future;

use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::openapi::content::{Content, ContentBuilder};
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::schema::{Ref, Schema};
use utoipa::openapi::{RefOr, Required};
use utoipa::{IntoParams, PartialSchema as _, ToSchema};

use super::ApiState;
use super::docs::File;
use super::extract::{Admin, Json, Path, Peer, Query, Tls};
use super::problem::{self, Kind, Problem};
use crate::domain::ids::{ActivityId, ApiKeyId, CallId, GrantRequestId, ServerId, SessionId, SourceId, ToolId};
use crate::domain::names::ModuleName;
use crate::telemetry::RequestId;

/// The schemas that others refer to, by name.
pub(super) type Schemas = Vec<(String, RefOr<Schema>)>;

/// A handler's description while it is put together.
pub(super) struct Description {
    /// The names in the address, in order.
    names: Vec<&'static str>,
    pub(super) parameters: Vec<Parameter>,
    pub(super) body: Option<RequestBody>,
    pub(super) answers: Vec<Told>,
    pub(super) problems: Vec<&'static Kind>,
    /// Of what is taken.
    pub(super) taken: Schemas,
    /// Of what is answered.
    pub(super) given: Schemas,
}

/// One answer that is no problem.
pub(super) struct Told {
    pub(super) status: StatusCode,
    /// By media type.
    pub(super) contents: Vec<(&'static str, Content)>,
    /// Whether it sets cookies.
    pub(super) cookies: bool,
}

impl Description {
    pub(super) fn new(path: &'static str) -> Self {
        let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
        Self {
            names,
            parameters: Vec::new(),
            body: None,
            answers: Vec::new(),
            problems: Vec::new(),
            taken: Vec::new(),
            given: Vec::new(),
        }
    }

    /// An answer whose content is not made of one type.
    pub(super) fn answer(&mut self, status: StatusCode, contents: Vec<(&'static str, Content)>) -> &mut Told {
        self.answers.push(Told { status, contents, cookies: false });
        let last = self.answers.len() - 1;
        &mut self.answers[last]
    }

    pub(super) fn answer_json<T: ToSchema>(&mut self, status: StatusCode) -> &mut Told {
        let content = content(refer::<T>(&mut self.given));
        self.answer(status, vec![(JSON, content)])
    }

    pub(super) fn takes(&mut self, required: bool, contents: Vec<(&'static str, Content)>) {
        let required = if required { Required::True } else { Required::False };
        let body = RequestBodyBuilder::new().required(Some(required));
        let body = contents.into_iter().fold(body, |body, (kind, content)| body.content(kind, content));
        self.body = Some(body.build());
        self.may_fail(&[
            &problem::MALFORMED,
            &problem::TOO_SLOW,
            &problem::TOO_LARGE,
            &problem::UNSUPPORTED_MEDIA_TYPE,
            &problem::INVALID,
        ]);
    }

    fn takes_json<T: ToSchema>(&mut self, required: bool) {
        let content = content(refer::<T>(&mut self.taken));
        self.takes(required, vec![(JSON, content)]);
    }

    pub(super) fn may_fail(&mut self, kinds: &[&'static Kind]) {
        self.problems.extend_from_slice(kinds);
    }
}

pub(super) const JSON: &str = "application/json";
pub(super) const EVENTS: &str = "text/event-stream";

pub(super) fn content(schema: impl Into<RefOr<Schema>>) -> Content {
    ContentBuilder::new().schema(Some(schema)).build()
}

/// The reference to a type's schema, which is noted with all that it refers to.
fn refer<T: ToSchema>(schemas: &mut Schemas) -> Ref {
    schemas.push((T::name().into_owned(), T::schema()));
    T::schemas(schemas);
    Ref::from_schema_name(T::name())
}

/// What a handler takes. What says nothing is none of the client's business.
pub(super) trait Input {
    fn describe(_: &mut Description) {}
}

/// What a handler answers.
pub(super) trait Answer {
    fn describe(to: &mut Description);
}

/// The values in an address.
pub(super) trait PathValues {
    /// In the order in which they stand there.
    fn schemas() -> Vec<RefOr<Schema>>;
}

macro_rules! path_values {
    ($($value:ty),*) => {$(
        impl PathValues for $value {
            fn schemas() -> Vec<RefOr<Schema>> {
                vec![<$value>::schema()]
            }
        }
    )*};
}

// Each type that stands alone in an address.
path_values!(
    ActivityId,
    ApiKeyId,
    CallId,
    File,
    GrantRequestId,
    ModuleName,
    ServerId,
    SessionId,
    SourceId,
    String,
    ToolId
);

impl<A: ToSchema, B: ToSchema> PathValues for (A, B) {
    fn schemas() -> Vec<RefOr<Schema>> {
        vec![A::schema(), B::schema()]
    }
}

impl Input for State<ApiState> {}
impl Input for Admin {}
impl Input for Peer {}
impl Input for Tls {}
impl Input for HeaderMap {}
impl Input for Extension<RequestId> {}

impl<T: PathValues> Input for Path<T> {
    fn describe(to: &mut Description) {
        for (name, schema) in to.names.clone().into_iter().zip(T::schemas()) {
            let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Path).required(Required::True);
            to.parameters.push(parameter.schema(Some(schema)).build());
        }
        to.may_fail(&[&problem::NOT_FOUND]);
    }
}

impl<T: IntoParams> Input for Query<T> {
    fn describe(to: &mut Description) {
        to.parameters.extend(T::into_params(|| Some(ParameterIn::Query)));
        to.may_fail(&[&problem::INVALID]);
    }
}

impl<T: ToSchema> Input for Json<T> {
    fn describe(to: &mut Description) {
        to.takes_json::<T>(true);
    }
}

impl<T: ToSchema> Input for Option<Json<T>> {
    fn describe(to: &mut Description) {
        to.takes_json::<T>(false);
    }
}

impl<T: ToSchema> Answer for Json<T> {
    fn describe(to: &mut Description) {
        to.answer_json::<T>(StatusCode::OK);
    }
}

impl<T: Answer> Answer for Result<T, Problem> {
    fn describe(to: &mut Description) {
        T::describe(to);
    }
}

/// 201 with what was made.
pub(super) struct Created<T>(pub(super) T);

impl<T: Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        (StatusCode::CREATED, Json(self.0)).into_response()
    }
}

impl<T: ToSchema> Answer for Created<T> {
    fn describe(to: &mut Description) {
        to.answer_json::<T>(StatusCode::CREATED);
    }
}

/// 204: it is done, and there is nothing to say.
pub(super) struct NoContent;

impl IntoResponse for NoContent {
    fn into_response(self) -> Response {
        StatusCode::NO_CONTENT.into_response()
    }
}

impl Answer for NoContent {
    fn describe(to: &mut Description) {
        to.answer(StatusCode::NO_CONTENT, Vec::new());
    }
}

/// Plain text.
impl Answer for &'static str {
    fn describe(to: &mut Description) {
        to.answer(StatusCode::OK, vec![("text/plain", content(String::schema()))]);
    }
}

/// A handler that describes itself. `Marks` are the types that it takes.
pub(super) trait Described<Marks> {
    fn describe(&self, to: &mut Description);
}

macro_rules! described {
    ($($($input:ident)*;)*) => {$(
        impl<F, Answering, Answered, $($input),*> Described<($($input,)*)> for F
        where
            F: Fn($($input),*) -> Answering,
            Answering: Future<Output = Answered>,
            Answered: Answer,
            $($input: Input,)*
        {
            fn describe(&self, to: &mut Description) {
                $($input::describe(to);)*
                Answered::describe(to);
            }
        }
    )*};
}

described! {
    ;
    A;
    A B;
    A B C;
    A B C D;
    A B C D E;
    A B C D E G;
}
