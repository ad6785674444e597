//! Export and import: files with servers and tools, signed here and read here.

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest as _, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

use super::ApiState;
use super::describe::{Answer, Description, Input, JSON, content};
use super::extract::{Admin, Json, Path, Query, is_json, unreadable};
use super::problem::{self, Problem};
use super::upload::Body;
use crate::domain::ids::ServerId;
use crate::limits::Limits;
use crate::service::export::{ExportFile, ExportedComponents, ExportedVersions};
use crate::service::import::{ImportReport, ImportWish};

/// The address whose body is a file.
pub(super) const IMPORT: &str = "/api/export/import";

/// How much such a body may have.
pub(super) fn body_limit(limits: &Limits) -> u64 {
    limits.export_bytes
}

/// What stands in a file.
#[derive(Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Wish {
    #[param(inline)]
    versions: ExportedVersions,
    #[param(inline)]
    components: ExportedComponents,
}

/// A file, shown or to save.
pub(super) struct File {
    file: ExportFile,
    attached: bool,
}

impl IntoResponse for File {
    fn into_response(self) -> Response {
        let Self { file: ExportFile { name, text }, attached } = self;
        let mut response = Response::new(text.into());
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
        if attached && let Ok(value) = format!("attachment; filename=\"{name}\"").parse() {
            headers.insert(CONTENT_DISPOSITION, value);
        }
        response
    }
}

impl Answer for File {
    fn describe(to: &mut Description) {
        let text = || Object::with_type(Type::String);
        let file = ["format", "version", "exported_at"]
            .into_iter()
            .fold(ObjectBuilder::new(), |file, name| file.property(name, text()).required(name))
            .property("servers", Object::with_type(Type::Array))
            .property("signature", Object::with_type(Type::Object))
            .required("servers")
            .required("signature");
        to.answer(StatusCode::OK, vec![(JSON, content(file))]);
    }
}

/// A file that nobody has read yet.
pub(super) struct Sent(Body);

impl axum::extract::FromRequest<ApiState> for Sent {
    type Rejection = std::convert::Infallible;

    async fn from_request(request: axum::extract::Request, state: &ApiState) -> Result<Self, Self::Rejection> {
        Body::from_request(request, state).await.map(Self)
    }
}

impl Input for Sent {
    fn describe(to: &mut Description) {
        to.takes(true, vec![(JSON, content(Object::with_type(Type::Object)))]);
        to.may_fail(&[&problem::BUSY, &problem::CONFLICT]);
    }
}

pub(super) async fn servers(
    State(state): State<ApiState>,
    admin: Admin,
    Query(wish): Query<Wish>,
) -> Result<File, Problem> {
    make(&state, &admin, None, wish, false).await
}

pub(super) async fn server(
    State(state): State<ApiState>,
    admin: Admin,
    Path(server): Path<ServerId>,
    Query(wish): Query<Wish>,
) -> Result<File, Problem> {
    make(&state, &admin, Some(server), wish, false).await
}

pub(super) async fn download(
    State(state): State<ApiState>,
    admin: Admin,
    Query(wish): Query<Wish>,
) -> Result<File, Problem> {
    make(&state, &admin, None, wish, true).await
}

pub(super) async fn import(
    State(state): State<ApiState>,
    admin: Admin,
    Query(wish): Query<ImportWish>,
    Sent(Body(mut request)): Sent,
) -> Result<Json<ImportReport>, Problem> {
    if !is_json(request.headers()) {
        let detail = "send the file as `Content-Type: application/json`";
        return Err(Problem::new(&problem::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    let _place = state.uploads.place()?;
    // Ours is counted by the layer round all routes.
    DefaultBodyLimit::disable().apply(&mut request);
    let limit = body_limit(state.service.limits());
    let bytes = Bytes::from_request(request, &state).await.map_err(|error| unreadable(error, limit))?;
    Ok(Json(state.service.import_run(admin.caller(), &bytes, wish).await?))
}

async fn make(
    state: &ApiState,
    admin: &Admin,
    server: Option<ServerId>,
    wish: Wish,
    attached: bool,
) -> Result<File, Problem> {
    // A file is as large as an upload, and as long in memory.
    let _place = state.uploads.place()?;
    let file = state.service.export_make(admin.caller(), server, wish.versions, wish.components).await?;
    Ok(File { file, attached })
}
