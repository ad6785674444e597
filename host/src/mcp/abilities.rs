//! What a client said it can do, in our words and in the protocol's.

use serde_json::{Map, Value, json};

use super::versions::Version;
use crate::domain::client::{Abilities, Asking, Question};

/// The extension by which a client follows tasks.
pub(super) const TASKS: &str = "io.modelcontextprotocol/tasks";

/// What the capabilities of a client (`ClientCapabilities`) say, as far as the version that is spoken has words for it:
/// what came with a later one is not there, whatever a client says.
pub(super) fn declared(capabilities: &Map<String, Value>, version: Version) -> Abilities {
    let since = |first: Version| version >= first;
    let of = |name: &str| capabilities.get(name).and_then(Value::as_object);
    let elicitation = of("elicitation");
    // Without a mode it is the one that there was first.
    let forms = elicitation.is_some_and(|modes| modes.contains_key("form") || !modes.contains_key("url"));
    let has = |map: Option<&Map<String, Value>>, name: &str| map.is_some_and(|map| map.contains_key(name));
    Abilities {
        elicitation: since(Version::V2025_06_18) && forms,
        elicitation_choices: since(Version::V2025_11_25) && forms,
        elicitation_url: since(Version::V2025_11_25) && has(elicitation, "url"),
        sampling: of("sampling").is_some(),
        sampling_tools: since(Version::V2025_11_25) && has(of("sampling"), "tools"),
        // Every client had it until it became a capability of its own.
        sampling_context: of("sampling")
            .is_some_and(|sampling| !since(Version::V2025_11_25) || sampling.contains_key("context")),
        roots: of("roots").is_some(),
        tasks: version.is_modern() && has(of("extensions"), TASKS),
    }
}

/// The capabilities that a client would have to declare.
pub(super) fn required(missing: Abilities) -> Value {
    let mut required = Map::new();
    let forms = missing.elicitation || missing.elicitation_choices;
    if forms || missing.elicitation_url {
        let modes = [(forms, "form"), (missing.elicitation_url, "url")];
        required.insert("elicitation".to_owned(), there(modes));
    }
    if missing.sampling || missing.sampling_tools || missing.sampling_context {
        let more = [(missing.sampling_tools, "tools"), (missing.sampling_context, "context")];
        required.insert("sampling".to_owned(), there(more));
    }
    if missing.roots {
        required.insert("roots".to_owned(), json!({}));
    }
    if missing.tasks {
        required.insert("extensions".to_owned(), json!({ TASKS: {} }));
    }
    required.into()
}

/// An object with an empty one for each that is there.
fn there(parts: [(bool, &str); 2]) -> Value {
    parts.into_iter().filter(|(there, _)| *there).map(|(_, name)| (name.to_owned(), json!({}))).collect()
}

