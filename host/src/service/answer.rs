//! What a caller reads of a call: the report, with every secret blotted out, in words that say what
//! to do.

use serde_json::value::RawValue;

use super::calls::End;
use crate::domain::budget::Budget;
use crate::domain::content::{Content, EmbeddedResource, ResourceBody, ToolResult};
use crate::domain::outcome::{Bound, Captured, Exception, Outcome, Report};
use crate::domain::redact::Redactor;

/// A report in the words of an answer.
pub(super) struct Answer {
    pub(super) result: ToolResult,
    /// Set when the call failed: the sentence for log rows and for those who read only one.
    pub(super) error: Option<String>,
    pub(super) stdout: String,
    pub(super) notices: Vec<String>,
}

/// Takes the result out of the report.
pub(super) fn compose(report: &mut Report, budget: &Budget, redactor: &Redactor, stdout_returned: usize) -> Answer {
    let stdout = redactor.apply(&report.stdout.text);
    let (returned, mut notices) = excerpt(&stdout, report.stdout.dropped_bytes, stdout_returned);
    if report.dropped_lines > 0 {
        notices.push(format!("{} log lines or progress reports were over the limit and dropped", report.dropped_lines));
    }
    if let Some(notice) = stderr_notice(&report.stderr, redactor) {
        notices.push(notice);
    }
    match &mut report.outcome {
        Outcome::Returned(result) => {
            let result = redact(std::mem::take(result), redactor);
            Answer { result, error: None, stdout: returned, notices }
        }
        Outcome::ReturnedError(result) => {
            let result = redact(std::mem::take(result), redactor);
            let error = redactor.apply_owned(told(&result));
            Answer { result, error: Some(error), stdout: returned, notices }
        }
        Outcome::Answered(_) | Outcome::InputRequired { .. } => {
            Answer { result: ToolResult::default(), error: None, stdout: returned, notices }
        }
        failed => {
            let error = redactor.apply_owned(failure(failed, budget));
            let mut text = error.clone();
            if let Outcome::Raised(exception) = failed {
                text.push_str(&redactor.apply(&detail(exception)));
            }
            if !returned.is_empty() {
                text.push_str("\n\n--- stdout ---\n");
                text.push_str(&returned);
            }
            let result = ToolResult { content: vec![Content::text(text)], structured_content: None };
            Answer { result, error: Some(error), stdout: returned, notices }
        }
    }
}

/// How a call ended, for doors that have words of their own for it.
pub(super) fn end(outcome: &Outcome, redactor: &Redactor) -> End {
    match outcome {
        Outcome::Answered(json) => {
            let text = redactor.apply_json_text(json.get());
            End::Answered(RawValue::from_string(text).unwrap_or_else(|_| RawValue::NULL.to_owned()))
        }
        Outcome::InputRequired { questions } => End::InputRequired(questions.clone()),
        Outcome::MissingAbilities { missing } => End::MissingAbilities(*missing),
        Outcome::ResourceNotFound { .. } => End::ResourceNotFound,
        Outcome::InvalidArguments { .. } => End::InvalidArguments,
        Outcome::Trapped { .. } => End::Trapped,
        Outcome::Cancelled => End::Cancelled,
        _ => End::Result,
    }
}

/// The part of standard output that goes back, and what is to be said about the rest.
fn excerpt(stdout: &str, dropped_bytes: u64, bound: usize) -> (String, Vec<String>) {
    let end = (0..=bound.min(stdout.len())).rev().find(|at| stdout.is_char_boundary(*at)).unwrap_or(0);
    let left_out = (stdout.len() - end) as u64 + dropped_bytes;
    let notices = if left_out == 0 {
        Vec::new()
    } else {
        vec![format!("standard output was cut: {left_out} more bytes were printed")]
    };
    (stdout[..end].to_owned(), notices)
}

/// Standard error is for authors; a model hears of it only that it is there.
fn stderr_notice(stderr: &Captured, redactor: &Redactor) -> Option<String> {
    let first = stderr.text.lines().find(|line| !line.trim().is_empty())?;
    let shown: String = redactor.apply(first).chars().take(200).collect();
    Some(format!("the tool wrote to standard error: {shown}"))
}

