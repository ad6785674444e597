//! What is beside tools: prompts, resources, skills, suggestions, icons, and questions to the client.
#![allow(clippy::expect_used, reason = "a test says what it expects by failing")]

use mcpbox_sdk::client::{self, Abilities, Answer, Elicited, Question};
use mcpbox_sdk::testing::{Host, Listing, Notice};
use mcpbox_sdk::{
    Completion, Content, Error, Icon, Prompt, PromptError, PromptMessage, Resource, Result, Tool, ToolError,
    completion, icon, notify, prompt, resource, skill, tool,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

/// Asks for
/// a summary.
#[prompt(title = "Sum up", icon = "https://a.example/s.png")]
fn summary(
    /// Of which day.
    day: &str,
    tone: Option<String>,
) -> Result<[PromptMessage; 2]> {
    if day == "never" {
        return Err(Error::new("there is no such day"));
    }
    let tone = tone.unwrap_or_default();
    Ok([PromptMessage::user(format!("Sum up {day} {tone}")), PromptMessage::assistant("Gladly.")])
}

/// Today's note.
#[resource("notes://today", mime_type = "text/plain")]
fn today() -> &'static str {
    "tea"
}

/// A page of a book.
#[resource("notes://{book}/{+page}", icon = Icon::new("data:image/png;base64,AA").sizes(["48x48"]).dark())]
async fn page(book: &str, page: String) -> Option<Vec<u8>> {
    (book != "lost").then(|| format!("{book}|{page}").into_bytes())
}

#[completion(prompt = "summary", argument = "day")]
fn days(value: &str, others: &[(String, String)]) -> Vec<String> {
    let is_fast = others.iter().any(|(name, _)| name == "tone");
    vec![format!("{value}day"), is_fast.to_string()]
}

skill! {
    /// Takes notes.
    note_taking {
        path: "office/note-taking",
        folder: "tests/skills/note-taking",
        files: ["SKILL.md", "templates/day.md"],
    }
}

skill! {
    /// The same folder elsewhere, with something in it that is no text.
    pictured_notes { path: "pictured", folder: "tests/skills", files: ["note-taking/SKILL.md", "dot.png"] }
}

/// Does nothing.
#[tool(icon = "https://a.example/t.png", icon = Icon::new("https://a.example/d.png").dark())]
fn pictured() {}

mcpbox_sdk::component! {
    tools: [pictured],
    prompts: [summary],
    resources: [today, page],
    skills: [note_taking, pictured_notes],
    completions: [days],
    icons: all,
}

