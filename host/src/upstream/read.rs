//! What a source answered to a call, turned into a result of ours. Nothing that a peer sends makes this
//! fail: what is no content is told as such.

use serde_json::Value;
use serde_json::value::RawValue;

use crate::domain::content::{Content, ToolResult};
use crate::domain::outcome::{Bound, Outcome};

/// The end of a call that was answered with `CallToolResult`, or with something else.
pub(super) fn outcome(answer: &Value, result_bytes: usize) -> Outcome {
    let kind = answer.get("resultType").and_then(Value::as_str).unwrap_or("complete");
    let failed = |message: &str| Outcome::SourceFailed { message: message.to_owned() };
    match kind {
        "complete" => {}
        "input_required" => {
            return failed("the source asks for further input in the middle of the call, which is not passed on here");
        }
        _ => return failed("the source answered with something that is not passed on here, such as a task"),
    }
    let structured = answer.get("structuredContent").filter(|value| !value.is_null());
    let content = answer.get("content").and_then(Value::as_array);
    if content.is_none() && structured.is_none() {
        return failed("the source answered with something that is no result of a call");
    }
    let content = content.into_iter().flatten().map(piece).collect();
    let structured_content = structured.and_then(|value| RawValue::from_string(value.to_string()).ok());
    let result = ToolResult { content, structured_content };
    let size = serde_json::to_string(&result).map_or(usize::MAX, |text| text.len());
    if size > result_bytes {
        return Outcome::Stopped(Bound::ResultSize);
    }
    match answer.get("isError").and_then(Value::as_bool) {
        Some(true) => Outcome::ReturnedError(result),
        _ => Outcome::Returned(result),
    }
}

fn piece(block: &Value) -> Content {
    serde_json::from_value(block.clone()).unwrap_or_else(|_| {
        let kind: String = block.get("type").and_then(Value::as_str).unwrap_or("none").chars().take(40).collect();
        Content::text(format!("[content of the kind `{kind}`, which is not known here]"))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn text(outcome: &Outcome) -> String {
        match outcome {
            Outcome::Returned(result) | Outcome::ReturnedError(result) => serde_json::to_string(result).expect("JSON"),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn every_kind_of_content_passes_through() {
        let blocks = json!([
            {"type": "text", "text": "a", "annotations": {"audience": ["user"], "priority": 0.5}},
            {"type": "image", "data": "aGk=", "mimeType": "image/png"},
            {"type": "audio", "data": "aGk=", "mimeType": "audio/wav"},
            {"type": "resource_link", "uri": "file:///x", "name": "x", "mimeType": "text/plain", "size": 3},
            {"type": "resource", "resource": {"uri": "file:///x", "mimeType": "text/plain", "text": "hi"}},
            {"type": "resource", "resource": {"uri": "file:///y", "blob": "aGk="}},
        ]);
        let answer = json!({"content": blocks, "structuredContent": {"n": 1}, "_meta": {"x": 1}});
        let read = outcome(&answer, 10_000);
        assert!(matches!(read, Outcome::Returned(_)));
        let written: Value = serde_json::from_str(&text(&read)).expect("JSON");
        assert_eq!(written, json!({"content": blocks, "structuredContent": {"n": 1}}));
    }

    #[test]
    fn a_failure_keeps_its_content_and_an_unknown_kind_is_named() {
        let answer = json!({"content": [{"type": "hologram"}, {"type": "text", "text": "no"}], "isError": true});
        let read = outcome(&answer, 10_000);
        assert!(matches!(read, Outcome::ReturnedError(_)));
        assert!(text(&read).contains("`hologram`") && text(&read).contains("\"no\""), "{}", text(&read));
    }

    #[test]
    fn what_is_no_result_is_told() {
        for (answer, words) in [
            (json!({}), "no result"),
            (json!({"tools": []}), "no result"),
            (json!({"resultType": "input_required", "inputRequests": {}}), "further input"),
            (json!({"resultType": "task", "task": {}}), "task"),
        ] {
            assert!(text(&outcome(&answer, 10_000)).contains(words), "{answer}");
        }
        let large = json!({"content": [{"type": "text", "text": "x".repeat(100)}]});
        assert!(matches!(outcome(&large, 50), Outcome::Stopped(Bound::ResultSize)));
    }

    proptest! {
        #[test]
        fn whatever_is_answered_has_an_end(
            members in prop::collection::btree_map("content|structuredContent|isError|resultType|\\PC{0,5}", "\\PC{0,12}", 0..5),
            block in "\\PC{0,12}",
        ) {
            let mut answer = json!(members);
            let _ = outcome(&answer, 100);
            answer["content"] = json!([{"type": block}, block, 7, {"type": "text", "text": 7}]);
            answer["resultType"] = Value::Null;
            prop_assert!(matches!(outcome(&answer, 100_000), Outcome::Returned(_) | Outcome::ReturnedError(_)));
        }
    }
}