/// What a failure that was answered says first.
fn told(result: &ToolResult) -> String {
    let mut texts = result.content.iter().filter_map(|piece| match piece {
        Content::Text { text, .. } => Some(text.as_str()),
        _ => None,
    });
    texts.next().unwrap_or("the tool answered that it failed").to_owned()
}

/// What went wrong, in one sentence.
fn failure(outcome: &Outcome, budget: &Budget) -> String {
    match outcome {
        Outcome::Returned(_) | Outcome::Answered(_) | Outcome::InputRequired { .. } | Outcome::ReturnedError(_) => {
            String::new()
        }
        Outcome::MissingAbilities { missing } => {
            format!("the tool needs a client that can do more: {}", missing.names().join(", "))
        }
        Outcome::ResourceNotFound { uri } => format!("there is no resource `{uri}`; list the resources again"),
        Outcome::Raised(exception) => exception.headline(),
        Outcome::InvalidArguments { message } => format!("the arguments do not fit: {message}"),
        Outcome::Cancelled => "the call was cancelled".to_owned(),
        Outcome::InvalidResult { message } | Outcome::SourceFailed { message } => message.clone(),
        Outcome::Trapped { message } => format!("the tool crashed: {message}"),
        Outcome::Stopped(bound) => stopped(*bound, budget),
    }
}

fn stopped(bound: Bound, budget: &Budget) -> String {
    match bound {
        Bound::Time => format!(
            "stopped: the call took longer than its {:.1} s; make it quicker, or give the tool a longer timeout_ms",
            budget.time.as_secs_f64()
        ),
        Bound::Cpu => format!("stopped: the call used up its {} units of fuel (CPU time); compute less", budget.fuel),
        Bound::Memory => {
            format!("stopped: the call needed more than its {} bytes of memory; hold less at once", budget.memory_bytes)
        }
        Bound::Stack => "stopped: the call nested too deeply; use a loop in place of the recursion".to_owned(),
        Bound::HostCalls => {
            format!("stopped: the call asked the host more than {} times; do more between", budget.host_calls)
        }
        Bound::Handles => {
            format!("stopped: the call held more than {} handles open; close what is done with", budget.handles)
        }
        Bound::ResultSize => format!(
            "stopped: the result, or something that was handed over, is larger than {} bytes; return less",
            budget.result_bytes
        ),
    }
}

/// Where it happened, for the author.
fn detail(exception: &Exception) -> String {
    let mut text = String::new();
    if let Some(line) = exception.line {
        text.push_str(&format!("\n\n--- line {line} ---\n{}", exception.excerpt.trim_end()));
    }
    if !exception.traceback.trim().is_empty() {
        text.push_str(&format!("\n\n--- traceback ---\n{}", exception.traceback.trim_end()));
    }
    text
}

pub(super) fn redact(result: ToolResult, redactor: &Redactor) -> ToolResult {
    if redactor.is_empty() {
        return result;
    }
    let structured_content = result.structured_content.map(|json| {
        let text = redactor.apply_json_text(json.get());
        RawValue::from_string(text).unwrap_or_else(|_| RawValue::NULL.to_owned())
    });
    let content = result.content.into_iter().map(|piece| redact_piece(piece, redactor)).collect();
    ToolResult { content, structured_content }
}

fn redact_piece(piece: Content, redactor: &Redactor) -> Content {
    let apply = |text: String| redactor.apply_owned(text);
    match piece {
        Content::Text { text, annotations } => Content::Text { text: apply(text), annotations },
        // Encoded bytes: the redactor knows the encoding.
        Content::Image { data, mime_type, annotations } => Content::Image { data: apply(data), mime_type, annotations },
        Content::Audio { data, mime_type, annotations } => Content::Audio { data: apply(data), mime_type, annotations },
        Content::ResourceLink { uri, name, title, description, mime_type, size, annotations } => {
            Content::ResourceLink {
                uri: apply(uri),
                name: apply(name),
                title: title.map(apply),
                description: description.map(apply),
                mime_type,
                size,
                annotations,
            }
        }
        Content::Resource { resource: EmbeddedResource { uri, mime_type, body }, annotations } => Content::Resource {
            resource: EmbeddedResource {
                uri: apply(uri),
                mime_type,
                body: match body {
                    ResourceBody::Text(text) => ResourceBody::Text(apply(text)),
                    ResourceBody::Blob(blob) => ResourceBody::Blob(apply(blob)),
                },
            },
            annotations,
        },
    }
}
