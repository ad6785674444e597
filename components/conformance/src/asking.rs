//! Tools that ask the person, the model or the client.

use mcpbox_sdk::client::{self, Abilities, Answer, Elicited, Question, Roots, Sampled, Sampling};
use mcpbox_sdk::{Content, Error, Result, tool};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

/// The answer of the client to one question.
fn ask(question: Question) -> Result<Answer> {
    client::ask(&[question])?.pop().ok_or_else(|| Error::new("no answer"))
}

/// The answer to a form, as the suite wants it told.
fn told(answer: &Answer) -> Result<String> {
    let answer: Value = answer.read()?;
    let content = answer.get("content").cloned().unwrap_or_else(|| json!({}));
    Ok(format!("action={}, content={content}", answer["action"].as_str().unwrap_or_default()))
}

/// Lets the model answer.
#[tool]
pub(crate) fn test_sampling(
    /// What the model is asked.
    prompt: &str,
) -> Result<Content> {
    let said = client::sample("sample", Sampling::new(prompt).max_tokens(100))?;
    Ok(Content::text(format!("LLM response: {}", said.text())))
}

#[derive(JsonSchema)]
#[allow(dead_code, reason = "the form is made of it; the answer is told as it is")]
struct Contact {
    /// User's response
    username: String,
    /// User's email address
    email: String,
}

/// Asks the person for a name and an address.
#[tool]
pub(crate) fn test_elicitation(
    /// What the person is asked.
    message: &str,
) -> Result<Content> {
    let answer = ask(Question::form::<Contact>("contact", message)?)?;
    Ok(Content::text(format!("User response: {}", told(&answer)?)))
}

/// Asks with defaults of every type.
#[tool]
pub(crate) fn test_elicitation_sep1034_defaults() -> Result<Content> {
    let form = json!({
        "type": "object",
        "properties": {
            "name": {"type": "string", "description": "User name", "default": "John Doe"},
            "age": {"type": "integer", "description": "User age", "default": 30},
            "score": {"type": "number", "description": "User score", "default": 95.5},
            "status": {
                "type": "string",
                "description": "User status",
                "enum": ["active", "inactive", "pending"],
                "default": "active",
            },
            "verified": {"type": "boolean", "description": "Verification status", "default": true},
        },
        "required": [],
    });
    let answer = ask(Question::form_of("defaults", "Please review and update the form", &form))?;
    Ok(Content::text(format!("Elicitation completed: {}", told(&answer)?)))
}

/// Asks with every kind of choice.
#[tool]
pub(crate) fn test_elicitation_sep1330_enums() -> Result<Content> {
    let form = json!({
        "type": "object",
        "properties": {
            "untitledSingle": {"type": "string", "enum": ["option1", "option2", "option3"]},
            "titledSingle": {"type": "string", "oneOf": [
                {"const": "value1", "title": "First Option"},
                {"const": "value2", "title": "Second Option"},
                {"const": "value3", "title": "Third Option"},
            ]},
            "legacyEnum": {
                "type": "string",
                "enum": ["opt1", "opt2", "opt3"],
                "enumNames": ["Option One", "Option Two", "Option Three"],
            },
            "untitledMulti": {
                "type": "array",
                "items": {"type": "string", "enum": ["option1", "option2", "option3"]},
            },
            "titledMulti": {"type": "array", "items": {"anyOf": [
                {"const": "value1", "title": "First Choice"},
                {"const": "value2", "title": "Second Choice"},
                {"const": "value3", "title": "Third Choice"},
            ]}},
        },
        "required": [],
    });
    let answer = ask(Question::form_of("enums", "Please choose", &form))?;
    Ok(Content::text(format!("Elicitation completed: {}", told(&answer)?)))
}

/// Works only for clients that can sample.
#[tool]
pub(crate) fn test_missing_capability() -> Content {
    client::require(Abilities::SAMPLING);
    Content::text("The client can sample.")
}

#[derive(Deserialize, JsonSchema)]
struct Name {
    name: String,
}

/// Asks the person while its answer is awaited.
#[tool]
pub(crate) fn test_streaming_elicitation() -> Result<Content> {
    greeting("streaming", "What is your name?")
}

