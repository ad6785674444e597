//! Prompts, and what their arguments could become.

use mcpbox_sdk::client::{self, Elicited};
use mcpbox_sdk::{Content, PromptMessage, Result, completion, prompt};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::content::RED;

/// A prompt without arguments.
#[prompt(title = "Simple", icon = "https://modelcontextprotocol.io/favicon.svg")]
pub(crate) fn test_simple_prompt() -> &'static str {
    "This is a simple prompt for testing."
}

/// A prompt with two arguments.
#[prompt]
pub(crate) fn test_prompt_with_arguments(
    /// First test argument
    arg1: &str,
    /// Second test argument
    arg2: &str,
) -> String {
    format!("Prompt with arguments: arg1='{arg1}', arg2='{arg2}'")
}

#[completion(prompt = "test_prompt_with_arguments", argument = "arg1")]
pub(crate) fn arg1(value: &str) -> Vec<&'static str> {
    ["paris", "park", "party"].into_iter().filter(|word| word.starts_with(value)).collect()
}

/// A prompt with a resource in it.
#[prompt]
#[allow(non_snake_case, reason = "named by the suite")]
pub(crate) fn test_prompt_with_embedded_resource(
    /// URI of the resource to embed
    resourceUri: &str,
) -> [PromptMessage; 2] {
    let text = "Embedded resource content for testing.";
    [
        PromptMessage::user(Content::resource_text(resourceUri, "text/plain", text)),
        PromptMessage::user("Please process the embedded resource above."),
    ]
}

/// A prompt with an image in it.
#[prompt]
pub(crate) fn test_prompt_with_image() -> [PromptMessage; 2] {
    [PromptMessage::user(Content::image(RED, "image/png")), PromptMessage::user("Please analyze the image above.")]
}

#[derive(Deserialize, JsonSchema)]
struct Context {
    context: String,
}

/// A prompt that asks what it is to be about.
#[prompt]
pub(crate) fn test_input_required_result_prompt() -> Result<String> {
    Ok(match client::elicit::<Context>("user_context", "What context should the prompt use?")? {
        Elicited::Accepted(Context { context }) => format!("Use this context: {context}"),
        Elicited::Declined | Elicited::Cancelled => "Use no context.".to_owned(),
    })
}
