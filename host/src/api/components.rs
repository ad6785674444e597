//! Components: uploaded, and replaced by new versions. The answer is JSON, or, for those who ask for
//! `text/event-stream`, the steps as they happen and the same JSON at the end.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{Extension, Request, State};
use axum::http::header::ACCEPT;
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt as _, stream};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use utoipa::{IntoParams, PartialSchema as _};

use super::ApiState;
use super::describe::{Answer, Description, EVENTS, content};
use super::extract::{Admin, Json, Path, Query};
use super::problem::Problem;
use super::upload::{self, Body, Upload};
use crate::domain::caller::Caller;
use crate::domain::ids::ServerId;
use crate::domain::names::ToolName;
use crate::service::Error;
use crate::service::components::{ComponentView, GivenComponent, UploadSteps};
use crate::telemetry::RequestId;

/// Steps that a slow watcher may be behind.
const STEPS_BEHIND: usize = 64;

/// For a body that is the component alone. A form has these as fields, which come first.
#[derive(Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct About {
    /// Of a new tool; needed here or in the form.
    #[param(value_type = Option<ToolName>, inline)]
    name: Option<String>,
    /// A longer one has room in the form.
    #[param(max_length = 2_000)]
    description: Option<String>,
    /// At most the limit `call_time_max_ms`.
    #[param(minimum = 100)]
    timeout_ms: Option<u64>,
}

/// Characters of a description in the address; what is much longer than an address may be is refused before it
/// gets here, without words.
const DESCRIPTION: usize = 2_000;

impl About {
    fn check(&self) -> Result<(), Error> {
        match &self.description {
            Some(text) if text.chars().count() > DESCRIPTION => Err(Error::invalid(
                "/description",
                format!(
                    "the address has room for {DESCRIPTION} characters of it; send a longer one as a field of a form"
                ),
            )),
            _ => Ok(()),
        }
    }
}

/// What an upload is for.
struct Purpose {
    caller: Caller,
    server: ServerId,
    /// None: it makes a tool.
    replaces: Option<String>,
    about: About,
}

/// What an upload answers: the component, or its steps as they happen.
pub(super) struct Made(Response);

/// The same for a component that was there.
pub(super) struct Replaced(Response);

impl IntoResponse for Made {
    fn into_response(self) -> Response {
        self.0
    }
}

impl IntoResponse for Replaced {
    fn into_response(self) -> Response {
        self.0
    }
}

impl Answer for Made {
    fn describe(to: &mut Description) {
        to.answer_json::<ComponentView>(StatusCode::CREATED);
        to.answer(StatusCode::OK, vec![(EVENTS, content(String::schema()))]);
    }
}

impl Answer for Replaced {
    fn describe(to: &mut Description) {
        let told = to.answer_json::<ComponentView>(StatusCode::OK);
        told.contents.push((EVENTS, content(String::schema())));
    }
}

pub(super) async fn create(
    State(state): State<ApiState>,
    admin: Admin,
    Path(server): Path<ServerId>,
    Query(about): Query<About>,
    Extension(request_id): Extension<RequestId>,
    body: Body,
) -> Result<Made, Problem> {
    let purpose = Purpose { caller: admin.caller().clone(), server, replaces: None, about };
    Ok(Made(answer(state, purpose, request_id, body).await?))
}

pub(super) async fn replace(
    State(state): State<ApiState>,
    admin: Admin,
    Path((server, name)): Path<(ServerId, ToolName)>,
    Query(about): Query<About>,
    Extension(request_id): Extension<RequestId>,
    body: Body,
) -> Result<Replaced, Problem> {
    let purpose = Purpose { caller: admin.caller().clone(), server, replaces: Some(name.into()), about };
    Ok(Replaced(answer(state, purpose, request_id, body).await?))
}

async fn answer(
    state: ApiState,
    purpose: Purpose,
    request_id: RequestId,
    Body(request): Body,
) -> Result<Response, Problem> {
    upload::check_type(request.headers())?;
    purpose.about.check()?;
    if wants_events(request.headers()) {
        return Ok(events(state, purpose, request_id, request));
    }
    let made = purpose.replaces.is_none();
    let view = take(&state, purpose, request, None).await?;
    let status = if made { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(view)).into_response())
}

/// Reads the body, then does what it is for.
async fn take(
    state: &ApiState,
    purpose: Purpose,
    request: Request,
    steps: Option<UploadSteps>,
) -> Result<ComponentView, Problem> {
    let _place = state.uploads.place()?;
    let Purpose { caller, server, replaces, about } = purpose;
    let sent = upload::read(request, state.service.limits(), steps.as_ref()).await?;
    let Upload { name, description, timeout_ms, bytes } = sent;
    let given = GivenComponent {
        bytes: upload::component(bytes)?,
        description: description.or(about.description),
        timeout_ms: timeout_ms.or(about.timeout_ms),
    };
    let name = name.or(about.name);
    let view = match (replaces, name) {
        (Some(name), None) => state.service.component_replace(&caller, server, &name, given, steps).await?,
        (Some(_), Some(_)) => return Err(Error::invalid("/name", "the name stands in the address").into()),
        (None, Some(name)) => state.service.component_upload(&caller, server, &name, given, steps).await?,
        (None, None) => return Err(Error::invalid("/name", "give the new tool a name").into()),
    };
    Ok(view)
}

fn wants_events(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|kind| kind.trim().starts_with("text/event-stream"))
}

/// Events `step`, then one `result` or `problem`. Whoever goes away before the end stops the upload.
fn events(state: ApiState, purpose: Purpose, request_id: RequestId, request: Request) -> Response {
    let (sender, steps) = mpsc::channel(STEPS_BEHIND);
    let keep_alive = Duration::from_secs(state.service.limits().sse_keep_alive_s);
    let told = stream::unfold(steps, async |mut steps| Some((steps.recv().await?, steps)));
    let told = told.map(|step| event("step", &step));
    let last = stream::once(async move {
        match take(&state, purpose, request, Some(sender)).await {
            Ok(view) => event("result", &view),
            Err(problem) => {
                Event::default().event("problem").data(String::from_utf8_lossy(&problem.body(request_id.as_str())))
            }
        }
    });
    let events = both(told, last).map(Ok::<_, Infallible>);
    Sse::new(events).keep_alive(KeepAlive::new().interval(keep_alive)).into_response()
}

fn event(kind: &str, data: &impl Serialize) -> Event {
    Event::default().event(kind).data(serde_json::to_string(data).unwrap_or_default())
}

/// The steps, then the end, which is held back until the last step is told.
fn both(steps: impl Stream<Item = Event>, last: impl Stream<Item = Event>) -> impl Stream<Item = Event> {
    // Both are asked: the work goes on while its steps are told, and ends them.
    let merged = stream::select(steps.map(|step| (step, false)), last.map(|end| (end, true)));
    let ended = merged.map(Some).chain(stream::once(async { None }));
    ended
        .scan(None, |held, next| {
            let told = match next {
                Some((step, false)) => Some(step),
                Some((end, true)) => {
                    *held = Some(end);
                    None
                }
                None => held.take(),
            };
            std::future::ready(Some(told))
        })
        .filter_map(std::future::ready)
}
