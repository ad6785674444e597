//! What components have beside tools, by one that has all of it: the component that the official suite is run
//! against. What it says reaches whoever calls in MCP's own words.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mcpbox::domain::budget::Budget;
use mcpbox::domain::client::Nobody;
use mcpbox::domain::component::{Completion, CompletionOf, Entry, Offer};
use mcpbox::domain::digest::Digest;
use mcpbox::domain::outcome::{Bound, Outcome};
use mcpbox::limits::Limits;
use mcpbox::sandbox::{Job, Program};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::guests::built;
use crate::plain::sandbox;

async fn offer(component: &str) -> Offer {
    let bytes = built(component);
    let found = sandbox().inspect(&bytes, Digest::of(&bytes)).await;
    found.expect("accepted").expect("a list").offer
}

async fn run(entry: Entry) -> Outcome {
    run_with(entry, Budget { time: Duration::from_secs(20), ..Budget::new(&Limits::default(), None) }).await
}

async fn run_with(entry: Entry, budget: Budget) -> Outcome {
    let bytes = built("conformance");
    let job = Job {
        program: Program::Component { digest: Digest::of(&bytes), bytes: Arc::new(bytes), entry },
        arguments: "{}".to_owned(),
        secrets: Arc::default(),
        bound: Arc::default(),
        grants: Arc::default(),
        budget,
        client: Arc::new(Nobody),
    };
    sandbox().run(job, CancellationToken::new(), None).await.expect("the host is sound").outcome
}

async fn answered(entry: Entry) -> Value {
    match run(entry).await {
        Outcome::Answered(answer) => serde_json::from_str(answer.get()).expect("JSON"),
        other => panic!("{other:?}"),
    }
}

fn prompt(name: &str, arguments: &[(&str, &str)]) -> Entry {
    let arguments = arguments.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Entry::Prompt { name: name.to_owned(), arguments }
}

fn resource(uri: &str) -> Entry {
    Entry::Resource { uri: uri.to_owned() }
}

#[tokio::test]
async fn a_component_tells_what_it_offers_and_a_tool_by_itself_offers_nothing() {
    let found = offer("conformance").await;
    assert_eq!((found.prompts.len(), found.resources.len(), found.templates.len()), (5, 3, 1));
    assert!(found.completes);
    let skills: Vec<(&str, usize)> = found.skills.iter().map(|skill| (skill.uri.as_str(), skill.files.len())).collect();
    assert_eq!(skills, [("skill://code-review/SKILL.md", 3), ("skill://reports/weekly/SKILL.md", 1)]);
    assert_eq!(found.tool_icons["test_simple_text"].len(), 1);
    assert_eq!(found.prompts[0].icons.len(), 1);
    assert_eq!(found.templates[0].uri_template, "test://template/{id}/data");
    assert_eq!(offer("hello").await, Offer::default());
    let notes = offer("notes").await;
    let face = serde_json::to_value(&notes.templates[0]).expect("JSON");
    let expected = json!({
        "uriTemplate": "notes://{day}", "name": "notes", "description": "The notes of a day.", "mimeType": "text/plain",
    });
    assert_eq!(face, expected);
    assert_eq!(notes.skills[0].files[1].path, "templates/note.md");
    assert_eq!(notes.skills[0].frontmatter["name"], "note-taking");
}

#[tokio::test]
async fn a_prompt_is_made_in_the_words_of_the_protocol() {
    let made = answered(prompt("test_prompt_with_arguments", &[("arg1", "a"), ("arg2", "b")])).await;
    let text = "Prompt with arguments: arg1='a', arg2='b'";
    assert_eq!(made, json!({"messages": [{"role": "user", "content": {"type": "text", "text": text}}]}));
    let missing = run(prompt("test_prompt_with_arguments", &[("arg1", "a")])).await;
    assert!(matches!(&missing, Outcome::InvalidArguments { message } if message.contains("arg2")), "{missing:?}");
    let unknown = run(prompt("no_such", &[])).await;
    assert!(matches!(&unknown, Outcome::InvalidArguments { message } if message.contains("no_such")), "{unknown:?}");
}

#[tokio::test]
async fn a_resource_is_read_by_its_address() {
    let read = answered(resource("test://static-text")).await;
    let text = "This is the content of the static text resource.";
    let contents = json!([{"uri": "test://static-text", "mimeType": "text/plain", "text": text}]);
    assert_eq!(read, json!({"contents": contents}));
    let read = answered(resource("test://template/1%202/data")).await;
    assert!(read["contents"][0]["text"].as_str().is_some_and(|text| text.contains(r#""id":"1 2""#)), "{read}");
    let image = answered(resource("test://static-binary")).await;
    assert!(image["contents"][0]["blob"].as_str().is_some_and(|blob| blob.starts_with("iVBOR")), "{image}");
    let nothing = run(resource("test://nothing")).await;
    assert!(matches!(&nothing, Outcome::ResourceNotFound { uri } if uri == "test://nothing"), "{nothing:?}");
    let small = Budget { result_bytes: 10, ..Budget::new(&Limits::default(), None) };
    let large = run_with(resource("test://static-text"), small).await;
    assert!(matches!(large, Outcome::Stopped(Bound::ResultSize)), "{large:?}");
}

#[tokio::test]
async fn values_are_suggested_for_an_argument() {
    let wanted = |name: &str, value: &str| {
        let of = CompletionOf::Prompt("test_prompt_with_arguments".to_owned());
        Entry::Completion(Completion { of, name: name.to_owned(), value: value.to_owned(), others: BTreeMap::new() })
    };
    let found = answered(wanted("arg1", "park")).await;
    assert_eq!(found, json!({"values": ["park"], "total": 1, "hasMore": false}));
    assert_eq!(answered(wanted("other", "par")).await, json!({"values": [], "hasMore": false}));
}
