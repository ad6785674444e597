//! The row that a call leaves in the execution log: bounded, and without a secret in it.

use chrono::{DateTime, Utc};

use super::Service;
use super::answer::Answer;
use super::calls::{Call, Purpose};
use crate::db::Texts;
use crate::db::execution_logs::ExecutionLog as Row;
use crate::domain::caller::Caller;
use crate::domain::outcome::{Outcome, Report};
use crate::domain::redact::{Redactor, redact_arguments};
use crate::domain::text::Text;
use crate::telemetry::RequestId;

impl Service {
    #[expect(clippy::too_many_arguments, reason = "a row tells of everything that met in this call")]
    pub(super) fn row(
        &self,
        caller: &Caller,
        call: &Call,
        request_id: &RequestId,
        report: &Report,
        answer: &Answer,
        redactor: &Redactor,
        started_at: DateTime<Utc>,
    ) -> Row {
        let (limits, ready) = (self.limits(), &call.ready);
        let result = match &report.outcome {
            Outcome::Returned(_) | Outcome::ReturnedError(_) => {
                Some(serde_json::to_string(&answer.result).unwrap_or_default())
            }
            Outcome::Answered(json) => Some(redactor.apply_json_text(json.get())),
            Outcome::InputRequired { questions } => {
                Some(redactor.apply_json_text(&serde_json::to_string(questions).unwrap_or_default()))
            }
            _ => None,
        };
        let mut cut = Vec::new();
        let mut keep = |name: &str, text: String, bound: u64| {
            if text.len() as u64 > bound {
                cut.push(name.to_owned());
            }
            kept(text, bound)
        };
        let arguments = keep("arguments", logged_arguments(&call.arguments, redactor), limits.log_arguments_bytes);
        let result_bytes = result.as_ref().map_or(0, String::len) as u64;
        let result = result.map(|text| keep("result", text, limits.log_result_bytes));
        let error = answer.error.clone().map(|text| keep("error", text, limits.log_error_bytes));
        let stdout = keep("stdout", redactor.apply(&report.stdout.text).into_owned(), limits.log_stdout_bytes);
        let over = [("stdout", report.stdout.dropped_bytes), ("log_lines", report.dropped_lines)];
        cut.extend(over.into_iter().filter(|(_, dropped)| *dropped > 0).map(|(name, _)| name.to_owned()));
        cut.dedup();
        Row {
            id: call.id,
            server_id: ready.server.id,
            tool_id: ready.tool.id,
            version_id: ready.version.id,
            version_number: ready.version.number,
            tool_name: format!("{}__{}", ready.server.name, ready.runnable.name).into(),
            caller: caller.text(),
            request_id: request_id.shared().into(),
            is_test: matches!(call.purpose, Purpose::Test { .. }),
            arguments,
            result,
            error,
            arguments_bytes: (call.arguments.len() as u64).into(),
            result_bytes: result_bytes.into(),
            stdout_bytes: (report.stdout.text.len() as u64).saturating_add(report.stdout.dropped_bytes).into(),
            stdout,
            cut: Texts(cut),
            outcome: report.outcome.label().into(),
            success: report.outcome.is_success(),
            fuel: report.usage.fuel.into(),
            peak_memory_bytes: report.usage.peak_memory_bytes.into(),
            duration_us: u64::try_from(report.usage.duration.as_micros()).unwrap_or(u64::MAX).into(),
            http_requests: report.usage.http_requests.into(),
            http_sent_bytes: report.usage.http_sent_bytes.into(),
            http_received_bytes: report.usage.http_received_bytes.into(),
            started_at,
        }
    }
}

/// Arguments for the log: values of keys that sound secret, and values that are secret, blotted out.
fn logged_arguments(arguments: &str, redactor: &Redactor) -> String {
    match serde_json::from_str(arguments) {
        Ok(mut value) => {
            redact_arguments(&mut value);
            redactor.apply_json(&mut value);
            serde_json::to_string(&value).unwrap_or_default()
        }
        Err(_) => redactor.apply(arguments).into_owned(),
    }
}

/// Text up to a bound, with a word about what is missing. Without U+0000, which PostgreSQL does not
/// keep.
fn kept(text: String, bytes: u64) -> Text {
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    let clean = if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text };
    if clean.len() <= bytes {
        return clean.into();
    }
    let end = (0..=bytes).rev().find(|at| clean.is_char_boundary(*at)).unwrap_or(0);
    format!("{}… ({} more bytes)", &clean[..end], clean.len() - end).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_cut_at_a_character_and_says_so() {
        assert_eq!(kept("ab\0c".to_owned(), 10), "ab\u{fffd}c");
        assert_eq!(kept("aéé".to_owned(), 2), "a… (4 more bytes)");
    }

    #[test]
    fn logged_arguments_hold_no_secrets() {
        let redactor = Redactor::new(["hunter22"]);
        let logged = logged_arguments(r#"{"password":"x","note":"it is hunter22","n":1}"#, &redactor);
        assert!(!logged.contains("hunter22") && !logged.contains("\"x\""), "{logged}");
        assert!(logged.contains("\"n\":1"), "{logged}");
    }
}
