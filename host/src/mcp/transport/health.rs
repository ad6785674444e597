//! `GET /mcp/health`: whether this door and the sandbox behind it work.
//!
//! Open to everybody, so the parts themselves are asked once a second at most.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::mcp::McpState;
use crate::service::health::Health;

/// For how long a sign of life is believed.
const FRESH: TimeDelta = TimeDelta::seconds(1);

/// The last sign of life; clones share it.
#[derive(Clone, Default)]
pub(in crate::mcp) struct Signs(Arc<Mutex<Option<(DateTime<Utc>, Health)>>>);

pub(super) async fn show(State(mcp): State<McpState>) -> Json<Value> {
    let service = &mcp.dispatcher.service;
    let now = service.clock().now();
    // Those who ask while the parts are being asked wait for that answer.
    let mut last = mcp.signs.0.lock().await;
    let health = match *last {
        Some((at, health)) if at <= now && now - at < FRESH => health,
        _ => {
            let health = service.health().await;
            *last = Some((now, health));
            health
        }
    };
    let status = if health.database && health.sandbox { "ok" } else { "degraded" };
    let sandbox = if health.sandbox { "healthy" } else { "unhealthy" };
    Json(json!({"status": status, "sandbox": sandbox}))
}