fn texts(given: &[(&str, &str)]) -> Vec<(String, String)> {
    given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn a_function_describes_its_prompt_and_makes_it() {
    let prompts = [prompt::Entry::of::<summary>()];
    let described = prompt::list(&prompts).pop().expect("one");
    assert_eq!((described.name.as_str(), described.title.as_deref()), ("summary", Some("Sum up")));
    assert_eq!(described.description, "Asks for\na summary.");
    let arguments: Vec<_> = described.arguments.iter().map(|one| (one.name.as_str(), one.required)).collect();
    assert_eq!(arguments, [("day", true), ("tone", false)]);
    assert_eq!(described.arguments[0].description.as_deref(), Some("Of which day."));
    let made = prompt::get(&prompts, "summary", texts(&[("day", "monday"), ("more", "x")])).expect("made");
    assert_eq!(made.messages[0].content, Content::text("Sum up monday "));
    assert_eq!(made.messages.len(), 2);
    let refused = prompt::get(&prompts, "summary", Vec::new());
    assert!(matches!(&refused, Err(PromptError::InvalidArguments(why)) if why.contains("`day`")), "{refused:?}");
    let failed = prompt::get(&prompts, "summary", texts(&[("day", "never")]));
    assert_eq!(failed, Err(PromptError::Failed("there is no such day".into())));
    assert_eq!(prompt::get(&prompts, "other", Vec::new()), Err(PromptError::UnknownPrompt));
    assert!(matches!(summary("a", None), Ok([..])), "the function is still there");
}

#[test]
fn a_resource_is_read_by_its_address_and_a_template_by_what_fits() {
    use mcpbox_sdk::ResourceBody::{Blob, Text};
    let all = [resource::Entry::of::<today>(), resource::Entry::of::<page>()];
    assert_eq!((resource::list(&all).len(), resource::templates(&all).len()), (1, 1));
    assert_eq!(resource::list(&all)[0].mime_type.as_deref(), Some("text/plain"));
    let read = |uri: &str| resource::read(&all, uri).map(|mut contents| contents.remove(0).body);
    assert_eq!(read("notes://today"), Ok(Text("tea".into())));
    assert_eq!(read("notes://a%20b/c/d"), Ok(Blob(b"a b|c/d".to_vec())));
    for nowhere in ["notes://lost/1", "notes://a", "notes:///1", "other://a/b", ""] {
        assert_eq!(read(nowhere), Err(resource::ReadError::NotFound), "{nowhere}");
    }
    const { assert!(<page as Resource>::IS_TEMPLATE && !<today as Resource>::HAS_ICONS) };
}

#[test]
fn a_skill_lists_its_files_and_each_is_read_by_its_address() {
    use mcpbox_sdk::ResourceBody::{Blob, Text};
    let all = [skill::Entry::of::<note_taking>(), skill::Entry::of::<pictured_notes>()];
    let listed = skill::list(&all);
    assert_eq!((listed.len(), listed[0].path.as_str()), (2, "office/note-taking"));
    let files: Vec<_> = listed[0].files.iter().map(|file| (file.path.as_str(), file.mime_type.as_deref())).collect();
    assert_eq!(files, [("SKILL.md", Some("text/markdown")), ("templates/day.md", Some("text/markdown"))]);
    let read = |uri: &str| skill::read(&all, uri).map(|contents| (contents.uri, contents.body));
    let uri = "skill://office/note-taking/templates/day.md";
    let day = include_str!("skills/note-taking/templates/day.md");
    assert_eq!(read(uri), Some((uri.to_owned(), Text(day.to_owned()))));
    let picture = include_bytes!("skills/dot.png").to_vec();
    assert_eq!(read("skill://pictured/dot.png").map(|(_, body)| body), Some(Blob(picture)));
    for nowhere in
        ["skill://office/note-taking", "skill://office/SKILL.md", "skill://picturedSKILL.md", "notes://today"]
    {
        assert_eq!(read(nowhere), None, "{nowhere}");
    }
}

#[test]
fn suggestions_are_those_of_the_argument() {
    use completion::{Entry, Reference, complete};
    let all = [Entry::of::<days>()];
    let summary = Reference::Prompt("summary".to_owned());
    let found = complete(&all, &summary, "day", "mon", &texts(&[("tone", "fast")]));
    assert_eq!((found.values, found.total, found.has_more), (vec!["monday".into(), "true".into()], Some(2), false));
    assert!(complete(&all, &summary, "tone", "x", &[]).values.is_empty());
    assert!(complete(&all, &Reference::Template("summary".to_owned()), "day", "x", &[]).values.is_empty());
    assert_eq!(<days as Completion>::ARGUMENT, "day");
}

#[test]
fn icons_are_listed_with_what_they_are_of() {
    let all = [
        icon::Icons::of_tool::<pictured>(),
        icon::Icons::of_prompt::<summary>(),
        icon::Icons::of_resource::<today>(),
        icon::Icons::of_resource::<page>(),
    ];
    let shown: Vec<_> = icon::list(&all).into_iter().map(|one| (one.name, one.icons.len())).collect();
    let expected = [("pictured", 2), ("summary", 1), ("notes://{book}/{+page}", 1)];
    assert_eq!(shown, expected.map(|(name, count)| (name.to_owned(), count)));
    const { assert!(<pictured as Tool>::HAS_ICONS && <summary as Prompt>::HAS_ICONS) };
}

#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Tea {
    Green,
    /// With milk.
    Black,
}

#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
struct Order {
    /// How many.
    #[schemars(range(min = 1, max = 9))]
    count: u32,
    #[schemars(email)]
    to: String,
    tea: Tea,
    price: Option<f64>,
    #[serde(default)]
    express: bool,
    kinds: Vec<Plain>,
}

#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
enum Plain {
    A,
    B,
}

/// Orders.
#[tool]
fn order() -> Result<String> {
    match client::elicit::<Order>("order", "What?")? {
        Elicited::Accepted(order) => Ok(format!("{} for {}", order.count, order.to)),
        Elicited::Declined => Ok("no".to_owned()),
        Elicited::Cancelled => Err(Error::new("gone")),
    }
}

fn host(answer: Value) -> Host {
    Host::new().client(Abilities::ELICITATION, move |_| Answer::Result(answer.to_string()))
}

fn said(host: &Host) -> Result<String, ToolError> {
    host.call::<order>(json!({})).map(|result| result.structured.expect("structured content"))
}

