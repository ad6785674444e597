//! What changes, as server-sent events (HTML standard): one event each, with an id from which a browser that
//! lost the connection goes on by itself.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use utoipa::PartialSchema as _;
use utoipa::openapi::Required;
use utoipa::openapi::path::{ParameterBuilder, ParameterIn};

use super::ApiState;
use super::describe::{Answer, Description, EVENTS, Input, content};
use super::extract::Admin;
use super::live::{Live, Next, Why};
use super::problem::{self, Problem};
use crate::domain::ids::EventId;
use crate::events::{self, Heard};
use crate::service::Error;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The event behind which to go on, from the header `Last-Event-ID`; an empty one is none.
pub(super) struct LastEventId(Option<EventId>);

impl FromRequestParts<ApiState> for LastEventId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &ApiState) -> Result<Self, Problem> {
        Ok(Self(last_event_id(&parts.headers)?))
    }
}

impl Input for LastEventId {
    fn describe(to: &mut Description) {
        let header = ParameterBuilder::new().name("Last-Event-ID").parameter_in(ParameterIn::Header);
        to.parameters.push(header.required(Required::False).schema(Some(String::schema())).build());
        to.may_fail(&[&problem::INVALID]);
    }
}

/// Events, as they happen.
pub(super) struct Told(Response);

impl IntoResponse for Told {
    fn into_response(self) -> Response {
        self.0
    }
}

impl Answer for Told {
    fn describe(to: &mut Description) {
        to.answer(StatusCode::OK, vec![(EVENTS, content(String::schema()))]);
    }
}

/// Everything that happens from now on, or behind the event that the header `Last-Event-ID` names. The first
/// byte is sent at once, and a comment at every pause, so that no proxy takes a quiet stream for a dead one.
pub(super) async fn stream(
    State(state): State<ApiState>,
    Admin(session): Admin,
    LastEventId(after): LastEventId,
) -> Result<Told, Problem> {
    let live = Live::new(&state.service, session, state.places.place()?, after);
    let first = Event::default().comment("");
    let events = stream::unfold((Some(live), Some(first)), |(live, first)| async move {
        let mut live = live?;
        if let Some(first) = first {
            return Some((Ok::<_, Infallible>(first), (Some(live), None)));
        }
        Some(match live.next().await {
            Next::Quiet => (Ok(Event::default().comment("")), (Some(live), None)),
            Next::Heard(heard) => (Ok(written(&heard)), (Some(live), None)),
            Next::Over(why) => (Ok(last(why)), (None, None)),
        })
    });
    let mut response = Sse::new(events).into_response();
    // A proxy that gathers answers would keep events back.
    response.headers_mut().insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    Ok(Told(response))
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<EventId>, Error> {
    let Some(value) = headers.get(LAST_EVENT_ID) else { return Ok(None) };
    let text = value.to_str().unwrap_or("?");
    match text.parse() {
        _ if text.is_empty() => Ok(None),
        Ok(id) => Ok(Some(id)),
        Err(_) => Err(Error::invalid("", "`Last-Event-ID` is no id of an event of this host")),
    }
}

fn written(heard: &Heard) -> Event {
    match heard {
        Heard::Event(event) => {
            let events::Event { id, change, .. } = &**event;
            let data = serde_json::to_string(&**event).unwrap_or_default();
            Event::default().id(id.to_string()).event(change.kind()).data(data)
        }
        Heard::Missed(events) => {
            Event::default().event("missed").data(serde_json::json!({"kind": "missed", "events": events}).to_string())
        }
    }
}

/// Says why nothing follows.
fn last(why: Why) -> Event {
    let reason = match why {
        Why::Session => "session",
        Why::Stopping => "stopping",
    };
    Event::default().event("over").data(serde_json::json!({"kind": "over", "reason": reason}).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_last_event_id_is_one_of_ours_or_none() {
        let read = |text: &'static str| {
            last_event_id(&[(LAST_EVENT_ID, HeaderValue::from_static(text))].into_iter().collect())
        };
        let id = "01990000-0000-7000-8000-000000000001";
        assert_eq!(read(id).ok().flatten().map(|id| id.to_string()).as_deref(), Some(id));
        assert!(matches!(read(""), Ok(None)));
        assert!(matches!(last_event_id(&HeaderMap::new()), Ok(None)));
        assert!(read("session-3").is_err());
    }
}
