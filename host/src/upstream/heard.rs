//! What a source says while a call runs: progress and log lines, in the order in which they come.
//!
//! They are taken from the stream before the client library sees them, which hands notifications to
//! tasks without an order. Progress counts only with the token of the call that runs.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Deserialize;
use serde_json::Value;

use super::shown;
use crate::domain::outcome::{GuestEvent, LogLevel, LogLine, Progress};

/// Hears what a source says while it works; must not wait.
pub type Listener = Arc<dyn Fn(GuestEvent) + Send + Sync>;

/// The ear of one call.
#[derive(Default)]
pub(super) struct Heard(Mutex<State>);

#[derive(Default)]
struct State {
    listener: Option<Listener>,
    lines_max: usize,
    line_bytes: usize,
    /// What progress of the running call is marked with.
    token: Option<Value>,
    progress: usize,
    said: Said,
}

/// What was said in a call.
#[derive(Default)]
pub(super) struct Said {
    pub(super) log: Vec<LogLine>,
    /// What was over the bound.
    pub(super) dropped: u64,
}

#[derive(Deserialize)]
struct Notification {
    method: String,
    #[serde(default)]
    params: Value,
}

#[derive(Deserialize)]
struct ProgressParams {
    #[serde(rename = "progressToken")]
    token: Value,
    progress: f64,
    total: Option<f64>,
    message: Option<String>,
}

#[derive(Deserialize)]
struct LogParams {
    #[serde(default)]
    level: String,
    #[serde(default)]
    data: Value,
}

impl Heard {
    pub(super) fn listen(&self, listener: Option<Listener>, lines_max: usize, line_bytes: usize) {
        *self.state() = State { listener, lines_max, line_bytes, ..State::default() };
    }

    /// A request is about to be sent; of a call, its token is noted.
    pub(super) fn sending(&self, message: &[u8]) {
        #[derive(Deserialize)]
        struct Request {
            method: String,
            #[serde(default)]
            params: Value,
        }
        let Ok(request) = serde_json::from_slice::<Request>(message) else { return };
        if request.method == "tools/call" {
            self.state().token = request.params.pointer("/_meta/progressToken").cloned();
        }
    }

    /// The data of one event, whatever it is.
    pub(super) fn event(&self, data: &str) {
        // Most events are answers, which are large: they are not read twice.
        if !data.contains("notifications/") {
            return;
        }
        let Ok(notification) = serde_json::from_str::<Notification>(data) else { return };
        match notification.method.as_str() {
            "notifications/progress" => self.progress(notification.params),
            "notifications/message" => self.log(notification.params),
            _ => {}
        }
    }

    fn progress(&self, params: Value) {
        let Ok(ProgressParams { token, progress, total, message }) = serde_json::from_value(params) else { return };
        let mut state = self.state();
        if state.token.as_ref() != Some(&token) {
            return;
        }
        if state.progress >= state.lines_max {
            state.said.dropped += 1;
            return;
        }
        state.progress += 1;
        let message = message.map(|text| cut(text, state.line_bytes));
        if let Some(listener) = state.listener.clone() {
            drop(state);
            listener(GuestEvent::Progress(Progress { progress, total, message }));
        }
    }

    fn log(&self, params: Value) {
        let Ok(LogParams { level, data }) = serde_json::from_value(params) else { return };
        let mut state = self.state();
        if state.token.is_none() {
            return;
        }
        if state.said.log.len() >= state.lines_max {
            state.said.dropped += 1;
            return;
        }
        let level = match level.as_str() {
            "debug" => LogLevel::Debug,
            "warning" => LogLevel::Warning,
            "error" | "critical" | "alert" | "emergency" => LogLevel::Error,
            _ => LogLevel::Info,
        };
        let message = match data {
            Value::String(text) => text,
            other => other.to_string(),
        };
        let line = LogLine { level, message: cut(message, state.line_bytes) };
        state.said.log.push(line.clone());
        if let Some(listener) = state.listener.clone() {
            drop(state);
            listener(GuestEvent::Log(line));
        }
    }

    /// What was said, once.
    pub(super) fn take(&self) -> Said {
        let mut state = self.state();
        state.token = None;
        state.listener = None;
        std::mem::take(&mut state.said)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn cut(text: String, bytes: usize) -> String {
    if text.len() <= bytes {
        return text;
    }
    let end = (0..=bytes).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text[..end].to_owned()
}

/// The message of a JSON-RPC error, for a sentence.
pub(super) fn error_text(message: &str, data: Option<&Value>) -> String {
    match data {
        Some(data) if !data.is_null() => shown(&format!("{message} ({data})")),
        _ => shown(message),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn listening(lines_max: usize) -> (Heard, Arc<Mutex<Vec<GuestEvent>>>) {
        let (heard, events) = (Heard::default(), Arc::<Mutex<Vec<GuestEvent>>>::default());
        let kept = Arc::clone(&events);
        heard.listen(Some(Arc::new(move |event| kept.lock().expect("events").push(event))), lines_max, 8);
        heard.sending(br#"{"method":"tools/call","params":{"_meta":{"progressToken":7}}}"#);
        (heard, events)
    }

    fn progress(token: i64, progress: i64) -> String {
        json!({"method": "notifications/progress", "params": {"progressToken": token, "progress": progress,
            "message": "a long message"}})
        .to_string()
    }

    #[test]
    fn progress_of_the_running_call_is_heard_in_order_and_of_no_other() {
        let (heard, events) = listening(10);
        for (token, value) in [(7, 1), (6, 9), (7, 2)] {
            heard.event(&progress(token, value));
        }
        let told: Vec<f64> = events
            .lock()
            .expect("events")
            .iter()
            .map(|event| match event {
                GuestEvent::Progress(Progress { progress, message, .. }) => {
                    assert_eq!(message.as_deref(), Some("a long m"));
                    *progress
                }
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(told, [1.0, 2.0]);
        heard.take();
        heard.event(&progress(7, 3));
        assert_eq!(events.lock().expect("events").len(), 2, "the call is over");
    }

    #[test]
    fn log_lines_are_kept_up_to_their_bound_and_the_rest_is_counted() {
        let (heard, events) = listening(2);
        for text in [json!("one"), json!({"two": 2}), json!("three")] {
            let params = json!({"level": "warning", "data": text});
            heard.event(&json!({"method": "notifications/message", "params": params}).to_string());
        }
        let said = heard.take();
        let lines: Vec<&str> = said.log.iter().map(|line| line.message.as_str()).collect();
        assert_eq!((lines, said.dropped), (vec!["one", "{\"two\":2"], 1));
        assert_eq!(events.lock().expect("events").len(), 2);
    }

    proptest! {
        #[test]
        fn whatever_is_said_is_heard_or_passed_over(data in "\\PC{0,60}") {
            let (heard, _) = listening(2);
            heard.event(&data);
            heard.event(&format!("{{\"method\":\"notifications/progress\",\"params\":{data}}}"));
            heard.sending(data.as_bytes());
        }
    }
}
