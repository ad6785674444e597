//! `mcpbox_test_code`: a tool is run once, and everything that came of it is shown.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::get_tool::{TOOL_IDS, tool_id};
use super::{Answered, Call, Effect, Management, id, schema};
use crate::domain::component::Entry;
use crate::domain::content::Content;
use crate::service::Error;
use crate::service::calls::{CallAnswer, CallRequest, Execution};

pub(super) struct TestCode;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    tool_id: String,
    #[serde(default)]
    export: Option<String>,
    #[serde(default)]
    arguments: Option<Map<String, Value>>,
}

#[derive(Serialize)]
struct Tested<'a> {
    success: bool,
    /// The structured result, if there is one.
    result: Option<&'a RawValue>,
    content: &'a [Content],
    execution: &'a Execution,
}

impl Management for TestCode {
    const NAME: &'static str = "mcpbox_test_code";
    const TITLE: &'static str = "Test a tool";
    const DESCRIPTION: &'static str = "Runs a tool once by its id, in the sandbox it would run in for everybody, and \
        shows result, printed output, duration and what it used. Only an approved version runs; where \
        people allow it (policy `draft_tests`), also the newest one, without secrets, folders and network. Else check \
        drafts with mcpbox_validate_code. When it fails, the error names the line.";
    const EFFECT: Effect = Effect::Runs;
    type Arguments = Arguments;

    fn input() -> Value {
        schema::arguments(
            json!({
                "tool_id": tool_id(),
                "export": {"type": "string", "description": "Of a component: which of its tools to run, the `name` \
                                                             of one of its `exports`; not needed when it has one"},
                "arguments": {"type": "object", "default": {}, "description": "The tool's own arguments"},
            }),
            &["tool_id"],
        )
    }

    fn output() -> Value {
        schema::answer(
            json!({
                "success": {"type": "boolean"},
                "result": {"description": "What `main` returned"},
                "content": {"type": "array", "items": {"type": "object"}},
                "execution": {"type": "object"},
            }),
            &["success", "content", "execution"],
        )
    }

    #[cfg(test)]
    fn example() -> Value {
        json!({"tool_id": "01990000-0000-7000-8000-000000000002", "export": "forecast", "arguments": {"city": "Oslo"}})
    }

    async fn run(call: Call<'_>, Arguments { tool_id, export, arguments }: Arguments) -> Result<Answered, Error> {
        let tool = id("tool_id", &tool_id, TOOL_IDS)?;
        let arguments = arguments.as_ref().map(serde_json::value::to_raw_value).transpose();
        let entry = Entry::Tool(String::new());
        let request = CallRequest {
            arguments: arguments.map_err(|error| Error::invalid("/arguments", error.to_string()))?,
            events: call.events,
            ..CallRequest::new(entry, call.request_id.clone(), call.cancel.clone())
        };
        let CallAnswer { result, is_error, execution, .. } =
            call.service.tool_test(call.caller, tool, export.as_deref(), request).await?;
        let mut answered = Answered::of(&Tested {
            success: !is_error,
            result: result.structured_content.as_deref(),
            content: &result.content,
            execution: &execution,
        })?;
        answered.is_error = is_error;
        answered.execution = Some(execution);
        Ok(answered)
    }
}
