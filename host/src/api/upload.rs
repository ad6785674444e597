//! The body of an upload: a component as it is, or in a form. It is read as it arrives, into memory up
//! to the limit on components; so many at the same time as the limits say, so that they cannot fill the
//! memory together.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::multipart::{Field, MultipartError, MultipartRejection};
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use futures_util::{Stream, StreamExt as _};
use tokio::sync::Semaphore;
use utoipa::PartialSchema as _;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder};

use super::ApiState;
use super::describe::{Description, Input, content};
use super::problem::{self, Problem};
use crate::domain::names::ToolName;
use crate::limits::Limits;
use crate::limits::pace::TooSlow;
use crate::service::Error;
use crate::service::components::{UploadStep, UploadSteps};

/// The addresses whose body is a component. All others hold to `request_body_bytes`.
pub(super) const PATHS: [&str; 2] = ["/api/servers/{id}/components", "/api/servers/{id}/components/{name}"];

/// What a form has beside the component: names, a description, boundaries.
const FORM_BYTES: u64 = 128 << 10;

/// The places for uploads.
pub(super) struct Uploads(Semaphore);

/// What was sent.
#[derive(Default)]
pub(super) struct Upload {
    pub(super) name: Option<String>,
    pub(super) description: Option<String>,
    pub(super) timeout_ms: Option<u64>,
    pub(super) bytes: Option<Vec<u8>>,
}

/// How much a body of such an address may have.
pub(super) fn body_limit(limits: &Limits) -> u64 {
    limits.component_bytes.saturating_add(FORM_BYTES)
}

impl Uploads {
    pub(super) fn new(limits: &Limits) -> Self {
        Self(Semaphore::new(Limits::size(limits.uploads_at_once)))
    }

    /// A place, if one is free.
    ///
    /// # Errors
    /// [`Error::Busy`].
    pub(super) fn place(&self) -> Result<tokio::sync::SemaphorePermit<'_>, Error> {
        self.0.try_acquire().map_err(|_| Error::Busy {
            retry_after: Duration::from_secs(5),
            message: "as many components are being uploaded as may be at the same time; try again in a moment"
                .to_owned(),
        })
    }
}

/// The body, which nobody has read yet.
pub(super) struct Body(pub(super) Request);

impl FromRequest<ApiState> for Body {
    type Rejection = Infallible;

    async fn from_request(request: Request, _: &ApiState) -> Result<Self, Infallible> {
        Ok(Self(request))
    }
}

impl Input for Body {
    fn describe(to: &mut Description) {
        let file = || ObjectBuilder::new().content_media_type("application/octet-stream");
        let (name, description, timeout) = (ToolName::schema(), String::schema(), u64::schema());
        let form = ObjectBuilder::new()
            .property("name", name)
            .property("description", description)
            .property("timeout_ms", timeout)
            .property("file", file())
            .required("file")
            .additional_properties(Some(AdditionalProperties::FreeForm(false)));
        to.takes(true, vec![("application/wasm", content(file())), ("multipart/form-data", content(form))]);
        to.may_fail(&[&problem::BUSY, &problem::CONFLICT]);
    }
}

/// How the body comes.
enum Form {
    Wasm,
    Multipart,
}

/// Whether this door reads such a body; before any of it is read.
///
/// # Errors
/// 415.
pub(super) fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    form(headers).map(|_| ())
}

fn form(headers: &HeaderMap) -> Result<Form, Problem> {
    let text = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "application/wasm" => Ok(Form::Wasm),
        "multipart/form-data" => Ok(Form::Multipart),
        _ => {
            let detail = "send the component as `Content-Type: application/wasm`, or in a form as \
                          `multipart/form-data` with a field `file`";
            Err(Problem::new(&problem::UNSUPPORTED_MEDIA_TYPE, detail))
        }
    }
}

/// Reads the body. `steps` hears how much is there.
///
/// # Errors
/// 413 as soon as it is too large, 408 when it comes too slowly, and what is wrong with a form.
pub(super) async fn read(request: Request, limits: &Limits, steps: Option<&UploadSteps>) -> Result<Upload, Problem> {
    match form(request.headers())? {
        Form::Wasm => {
            let chunks = request.into_body().into_data_stream();
            let bytes = collect(chunks, limits.component_bytes, steps, |error: axum::Error| broken_off(&error)).await?;
            Ok(Upload { bytes: Some(bytes), ..Upload::default() })
        }
        Form::Multipart => read_form(request, limits, steps).await,
    }
}

