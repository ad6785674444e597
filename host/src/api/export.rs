//! Export and import: files with servers and tools, signed here and read here.

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest as _, Request, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::Response;
use serde::Deserialize;

use super::ApiState;
use super::extract::{Admin, Json, Path, Query, is_json, unreadable};
use super::problem::{self, Problem};
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
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Wish {
    versions: ExportedVersions,
    components: ExportedComponents,
}

pub(super) async fn servers(
    State(state): State<ApiState>,
    admin: Admin,
    Query(wish): Query<Wish>,
) -> Result<Response, Problem> {
    Ok(file(make(&state, &admin, None, wish).await?, false))
}

pub(super) async fn server(
    State(state): State<ApiState>,
    admin: Admin,
    Path(server): Path<ServerId>,
    Query(wish): Query<Wish>,
) -> Result<Response, Problem> {
    Ok(file(make(&state, &admin, Some(server), wish).await?, false))
}

pub(super) async fn download(
    State(state): State<ApiState>,
    admin: Admin,
    Query(wish): Query<Wish>,
) -> Result<Response, Problem> {
    Ok(file(make(&state, &admin, None, wish).await?, true))
}

pub(super) async fn import(
    State(state): State<ApiState>,
    admin: Admin,
    Query(wish): Query<ImportWish>,
    request: Request,
) -> Result<Json<ImportReport>, Problem> {
    if !is_json(request.headers()) {
        let detail = "send the file as `Content-Type: application/json`";
        return Err(Problem::new(&problem::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    let _place = state.uploads.place()?;
    let limit = body_limit(state.service.limits());
    let mut request = request;
    // Ours is counted by the layer round all routes.
    axum::extract::DefaultBodyLimit::disable().apply(&mut request);
    let bytes = Bytes::from_request(request, &state).await.map_err(|error| unreadable(error, limit))?;
    Ok(Json(state.service.import_run(admin.caller(), &bytes, wish).await?))
}

async fn make(state: &ApiState, admin: &Admin, server: Option<ServerId>, wish: Wish) -> Result<ExportFile, Problem> {
    // A file is as large as an upload, and as long in memory.
    let _place = state.uploads.place()?;
    Ok(state.service.export_make(admin.caller(), server, wish.versions, wish.components).await?)
}

fn file(ExportFile { name, text }: ExportFile, attached: bool) -> Response {
    let mut response = Response::new(Body::from(text));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, axum::http::HeaderValue::from_static("application/json"));
    let disposition = format!("attachment; filename=\"{name}\"");
    if attached && let Ok(value) = disposition.parse() {
        headers.insert(CONTENT_DISPOSITION, value);
    }
    response
}
