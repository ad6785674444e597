//! The activity log as it grows, over a WebSocket (RFC 6455).
//!
//! The host sends `connected`, then a `log` for each row that the filter lets through, `missed` with a number
//! when the client was too slow, and answers what the client says: `ping` with `pong`, `filter` with
//! `filter_updated`. Anything else closes the socket, as do larger messages, silence, and the end of the
//! session. Who shows no valid credential is let in to be told so: the socket is closed with 4001.

use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::http::HeaderMap;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::IntoParams;

use super::ApiState;
use super::activity::{levels_of, log_types_of};
use super::describe::{Answer, Description, Input};
use super::extract::{Peer, Query};
use super::live::{Live, Next, Why};
use super::problem::{self, Problem};
use crate::auth::AdminAuth;
use crate::domain::activity::LogType;
use crate::domain::ids::ServerId;
use crate::domain::outcome::LogLevel;
use crate::events::{Activity, Change, Event, Heard};
use crate::service::Error;

/// Bytes of one message of a client.
const MESSAGE_BYTES: usize = 4 * 1024;
/// Pauses without a sign of life after which a client is gone: it answers a ping of the protocol at each.
const SILENT_PAUSES: u32 = 3;
/// How long a client may take to hear why its socket is closed.
const FAREWELL: Duration = Duration::from_secs(1);

/// Close codes: RFC 6455, section 7.4.1, and one of our own.
const GOING_AWAY: u16 = 1001;
const UNREADABLE: u16 = 1008;
const TOO_BIG: u16 = 1009;
const UNAUTHENTICATED: u16 = 4001;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct StreamQuery {
    server_id: Option<ServerId>,
    /// Words with commas between them.
    log_types: Option<String>,
    /// Words with commas between them.
    levels: Option<String>,
    /// Of `POST /api/activity/ticket`; in place of a header or a cookie.
    ticket: Option<String>,
}

/// Which rows a client wants; what is absent or empty narrows nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Filter {
    server_id: Option<ServerId>,
    log_types: Vec<LogType>,
    levels: Vec<LogLevel>,
}

/// What a client says.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Said {
    Ping,
    Filter(Filter),
}

