//! What a client said it can do, in our words and in the protocol's.

use serde_json::{Map, Value, json};

use crate::domain::client::{Abilities, Asking, Question};

/// The extension by which a client follows tasks.
pub(super) const TASKS: &str = "io.modelcontextprotocol/tasks";

/// What the capabilities of a client (`ClientCapabilities`) say. Tasks are of the modern era.
pub(super) fn declared(capabilities: &Map<String, Value>, modern: bool) -> Abilities {
    let of = |name: &str| capabilities.get(name).and_then(Value::as_object);
    let elicitation = of("elicitation");
    let has = |map: Option<&Map<String, Value>>, name: &str| map.is_some_and(|map| map.contains_key(name));
    Abilities {
        // Without a mode it is the one that there was first.
        elicitation: elicitation.is_some_and(|modes| modes.contains_key("form") || !modes.contains_key("url")),
        elicitation_url: has(elicitation, "url"),
        sampling: of("sampling").is_some(),
        sampling_tools: has(of("sampling"), "tools"),
        roots: of("roots").is_some(),
        tasks: modern && has(of("extensions"), TASKS),
    }
}

/// The capabilities that a client would have to declare.
pub(super) fn required(missing: Abilities) -> Value {
    let mut required = Map::new();
    if missing.elicitation || missing.elicitation_url {
        let modes = [(missing.elicitation, "form"), (missing.elicitation_url, "url")];
        let modes: Map<String, Value> =
            modes.into_iter().filter(|(there, _)| *there).map(|(_, name)| (name.to_owned(), json!({}))).collect();
        required.insert("elicitation".to_owned(), modes.into());
    }
    if missing.sampling || missing.sampling_tools {
        let tools = if missing.sampling_tools { json!({"tools": {}}) } else { json!({}) };
        required.insert("sampling".to_owned(), tools);
    }
    if missing.roots {
        required.insert("roots".to_owned(), json!({}));
    }
    if missing.tasks {
        required.insert("extensions".to_owned(), json!({ TASKS: {} }));
    }
    required.into()
}

/// What it takes to be asked this.
pub(super) fn of(question: &Question) -> Abilities {
    #[derive(serde::Deserialize)]
    struct Params {
        #[serde(default)]
        mode: Option<String>,
        #[serde(default)]
        tools: Option<Value>,
    }
    let params = serde_json::from_str::<Params>(question.params.get()).ok();
    let (mode, tools) = params.map_or((None, None), |params| (params.mode, params.tools));
    match question.method {
        Asking::Elicitation if mode.as_deref() == Some("url") => {
            Abilities { elicitation_url: true, ..Abilities::default() }
        }
        Asking::Elicitation => Abilities { elicitation: true, ..Abilities::default() },
        Asking::Sampling => Abilities { sampling: true, sampling_tools: tools.is_some(), ..Abilities::default() },
        Asking::Roots => Abilities { roots: true, ..Abilities::default() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(capabilities: Value) -> Abilities {
        declared(capabilities.as_object().expect("an object"), true)
    }

    #[test]
    fn capabilities_are_read_in_the_forms_that_clients_write() {
        let none = Abilities::default();
        for (capabilities, expected) in [
            (json!({}), none),
            (json!({"elicitation": {}}), Abilities { elicitation: true, ..none }),
            (json!({"elicitation": {"form": {}}}), Abilities { elicitation: true, ..none }),
            (json!({"elicitation": {"url": {}}}), Abilities { elicitation_url: true, ..none }),
            (json!({"sampling": {"tools": {}}}), Abilities { sampling: true, sampling_tools: true, ..none }),
            (json!({"roots": {"listChanged": true}}), Abilities { roots: true, ..none }),
            (json!({"extensions": {TASKS: {}}}), Abilities { tasks: true, ..none }),
            (json!({"sampling": null, "roots": 1, "extensions": []}), none),
        ] {
            assert_eq!(read(capabilities.clone()), expected, "{capabilities}");
            let follows = declared(capabilities.as_object().expect("an object"), false);
            assert!(!follows.tasks, "tasks are of the modern era");
        }
    }

    #[test]
    fn what_is_required_reads_back_as_what_was_missing() {
        let all = Abilities {
            elicitation: true,
            elicitation_url: true,
            sampling: true,
            sampling_tools: true,
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
        assert!(of(&question(Asking::Sampling, json!({"tools": []}))).sampling_tools);
        assert!(!of(&question(Asking::Sampling, json!({}))).sampling_tools);
        assert!(of(&question(Asking::Roots, json!({}))).roots);
    }
}