async fn read_form(mut request: Request, limits: &Limits, steps: Option<&UploadSteps>) -> Result<Upload, Problem> {
    // Ours is counted by the layer round all routes.
    DefaultBodyLimit::disable().apply(&mut request);
    let mut form = Multipart::from_request(request, &()).await.map_err(|error: MultipartRejection| {
        Problem::new(&problem::MALFORMED, format!("the form cannot be read: {}", error.body_text()))
    })?;
    let mut upload = Upload::default();
    while let Some(field) = form.next_field().await.map_err(unreadable)? {
        match field.name().unwrap_or_default() {
            "file" => upload.bytes = Some(collect(field, limits.component_bytes, steps, unreadable).await?),
            "name" => upload.name = Some(text(field, "name").await?),
            "description" => upload.description = Some(text(field, "description").await?),
            "timeout_ms" => {
                let given = text(field, "timeout_ms").await?;
                let number = given.trim().parse();
                upload.timeout_ms = Some(number.map_err(|_| Error::invalid("/timeout_ms", "give a whole number"))?);
            }
            other => {
                let known = "`name`, `description`, `timeout_ms` and `file`";
                let shown: String = other.chars().take(64).collect();
                return Err(Error::invalid("", format!("the form has a field `{shown}`; known are {known}")).into());
            }
        }
    }
    Ok(upload)
}

async fn text(field: Field<'_>, name: &'static str) -> Result<String, Problem> {
    let bytes = collect(field, FORM_BYTES, None, unreadable).await?;
    let text = String::from_utf8(bytes).map_err(|_| Error::invalid(format!("/{name}"), "the text is not UTF-8"))?;
    Ok(text)
}

/// Collects chunks up to a number of bytes.
async fn collect<E>(
    mut chunks: impl Stream<Item = Result<axum::body::Bytes, E>> + Unpin,
    limit: u64,
    steps: Option<&UploadSteps>,
    failed: impl Fn(E) -> Problem,
) -> Result<Vec<u8>, Problem> {
    /// A step is told for each of these.
    const TOLD_BYTES: u64 = 4 << 20;
    let (mut bytes, mut told) = (Vec::new(), 0);
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(&failed)?;
        let size_bytes = (bytes.len() + chunk.len()) as u64;
        if size_bytes > limit {
            return Err(too_large(limit));
        }
        bytes.extend_from_slice(&chunk);
        if let Some(steps) = steps.filter(|_| size_bytes >= told + TOLD_BYTES) {
            told = size_bytes;
            // Who watches slowly misses some.
            let _ = steps.try_send(UploadStep::Received { size_bytes });
        }
    }
    Ok(bytes)
}

pub(super) fn too_large(limit: u64) -> Problem {
    Problem::new(&problem::TOO_LARGE, format!("the component has more than {limit} bytes"))
}

fn unreadable(error: MultipartError) -> Problem {
    match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            Problem::new(&problem::TOO_LARGE, "the form is larger than a component may be")
        }
        _ if TooSlow::behind(&error).is_some() => broken_off(&error),
        _ => Problem::new(&problem::MALFORMED, format!("the form cannot be read: {}", error.body_text())),
    }
}

fn broken_off(error: &(dyn std::error::Error + 'static)) -> Problem {
    match TooSlow::behind(error) {
        Some(slow) => Problem::new(&problem::TOO_SLOW, slow.to_string()),
        None => Problem::new(&problem::MALFORMED, format!("the body breaks off: {error}")),
    }
}

/// The component of an upload.
///
/// # Errors
/// 422 when the form has none.
pub(super) fn component(bytes: Option<Vec<u8>>) -> Result<Arc<[u8]>, Error> {
    let bytes = bytes.ok_or_else(|| Error::invalid("/file", "the form lacks the component, in a field `file`"))?;
    Ok(Arc::from(bytes))
}
