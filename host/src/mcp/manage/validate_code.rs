//! `mcpbox_validate_code`: what would become of a tool's code, before it is one.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answered, Call, Effect, Management, schema};
use crate::domain::tool::Language;
use crate::service::Error;
use crate::service::code::GivenCode;
use crate::service::tools::ToolView;

pub(super) struct ValidateCode;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    code: String,
    #[serde(default)]
    language: Option<Language>,
}

impl Management for ValidateCode {
    const NAME: &'static str = "mcpbox_validate_code";
    const TITLE: &'static str = "Check code";
    const DESCRIPTION: &'static str = "Checks code without saving it: whether it loads, whether it has `main`, \
        and which arguments and output schema follow from the signature, annotations and docstring of `main`. Use it \
        before mcpbox_create_tool and mcpbox_update_tool; when `valid` is false, `error` says which line and why. \
        `modules_to_request` are imports that need mcpbox_request_module once the tool is saved.";
    const EFFECT: Effect = Effect::Reads;
    type Arguments = Arguments;

    fn input() -> Value {
        schema::arguments(json!({"code": code(), "language": language()}), &["code"])
    }

    fn output() -> Value {
        schema::answer(
            json!({
                "valid": {"type": "boolean"},
                "has_main": {"type": "boolean"},
                "error": {"type": ["object", "null"]},
                "parameters": {"type": "array"},
                "description": {"type": ["string", "null"]},
                "input_schema": {"type": ["object", "null"]},
                "output_schema": {"type": ["object", "boolean", "null"]},
                "modules": {"type": "array", "items": {"type": "string"}, "description": "What the code imports"},
                "modules_to_request": modules_to_request(),
            }),
            &["valid", "has_main", "modules", "modules_to_request"],
        )
    }

    #[cfg(test)]
    fn example() -> Value {
        json!({"code": "async def main(city: str) -> str:\n    return city\n", "language": "python"})
    }

    async fn run(call: Call<'_>, Arguments { code, language }: Arguments) -> Result<Answered, Error> {
        let code = GivenCode::required(Some(code), language, None)?;
        Answered::of(&call.service.code_validate(call.caller, &code).await?)
    }
}

/// How code is given among arguments.
pub(super) fn code() -> Value {
    json!({
        "type": "string",
        "minLength": 1,
        "description": "Python source with `async def main(...)` or `def main(...)`. Its parameters, with their \
                        annotations and defaults, become the tool's arguments; its docstring the description; what it \
                        returns, as JSON, the result. In reach: `http` (async get, post, ...), `secrets` (read-only \
                        mapping), `arguments`, `log.info(text)`, `progress(done, total)`, `ctx` (asks, shows \
                        pictures), `json`, `datetime` and the standard library; what is printed is kept. With language \
                        `javascript`: an ES module that exports `main`, in JavaScript or TypeScript, with `fetch`, \
                        `secrets`, `log`, `progress` and `ctx`."
    })
}

/// How the language of code is given among arguments.
pub(super) fn language() -> Value {
    let languages = Language::ALL.map(Language::as_str);
    json!({"type": "string", "enum": languages, "description": "Of `code`; Python when it is left out"})
}

/// Modules that wait for a request, in an answer.
pub(super) fn modules_to_request() -> Value {
    json!({
        "type": "array",
        "items": {"type": "string"},
        "description": "Modules that it imports and may not: ask with mcpbox_request_module, or do without"
    })
}

/// The sentence about such modules that goes before what to do next; empty if there are none.
pub(super) fn about_modules(tool: &ToolView) -> String {
    if tool.modules_to_request.is_empty() {
        return String::new();
    }
    let modules = tool.modules_to_request.join(", ");
    format!(" It imports {modules}, which it may not so far: ask with mcpbox_request_module, or do without.")
}

/// The older way of giving Python code.
pub(super) fn python_code() -> Value {
    json!({"type": ["string", "null"], "minLength": 1, "description": "Python, in place of `code`"})
}
