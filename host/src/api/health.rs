//! Whether the host works, for orchestrators and people. Asked for as often as anybody likes: the
//! parts themselves are asked once a second at most.

use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use tokio::sync::Mutex;

use super::ApiState;
use super::extract::Json;
use crate::service::health::Health;

/// For how long a sign of life is believed.
const FRESH: TimeDelta = TimeDelta::seconds(1);

/// The last signs of life.
#[derive(Default)]
pub(super) struct Signs(Mutex<Option<(DateTime<Utc>, Health)>>);

#[derive(Serialize)]
pub(super) struct HealthView {
    status: &'static str,
    version: &'static str,
    database: &'static str,
    sandbox: &'static str,
}

/// Each part by itself.
#[derive(Serialize)]
pub(super) struct ServicesView {
    status: &'static str,
    services: Services,
}

#[derive(Serialize)]
struct Services {
    database: PartView,
    sandbox: PartView,
}

#[derive(Serialize)]
struct PartView {
    status: &'static str,
    healthy: bool,
}

#[derive(Serialize)]
pub(super) struct ProbeView {
    status: &'static str,
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
pub(super) async fn show(State(state): State<ApiState>) -> (StatusCode, Json<HealthView>) {
    let Health { database, sandbox } = state.signs.of(&state).await;
    let word = |works| if works { "connected" } else { "disconnected" };
    let view = HealthView {
        status: if database { "healthy" } else { "unhealthy" },
        version: env!("CARGO_PKG_VERSION"),
        database: word(database),
        sandbox: word(sandbox),
    };
    (if database { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, Json(view))
}

/// 503 when one of them does not answer.
pub(super) async fn services(State(state): State<ApiState>) -> (StatusCode, Json<ServicesView>) {
    let Health { database, sandbox } = state.signs.of(&state).await;
    let part = |healthy| PartView { status: if healthy { "connected" } else { "disconnected" }, healthy };
    let (status, word) = match database && sandbox {
        true => (StatusCode::OK, "healthy"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "degraded"),
    };
    let services = Services { database: part(database), sandbox: part(sandbox) };
    (status, Json(ServicesView { status: word, services }))
}

/// The process answers; restarting it would help nobody.
pub(super) async fn live() -> Json<ProbeView> {
    Json(ProbeView { status: "alive" })
}

/// Whether new work may be sent here: everything works, and the host is not going down.
pub(super) async fn ready(State(state): State<ApiState>) -> (StatusCode, Json<ProbeView>) {
    let no = |status| (StatusCode::SERVICE_UNAVAILABLE, Json(ProbeView { status }));
    if state.service.is_stopping() {
        return no("stopping");
    }
    match state.signs.of(&state).await {
        Health { database: true, sandbox: true } => (StatusCode::OK, Json(ProbeView { status: "ready" })),
        _ => no("unhealthy"),
    }
}