/// What it takes to be asked this.
pub(super) fn of(question: &Question) -> Abilities {
    let params: Value = serde_json::from_str(question.params.get()).unwrap_or_default();
    let is_there = |name: &str| params.get(name).is_some_and(|value| !value.is_null());
    match question.method {
        Asking::Elicitation if params["mode"] == "url" => Abilities { elicitation_url: true, ..Abilities::default() },
        Asking::Elicitation => {
            let fields = params["requestedSchema"]["properties"].as_object();
            let is_list = |field: &Value| field["type"] == "array";
            Abilities {
                elicitation: true,
                elicitation_choices: fields.is_some_and(|fields| fields.values().any(is_list)),
                ..Abilities::default()
            }
        }
        Asking::Sampling => Abilities {
            sampling: true,
            sampling_tools: is_there("tools") || is_there("toolChoice"),
            sampling_context: is_there("includeContext") && params["includeContext"] != "none",
            ..Abilities::default()
        },
        Asking::Roots => Abilities { roots: true, ..Abilities::default() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(capabilities: Value) -> Abilities {
        declared(capabilities.as_object().expect("an object"), Version::V2026_07_28)
    }

    #[test]
    fn capabilities_are_read_in_the_forms_that_clients_write() {
        let none = Abilities::default();
        let forms = Abilities { elicitation: true, elicitation_choices: true, ..none };
        for (capabilities, expected) in [
            (json!({}), none),
            (json!({"elicitation": {}}), forms),
            (json!({"elicitation": {"form": {}}}), forms),
            (json!({"elicitation": {"url": {}}}), Abilities { elicitation_url: true, ..none }),
            (json!({"sampling": {"tools": {}}}), Abilities { sampling: true, sampling_tools: true, ..none }),
            (json!({"sampling": {"context": {}}}), Abilities { sampling: true, sampling_context: true, ..none }),
            (json!({"roots": {"listChanged": true}}), Abilities { roots: true, ..none }),
            (json!({"extensions": {TASKS: {}}}), Abilities { tasks: true, ..none }),
            (json!({"sampling": null, "roots": 1, "extensions": []}), none),
        ] {
            assert_eq!(read(capabilities.clone()), expected, "{capabilities}");
        }
    }

    #[test]
    fn what_a_version_has_no_words_for_is_not_there_whatever_a_client_says() {
        let all = json!({
            "elicitation": {"form": {}, "url": {}},
            "sampling": {"tools": {}, "context": {}},
            "roots": {},
            "extensions": {TASKS: {}},
        });
        for (version, expected) in [
            (Version::V2024_11_05, ["sampling", "sampling with context", "roots"].as_slice()),
            (Version::V2025_03_26, &["sampling", "sampling with context", "roots"]),
            (Version::V2025_06_18, &["elicitation", "sampling", "sampling with context", "roots"]),
            (
                Version::V2025_11_25,
                &[
                    "elicitation",
                    "elicitation with choices of several",
                    "elicitation by address",
                    "sampling",
                    "sampling with tools",
                    "sampling with context",
                    "roots",
                ],
            ),
        ] {
            let found = declared(all.as_object().expect("an object"), version);
            assert_eq!(found.names(), expected, "{version}");
        }
        assert_eq!(read(all).names().len(), 8);
    }

    #[test]
    fn what_is_required_reads_back_as_what_was_missing() {
        let all = Abilities {
            elicitation: true,
            elicitation_choices: true,
            elicitation_url: true,
            sampling: true,
            sampling_tools: true,
            sampling_context: true,
            roots: true,
            tasks: true,
        };
        assert_eq!(read(required(all)), all);
        let one = Abilities { sampling: true, ..Abilities::default() };
        assert_eq!(required(one), json!({"sampling": {}}));
        assert_eq!(read(required(one)), one);
    }

    #[test]
    fn a_question_takes_what_its_parameters_use() {
        let question = |method, params: Value| Question {
            key: "k".into(),
            method,
            params: serde_json::value::to_raw_value(&params).expect("JSON"),
        };
        assert!(of(&question(Asking::Elicitation, json!({"mode": "url"}))).elicitation_url);
        assert!(of(&question(Asking::Elicitation, json!({"message": "?"}))).elicitation);
        for (field, takes) in [(json!({"type": "string", "enum": ["a"]}), false), (json!({"type": "array"}), true)] {
            let form = json!({"requestedSchema": {"properties": {"z": {"type": "string"}, "a": field}}});
            assert_eq!(of(&question(Asking::Elicitation, form)).elicitation_choices, takes, "{field}");
        }
        for (params, takes) in [
            (json!({"tools": []}), true),
            (json!({"toolChoice": {"mode": "none"}}), true),
            (json!({"tools": [], "includeContext": 7}), true),
            (json!({"tools": null}), false),
            (json!({}), false),
        ] {
            assert_eq!(of(&question(Asking::Sampling, params.clone())).sampling_tools, takes, "{params}");
        }
        for (context, takes) in
            [(json!("none"), false), (json!("thisServer"), true), (json!("allServers"), true), (json!(7), true)]
        {
            let asked = of(&question(Asking::Sampling, json!({"includeContext": context})));
            assert_eq!(asked.sampling_context, takes, "{context}");
        }
        assert!(of(&question(Asking::Roots, json!({}))).roots);
    }
}
