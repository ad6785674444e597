//! Tools that answer, speak while they run, fail, or tell of a change.

use std::time::Duration;

use mcpbox_sdk::{Content, Error, Result, ToolResult, log, notify, progress, time, tool};

/// One red point.
pub(crate) const RED: &[u8] = include_bytes!("../data/red.png");
/// A hundredth of a second of silence.
const SILENCE: &[u8] = include_bytes!("../data/silence.wav");

/// Answers a text.
#[tool(icon = "https://modelcontextprotocol.io/favicon.svg")]
pub(crate) fn test_simple_text() -> Content {
    Content::text("This is a simple text response for testing.")
}

/// Answers an image.
#[tool]
pub(crate) fn test_image_content() -> Content {
    Content::image(RED, "image/png")
}

/// Answers a sound.
#[tool]
pub(crate) fn test_audio_content() -> Content {
    Content::audio(SILENCE, "audio/wav")
}

/// Answers a resource within its result.
#[tool]
pub(crate) fn test_embedded_resource() -> Content {
    Content::resource_text("test://embedded-resource", "text/plain", "This is an embedded resource content.")
}

/// Answers a text, an image and a resource.
#[tool]
pub(crate) fn test_multiple_content_types() -> ToolResult {
    ToolResult::new([
        Content::text("Multiple content types test:"),
        Content::image(RED, "image/png"),
        Content::resource_text("test://mixed-content-resource", "application/json", r#"{"test":"data","value":123}"#),
    ])
}

const MOMENT: Duration = Duration::from_millis(50);

/// Logs three lines while it runs.
#[tool]
pub(crate) async fn test_tool_with_logging() -> Content {
    log::info!("Tool execution started");
    time::sleep(MOMENT).await;
    log::info!("Tool processing data");
    time::sleep(MOMENT).await;
    log::info!("Tool execution completed");
    Content::text("Three lines were logged.")
}

/// Logs a line, for those who asked for the log.
#[tool]
pub(crate) fn test_logging_tool() -> Content {
    log::info!("This is a line of the log.");
    Content::text("A line was logged.")
}

/// Fails.
#[tool]
pub(crate) fn test_error_handling() -> Result<Content> {
    Err(Error::new("This tool intentionally returns an error for testing"))
}

/// Tells three times how far it is.
#[tool]
pub(crate) async fn test_tool_with_progress() -> Content {
    progress::report(0.0, Some(100.0), None);
    time::sleep(MOMENT).await;
    progress::report(50.0, Some(100.0), None);
    time::sleep(MOMENT).await;
    progress::report(100.0, Some(100.0), None);
    Content::text("The tool has come to 100 of 100.")
}

/// Takes a while, in which a stream can be closed and taken up again: its answer comes in the middle of the second
/// of the seconds after which streams are closed where the suite runs.
#[tool]
pub(crate) async fn test_reconnection() -> Content {
    time::sleep(Duration::from_millis(1_500)).await;
    Content::text("The answer has arrived.")
}

/// Tells that the list of tools has changed.
#[tool]
pub(crate) fn test_trigger_tool_change() -> Content {
    notify::tools_changed();
    Content::text("Told that the tools have changed.")
}

/// Tells that the list of prompts has changed.
#[tool]
pub(crate) fn test_trigger_prompt_change() -> Content {
    notify::prompts_changed();
    Content::text("Told that the prompts have changed.")
}
