//! Tools whose calls become tasks, where the client follows them.

use std::time::Duration;

use mcpbox_sdk::client::{self, Abilities, Elicited, Question};
use mcpbox_sdk::{Content, Error, Result, time, tool};
use schemars::JsonSchema;
use serde::Deserialize;

/// Greets somebody, at once.
#[tool]
pub(crate) fn greet(name: &str) -> Content {
    Content::text(format!("Hello, {name}!"))
}

/// Computes for some seconds.
#[tool]
pub(crate) async fn slow_compute(
    #[schemars(range(min = 0, max = 3600))] seconds: u32,
    /// Named in the result.
    label: Option<String>,
) -> Content {
    if seconds > 0 {
        client::become_task();
        time::sleep(Duration::from_secs(seconds.into())).await;
    }
    Content::text(format!("{} took {seconds} seconds.", label.unwrap_or_else(|| "The computation".to_owned())))
}

/// Fails after a second; works only as a task.
#[tool]
pub(crate) async fn failing_job() -> Result<Content> {
    client::require(Abilities::TASKS);
    client::become_task();
    time::sleep(Duration::from_secs(1)).await;
    Err(Error::new("The job failed, as it always does."))
}

/// Breaks down while it is a task.
#[tool]
pub(crate) async fn protocol_error_job() -> Content {
    client::become_task();
    time::sleep(Duration::from_millis(100)).await;
    panic!("this job breaks down, as it always does");
}

#[derive(Deserialize, JsonSchema)]
struct Confirmed {
    /// Whether to delete it.
    confirm: bool,
}

/// Asks before it deletes; it deletes nothing.
#[tool(destructive = false)]
pub(crate) fn confirm_delete(filename: &str) -> Result<Content> {
    client::become_task();
    let said = client::elicit::<Confirmed>("confirm", &format!("Delete {filename}?"))?;
    let is_confirmed = said.accepted().is_some_and(|confirmed| confirmed.confirm);
    let done = if is_confirmed { "would be deleted" } else { "stays" };
    Ok(Content::text(format!("{filename} {done}.")))
}

#[derive(Deserialize, JsonSchema)]
struct Name {
    name: String,
}

/// Asks two questions at once.
#[tool]
pub(crate) fn multi_input() -> Result<Content> {
    client::become_task();
    let answers = client::ask(&[
        Question::form::<Name>("first", "The first name?")?,
        Question::form::<Name>("second", "The second name?")?,
    ])?;
    let mut names = Vec::new();
    for answer in answers {
        names.extend(answer.read::<Elicited<Name>>()?.accepted().map(|accepted| accepted.name));
    }
    Ok(Content::text(format!("These names have arrived: {}.", names.join(", "))))
}

/// Asks for a name and then works on, as a task.
#[tool]
pub(crate) async fn test_tool_with_task() -> Result<Content> {
    client::require(Abilities::TASKS);
    let name = match client::elicit::<Name>("user_name", "What is your name?")? {
        Elicited::Accepted(Name { name }) => name,
        Elicited::Declined | Elicited::Cancelled => return Err(Error::new("nobody gave a name")),
    };
    client::become_task();
    time::sleep(Duration::from_millis(100)).await;
    Ok(Content::text(format!("The work for {name} is done.")))
}
