//! More than tools: a tool that asks, a prompt, a resource for each day, a skill, suggestions, an icon.

use mcpbox_sdk::client::{self, Elicited};
use mcpbox_sdk::{Result, completion, notify, prompt, resource, skill, tool};
use schemars::JsonSchema;
use serde::Deserialize;

const DAYS: [(&str, &str); 2] = [("monday", "Buy tea."), ("tuesday", "Drink tea.")];

#[derive(Deserialize, JsonSchema)]
struct Note {
    /// Such as `monday`.
    day: String,
    text: String,
}

/// Asks the person for a note, and tells those who watch its day.
#[tool(title = "Take a note", icon = "https://notes.example/add.svg")]
fn take_note() -> Result<String> {
    Ok(match client::elicit::<Note>("note", "What shall be noted?")? {
        Elicited::Accepted(Note { day, text }) => {
            notify::resource_updated(&format!("notes://{day}"));
            format!("Noted for {day}: {text}")
        }
        Elicited::Declined | Elicited::Cancelled => "Nothing was noted.".to_owned(),
    })
}

/// Asks for a summary of a day's notes.
#[prompt(title = "Sum up")]
fn summary(
    /// Such as `monday`.
    day: &str,
    /// For example `cheerful`.
    tone: Option<String>,
) -> String {
    format!("Sum up my notes of {day}, in a {} tone.", tone.as_deref().unwrap_or("plain"))
}

/// The notes of a day.
#[resource("notes://{day}", mime_type = "text/plain")]
fn notes(day: &str) -> Option<&'static str> {
    DAYS.iter().find(|(name, _)| *name == day).map(|(_, text)| *text)
}

skill! {
    /// How notes are taken well.
    note_taking {
        path: "note-taking",
        folder: "skills/note-taking",
        files: ["SKILL.md", "templates/note.md"],
    }
}

#[completion(prompt = "summary", argument = "day")]
fn days(value: &str) -> Vec<&'static str> {
    DAYS.iter().map(|(day, _)| *day).filter(|day| day.starts_with(value)).collect()
}

mcpbox_sdk::component! {
    tools: [take_note],
    prompts: [summary],
    resources: [notes],
    skills: [note_taking],
    completions: [days],
    icons: all,
}

#[cfg(test)]
mod tests {
    use mcpbox_sdk::client::{Abilities, Answer};
    use mcpbox_sdk::testing::{Host, Notice};

    use super::*;

    #[test]
    fn a_note_is_taken_from_the_person_and_told_to_those_who_watch() {
        let answer = r#"{"action": "accept", "content": {"day": "monday", "text": "Tea!"}}"#;
        let host = Host::new().client(Abilities::ELICITATION, move |_| Answer::Result(answer.to_owned()));
        assert_eq!(host.run(take_note).ok().as_deref(), Some("Noted for monday: Tea!"));
        assert_eq!(host.notices(), [Notice::Resource("notes://monday".to_owned())]);
        assert_eq!(host.questions()[0].key, "note");
    }

    #[test]
    fn a_day_without_notes_is_not_there() {
        assert_eq!((notes("monday"), notes("friday")), (Some("Buy tea."), None));
        assert_eq!(days("t"), ["tuesday"]);
        assert!(summary("monday", None).contains("plain"));
    }
}
