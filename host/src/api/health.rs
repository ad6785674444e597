//! Whether the host works, for orchestrators and people. Asked for as often as anybody likes: the
//! parts themselves are asked once a second at most.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use tokio::sync::Mutex;
use utoipa::ToSchema;

use super::ApiState;
use super::describe::{Answer, Description};
use super::extract::Json;
use crate::service::health::Health;

/// For how long a sign of life is believed.
const FRESH: TimeDelta = TimeDelta::seconds(1);

/// The last signs of life.
#[derive(Default)]
pub(super) struct Signs(Mutex<Option<(DateTime<Utc>, Health)>>);

#[derive(Serialize, ToSchema)]
pub(super) struct HealthView {
    status: Status,
    version: &'static str,
    database: Part,
    sandbox: Part,
}

#[derive(Serialize, ToSchema)]
pub(super) struct ProbeView {
    status: Status,
}

#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = HealthStatus)]
pub(super) enum Status {
    Healthy,
    Unhealthy,
    Alive,
    Ready,
    Stopping,
}

/// Whether a part of the host answers.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = HealthPart)]
pub(super) enum Part {
    Connected,
    Disconnected,
}

/// 200, or 503 with the same form.
pub(super) struct Sign<T> {
    well: bool,
    view: T,
}

impl<T: Serialize> IntoResponse for Sign<T> {
    fn into_response(self) -> Response {
        let status = if self.well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        (status, Json(self.view)).into_response()
    }
}

impl<T: ToSchema> Answer for Sign<T> {
    fn describe(to: &mut Description) {
        to.answer_json::<T>(StatusCode::OK);
        to.answer_json::<T>(StatusCode::SERVICE_UNAVAILABLE);
    }
}

impl Signs {
    async fn of(&self, state: &ApiState) -> Health {
        let now = state.service.clock().now();
        // Those who ask while the parts are being asked wait for that answer.
        let mut last = self.0.lock().await;
        match *last {
            Some((at, health)) if at <= now && now - at < FRESH => health,
            _ => {
                let health = state.service.health().await;
                *last = Some((now, health));
                health
            }
        }
    }
}

/// 503 when the database does not answer; without the sandbox everything but calls works.
pub(super) async fn show(State(state): State<ApiState>) -> Sign<HealthView> {
    let Health { database, sandbox } = state.signs.of(&state).await;
    let word = |works| if works { Part::Connected } else { Part::Disconnected };
    let view = HealthView {
        status: if database { Status::Healthy } else { Status::Unhealthy },
        version: env!("CARGO_PKG_VERSION"),
        database: word(database),
        sandbox: word(sandbox),
    };
    Sign { well: database, view }
}

/// The same.
pub(super) async fn detail(state: State<ApiState>) -> Sign<HealthView> {
    show(state).await
}

/// The process answers; restarting it would help nobody.
pub(super) async fn live() -> Json<ProbeView> {
    Json(ProbeView { status: Status::Alive })
}

/// Whether new work may be sent here: everything works, and the host is not going down.
pub(super) async fn ready(State(state): State<ApiState>) -> Sign<ProbeView> {
    let sign = |well, status| Sign { well, view: ProbeView { status } };
    if state.service.is_stopping() {
        return sign(false, Status::Stopping);
    }
    match state.signs.of(&state).await {
        Health { database: true, sandbox: true } => sign(true, Status::Ready),
        _ => sign(false, Status::Unhealthy),
    }
}