/// What a client is told.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Told<'a> {
    Connected { filter: &'a Filter },
    Log { data: &'a Event },
    Missed { events: Option<u64> },
    Pong,
    FilterUpdated { filter: &'a Filter },
}

impl Filter {
    fn lets_through(&self, row: &Activity) -> bool {
        self.server_id.is_none_or(|server| row.server_id == Some(server))
            && (self.log_types.is_empty() || self.log_types.contains(&row.log_type))
            && (self.levels.is_empty() || self.levels.contains(&row.level))
    }
}

/// What makes a socket of a connection.
type Upgrade = Result<WebSocketUpgrade, WebSocketUpgradeRejection>;

impl Input for Upgrade {}

/// The connection is a socket from now on.
pub(super) struct Opened(Response);

impl IntoResponse for Opened {
    fn into_response(self) -> Response {
        self.0
    }
}

impl Answer for Opened {
    fn describe(to: &mut Description) {
        to.answer(StatusCode::SWITCHING_PROTOCOLS, Vec::new());
    }
}

/// Opens a socket. The credential is a header, a cookie of one of our pages, or a ticket.
pub(super) async fn open(
    State(state): State<ApiState>,
    Peer(peer): Peer,
    headers: HeaderMap,
    Query(query): Query<StreamQuery>,
    upgrade: Upgrade,
) -> Result<Opened, Problem> {
    let StreamQuery { server_id, log_types, levels, ticket } = query;
    let session = match &ticket {
        Some(ticket) => state.service.stream_ticket_use(ticket, Some(peer.ip())).await,
        None => AdminAuth::new(state.service.clone()).socket_session(peer, &headers).await,
    };
    let session = match (session, upgrade) {
        (Ok(session), Ok(upgrade)) => (session, upgrade),
        (Err(error @ (Error::Unauthenticated { .. } | Error::CrossSite { .. })), Ok(upgrade)) => {
            let reason = error.to_string();
            return Ok(Opened(upgrade.max_message_size(MESSAGE_BYTES).on_upgrade(async move |mut socket| {
                farewell(&mut socket, UNAUTHENTICATED, &reason).await;
            })));
        }
        (Err(error), _) => return Err(error.into()),
        (Ok(_), Err(_)) => {
            return Err(Problem::new(&problem::MALFORMED, "this address is for a WebSocket (RFC 6455)"));
        }
    };
    let (session, upgrade) = session;
    let filter =
        Filter { server_id, log_types: log_types_of(log_types.as_deref())?, levels: levels_of(levels.as_deref())? };
    let live = Live::new(&state.service, session, state.places.place()?, None);
    // The host waits for it when it stops.
    let tracked = state.tasks.token();
    let upgrade = upgrade.max_message_size(MESSAGE_BYTES).max_frame_size(MESSAGE_BYTES);
    Ok(Opened(upgrade.on_upgrade(async move |socket| {
        serve(socket, live, filter).await;
        drop(tracked);
    })))
}

/// Tells and hears until one of both is done.
async fn serve(mut socket: WebSocket, mut live: Live, mut filter: Filter) {
    if tell(&mut socket, &Told::Connected { filter: &filter }).await.is_err() {
        return;
    }
    let mut silent = 0;
    let (code, reason) = loop {
        let told = tokio::select! {
            next = live.next() => match next {
                Next::Heard(Heard::Event(event)) => match &event.change {
                    Change::Activity(row) if filter.lets_through(row) => {
                        tell(&mut socket, &Told::Log { data: &event }).await
                    }
                    _ => Ok(()),
                },
                Next::Heard(Heard::Missed(events)) => tell(&mut socket, &Told::Missed { events }).await,
                Next::Quiet if silent >= SILENT_PAUSES => break (UNREADABLE, "nothing was heard for too long"),
                Next::Quiet => {
                    silent += 1;
                    socket.send(Message::Ping(Default::default())).await
                }
                Next::Over(Why::Session) => break (UNAUTHENTICATED, "the session has ended; log in again"),
                Next::Over(Why::Stopping) => break (GOING_AWAY, "the host is going down"),
            },
            said = socket.recv() => {
                silent = 0;
                match said {
                    Some(Ok(Message::Text(text))) => match serde_json::from_str(&text) {
                        Ok(Said::Ping) => tell(&mut socket, &Told::Pong).await,
                        Ok(Said::Filter(wanted)) => {
                            filter = wanted;
                            tell(&mut socket, &Told::FilterUpdated { filter: &filter }).await
                        }
                        Err(_) => break (UNREADABLE, "send {\"type\":\"ping\"} or {\"type\":\"filter\",...}"),
                    },
                    Some(Ok(Message::Binary(_))) => break (UNREADABLE, "messages are JSON text"),
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(()),
                    Some(Ok(Message::Close(_))) | None => return,
                    // Larger than it may be, or not RFC 6455; a connection that broke takes no farewell.
                    Some(Err(_)) => break (TOO_BIG, "a message is at most 4096 bytes"),
                }
            }
        };
        // Who takes nothing any more has a connection that breaks.
        if told.is_err() {
            return;
        }
    };
    farewell(&mut socket, code, reason).await;
}

async fn tell(socket: &mut WebSocket, told: &Told<'_>) -> Result<(), axum::Error> {
    let text = serde_json::to_string(told).unwrap_or_else(|_| json!({"type": "missed"}).to_string());
    socket.send(Message::Text(text.into())).await
}

/// Says why, and waits a moment until that has arrived.
async fn farewell(socket: &mut WebSocket, code: u16, reason: &str) {
    // A control frame has at most 125 bytes, two of them for the code.
    let end = (0..=reason.len().min(120)).rev().find(|at| reason.is_char_boundary(*at)).unwrap_or(0);
    let frame = CloseFrame { code, reason: reason[..end].into() };
    let said = async {
        if socket.send(Message::Close(Some(frame))).await.is_ok() {
            while let Some(Ok(_)) = socket.recv().await {}
        }
    };
    // One who does not listen misses it.
    let _ = tokio::time::timeout(FAREWELL, said).await;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::ids::ActivityId;

    fn row(server_id: Option<ServerId>, log_type: LogType, level: LogLevel) -> Activity {
        Activity {
            activity_id: ActivityId::new(),
            log_type,
            level,
            message: "".into(),
            method: None,
            server_id,
            caller: None,
            request_id: None,
            duration_ms: None,
        }
    }

    #[test]
    fn a_filter_lets_through_what_fits_all_of_it() {
        let (one, other) = (ServerId::new(), ServerId::new());
        let any = Filter::default();
        let of_one = Filter { server_id: Some(one), ..any.clone() };
        let alerts = Filter { log_types: vec![LogType::Alert, LogType::Error], ..any.clone() };
        let severe = Filter { levels: vec![LogLevel::Error], ..alerts.clone() };
        for (filter, row, expected) in [
            (&any, row(None, LogType::System, LogLevel::Debug), true),
            (&of_one, row(Some(one), LogType::System, LogLevel::Debug), true),
            (&of_one, row(Some(other), LogType::System, LogLevel::Debug), false),
            (&of_one, row(None, LogType::System, LogLevel::Debug), false),
            (&alerts, row(None, LogType::Error, LogLevel::Info), true),
            (&alerts, row(None, LogType::McpRequest, LogLevel::Info), false),
            (&severe, row(None, LogType::Error, LogLevel::Error), true),
            (&severe, row(None, LogType::Error, LogLevel::Warning), false),
        ] {
            assert_eq!(filter.lets_through(&row), expected, "{filter:?} {row:?}");
        }
    }

    #[test]
    fn a_client_says_ping_and_filter_and_nothing_else() {
        let said = |text: &str| serde_json::from_str::<Said>(text).ok();
        assert_eq!(said(r#"{"type":"ping"}"#), Some(Said::Ping));
        assert_eq!(said(r#"{"type":"filter"}"#), Some(Said::Filter(Filter::default())));
        let levels = Filter { levels: vec![LogLevel::Error], ..Filter::default() };
        assert_eq!(said(r#"{"type":"filter","levels":["error"]}"#), Some(Said::Filter(levels)));
        for bad in [
            "ping",
            "{}",
            r#"{"type":"subscribe"}"#,
            r#"{"type":"filter","levels":["loud"]}"#,
            r#"{"type":"filter","server":1}"#,
            r#"{"type":"filter","levels":"error"}"#,
        ] {
            assert_eq!(said(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_reading_fail(text in "\\PC{0,200}|[{}\\[\\]\",:a-z]{0,200}") {
            let _ = serde_json::from_str::<Said>(&text);
        }
    }
}