#[test]
fn a_type_becomes_a_form_that_every_client_can_show() {
    let answer = json!({"action": "accept", "content": {"count": 2, "to": "a@b.c", "tea": "black", "kinds": ["A"]}});
    let host = host(answer);
    assert_eq!(said(&host), Ok(r#"{"result":"2 for a@b.c"}"#.to_owned()));
    let Question { key, params, .. } = host.questions().remove(0);
    let params: Value = serde_json::from_str(&params).expect("JSON");
    assert_eq!((key.as_str(), &params["message"]), ("order", &json!("What?")));
    let form = &params["requestedSchema"];
    let expected = json!({
        "count": {"type": "integer", "description": "How many.", "minimum": 1, "maximum": 9},
        "to": {"type": "string", "format": "email"},
        "tea": {"type": "string", "oneOf": [
            {"const": "green", "title": "green"}, {"const": "black", "title": "With milk."},
        ]},
        "price": {"type": "number"},
        "express": {"type": "boolean", "default": false},
        "kinds": {"type": "array", "items": {"type": "string", "enum": ["A", "B"]}},
    });
    assert_eq!(form["properties"], expected);
    assert_eq!(form["required"], json!(["count", "to", "tea", "kinds"]));
}

#[test]
fn what_a_person_says_is_one_of_three_things() {
    assert_eq!(said(&host(json!({"action": "decline"}))), Ok(r#"{"result":"no"}"#.to_owned()));
    assert_eq!(said(&host(json!({"action": "cancel"}))), Err(ToolError::Failed("gone".into())));
    let odd = said(&host(json!({"action": "accept", "content": {"count": "many"}})));
    assert!(matches!(&odd, Err(ToolError::Failed(why)) if why.contains("the answer of the client")), "{odd:?}");
    let nobody = said(&Host::new());
    assert!(matches!(&nobody, Err(ToolError::Failed(why)) if why == "there is nobody to ask"), "{nobody:?}");
}

#[test]
fn a_form_has_no_objects_in_it() {
    #[derive(Deserialize, JsonSchema)]
    struct Nested {
        #[expect(dead_code, reason = "only its schema is asked for")]
        inner: std::collections::BTreeMap<String, String>,
    }
    let refused = Host::new().run(|| Question::form::<Nested>("k", "m")).expect_err("no form");
    assert!(refused.to_string().contains("cannot ask for `inner`"), "{refused}");
    assert!(Question::form::<u8>("k", "m").is_err());
}

#[test]
fn the_model_and_the_folders_are_asked_in_one_go() {
    let host = Host::new().client(Abilities::SAMPLING | Abilities::ROOTS, |question| match question.key.as_str() {
        "poem" => Answer::Result(r#"{"role":"assistant","model":"m","content":{"type":"text","text":"O tea"}}"#.into()),
        "folders" => Answer::Result(r#"{"roots":[{"uri":"file:///a"}]}"#.into()),
        _ => Answer::Refused("no".into()),
    });
    host.run(|| {
        assert_eq!(client::sample("poem", "Write.").expect("an answer").text(), "O tea");
        assert_eq!(client::roots("folders").expect("an answer")[0].uri, "file:///a");
        let refused = client::sample("other", client::Sampling::new("x").system("y").max_tokens(5));
        assert_eq!(refused.expect_err("refused").to_string(), "the client refused: no");
        let both = client::ask(&[Question::roots("folders"), Question::roots("x")]).expect("answers");
        assert!(matches!(both.as_slice(), [Answer::Result(_), Answer::Refused(_)]));
    });
    let params: Value = serde_json::from_str(&host.questions()[2].params).expect("JSON");
    assert_eq!((&params["systemPrompt"], &params["maxTokens"]), (&json!("y"), &json!(5)));
}

#[test]
fn a_call_can_require_become_a_task_and_notify() {
    let host = Host::new().client(Abilities::TASKS, |_| Answer::Refused(String::new()));
    host.run(|| {
        assert!(client::can().contains(Abilities::TASKS));
        client::require(Abilities::TASKS);
        client::become_task();
        notify::tools_changed();
        notify::resource_updated("notes://today");
    });
    assert!(host.is_task());
    assert_eq!(host.notices(), [Notice::List(Listing::Tools), Notice::Resource("notes://today".into())]);
    let lacking = std::panic::catch_unwind(|| Host::new().run(|| client::require(Abilities::SAMPLING)));
    assert!(lacking.is_err(), "the call ends");
}