fn greeting(key: &str, message: &str) -> Result<Content> {
    Ok(Content::text(match client::elicit::<Name>(key, message)? {
        Elicited::Accepted(Name { name }) => format!("Hello, {name}!"),
        Elicited::Declined | Elicited::Cancelled => "Hello, whoever you are!".to_owned(),
    }))
}

/// Asks the person for a name.
#[tool]
pub(crate) fn test_input_required_result_elicitation() -> Result<Content> {
    greeting("user_name", "What is your name?")
}

/// Asks the model for a capital.
#[tool]
pub(crate) fn test_input_required_result_sampling() -> Result<Content> {
    let question = Sampling::new("What is the capital of France?").max_tokens(100);
    Ok(Content::text(client::sample("capital_question", question)?.text()))
}

/// Asks the client for its folders.
#[tool]
pub(crate) fn test_input_required_result_list_roots() -> Result<Content> {
    let roots = client::roots("client_roots")?;
    let roots: Vec<_> = roots.iter().map(|root| root.uri.as_str()).collect();
    Ok(Content::text(format!("The client works on {}.", roots.join(", "))))
}

#[derive(Deserialize, JsonSchema)]
struct Confirmed {
    ok: bool,
}

fn confirmation() -> Result<Content> {
    let said = client::elicit::<Confirmed>("confirm", "Please confirm")?;
    let ok = said.accepted().is_some_and(|confirmed| confirmed.ok);
    Ok(Content::text(format!("state-ok: confirmed {ok}")))
}

/// Asks for a confirmation; the host keeps the state of it.
#[tool]
pub(crate) fn test_input_required_result_request_state() -> Result<Content> {
    confirmation()
}

/// Asks for a confirmation; the host refuses a state that it did not give out.
#[tool]
pub(crate) fn test_input_required_result_tampered_state() -> Result<Content> {
    confirmation()
}

/// Asks the person, the model and the client in one go.
#[tool]
pub(crate) fn test_input_required_result_multiple_inputs() -> Result<Content> {
    let greeting = Sampling::new("Generate a greeting").max_tokens(50);
    let answers = client::ask(&[
        Question::form::<Name>("user_name", "What is your name?")?,
        Question::sampling("greeting", &greeting),
        Question::roots("client_roots"),
    ])?;
    let [name, greeting, roots] = answers.as_slice() else { return Err(Error::new("three answers were expected")) };
    let name = name.read::<Elicited<Name>>()?.accepted().map_or_else(String::new, |accepted| accepted.name);
    let roots = roots.read::<Roots>()?.roots.len();
    Ok(Content::text(format!("{} {name}, you work on {roots} folders.", greeting.read::<Sampled>()?.text())))
}

#[derive(Deserialize, JsonSchema)]
struct Color {
    color: String,
}

/// Asks twice, one question after the other.
#[tool]
pub(crate) fn test_input_required_result_multi_round() -> Result<Content> {
    let name = client::elicit::<Name>("step1", "Step 1: What is your name?")?.accepted();
    let color = client::elicit::<Color>("step2", "Step 2: What is your favorite color?")?.accepted();
    let name = name.map_or_else(|| "Somebody".to_owned(), |accepted| accepted.name);
    let color = color.map_or_else(|| "no color".to_owned(), |accepted| accepted.color);
    Ok(Content::text(format!("{name} likes {color}.")))
}

/// Asks what the client can be asked, and nothing else.
#[tool]
pub(crate) fn test_input_required_result_capabilities() -> Result<Content> {
    let can = client::can();
    let mut questions = Vec::new();
    if can.contains(Abilities::ELICITATION) {
        questions.push(Question::form::<Name>("user_name", "What is your name?")?);
    }
    if can.contains(Abilities::SAMPLING) {
        questions.push(Question::sampling("greeting", &Sampling::new("Generate a greeting").max_tokens(50)));
    }
    if can.contains(Abilities::ROOTS) {
        questions.push(Question::roots("client_roots"));
    }
    let answers = client::ask(&questions)?;
    Ok(Content::text(format!("The client answered {} questions.", answers.len())))
}
