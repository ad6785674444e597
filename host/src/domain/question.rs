//! Whether a question is one that MCP lets a server ask, and whether an answer is one to it (2025-11-25 and
//! 2026-07-28, "Elicitation" and "Sampling").
//!
//! A guest is a stranger to the person and to the model that it asks. What is no flat form, no address that a
//! browser opens safely, and no conversation, reaches neither; and no guest has to find out by itself that a form
//! was filled in wrong.

use serde_json::Value;
use serde_json::value::RawValue;
use url::{Host, Url};

use super::client::{Asking, Question};
use super::schema::{Misfit, Schema, Unfit};

/// Formats of a text in a form.
const FORMATS: [&str; 4] = ["email", "uri", "date", "date-time"];
/// What makes a field more than a text, a number, a yes or no, or a choice.
const NOT_FLAT: [&str; 10] = [
    "properties",
    "additionalProperties",
    "$ref",
    "$dynamicRef",
    "allOf",
    "anyOf",
    "not",
    "if",
    "prefixItems",
    "contains",
];
/// Steps of holding an answer to the schema of its form.
const FORM_STEPS: u64 = 100_000;
/// Wishes for a model, each from 0 to 1.
const PRIORITIES: [&str; 3] = ["costPriority", "speedPriority", "intelligencePriority"];

impl Asking {
    /// Judges the parameters of a question.
    ///
    /// # Errors
    /// What is wrong with them, in words that go on after "the parameters".
    pub fn check(self, params: &RawValue) -> Result<(), String> {
        let params: Value = serde_json::from_str(params.get()).map_err(|error| format!("are not JSON: {error}"))?;
        match self {
            Self::Elicitation => elicitation(&params),
            Self::Sampling => sampling(&params),
            Self::Roots => Ok(()),
        }
    }
}

impl Question {
    /// Whether this is an answer to it.
    pub fn is_answered_by(&self, answer: &RawValue) -> bool {
        self.check_answer(answer).is_ok()
    }

    /// Judges an answer: it has the shape that the method's results have, and, of a form, is one that its schema
    /// allows. What was left empty may be there as `null`.
    ///
    /// # Errors
    /// What is wrong with it, in words that go on after "the answer" and quote nothing of it.
    pub fn check_answer(&self, answer: &RawValue) -> Result<(), String> {
        if !self.method.is_answered_by(answer) {
            return Err(format!("is none that `{}` can have", self.method.as_str()));
        }
        match self.method {
            Asking::Elicitation => self.check_form(answer),
            Asking::Sampling | Asking::Roots => Ok(()),
        }
    }

    fn check_form(&self, answer: &RawValue) -> Result<(), String> {
        let read = |raw: &RawValue| serde_json::from_str::<Value>(raw.get()).unwrap_or_default();
        let (params, answer) = (read(&self.params), read(answer));
        if answer["action"] != "accept" || params["mode"] == "url" {
            return Ok(());
        }
        let mut content = answer["content"].as_object().cloned().unwrap_or_default();
        content.retain(|_, value| !value.is_null());
        let schema = Schema::read(&params["requestedSchema"].to_string());
        let schema = schema.map_err(|why| format!("cannot be held to its form: {why}"))?;
        schema.check(&content.into(), FORM_STEPS).map_err(|unfit| match unfit {
            Unfit::Misfits(misfits) => {
                let words = |Misfit { pointer, expected }: Misfit| match pointer.as_str() {
                    "" => expected,
                    pointer => format!("{pointer}: {expected}"),
                };
                let misfits: Vec<String> = misfits.into_iter().map(words).collect();
                format!("does not fit its form: {}", misfits.join("; "))
            }
            Unfit::TooMuch => "takes too long to be held to its form; ask for less at once".to_owned(),
        })
    }
}

fn elicitation(params: &Value) -> Result<(), String> {
    if !params["message"].is_string() {
        return Err("have no `message` that says what is asked and why".to_owned());
    }
    match params.get("mode").map(Value::as_str) {
        None | Some(Some("form")) => form(&params["requestedSchema"]),
        Some(Some("url")) => address(params),
        Some(_) => Err("have a `mode` that is neither `form` nor `url`".to_owned()),
    }
}

fn form(schema: &Value) -> Result<(), String> {
    let (Some("object"), Some(fields)) = (schema["type"].as_str(), schema["properties"].as_object()) else {
        return Err("have no form as `requestedSchema`: an object with `properties`".to_owned());
    };
    if let Some((name, _)) = fields.iter().find(|(_, field)| !is_flat(field)) {
        let name: String = name.chars().take(64).collect();
        return Err(format!(
            "ask for `{name}` by what no form has; a field is a string (with a format of {}), a number, an integer, a \
             boolean, or an array of choices",
            FORMATS.join(", ")
        ));
    }
    let read = Schema::read(&schema.to_string());
    read.map(drop).map_err(|why| format!("have a `requestedSchema` that cannot be used: {why}"))
}

fn is_flat(field: &Value) -> bool {
    let has = |name: &&str| field.get(name).is_some();
    if NOT_FLAT.iter().any(has) {
        return false;
    }
    match field["type"].as_str() {
        Some("string") => {
            let known = |format: &Value| format.as_str().is_some_and(|format| FORMATS.contains(&format));
            field.get("format").is_none_or(known)
                && field.get("enum").is_none_or(|texts| is_list_of(texts, Value::is_string))
                && field.get("oneOf").is_none_or(|choices| is_list_of(choices, is_titled))
        }
        Some("number" | "integer" | "boolean") => true,
        Some("array") => is_choice(&field["items"]),
        _ => false,
    }
}

/// One or more texts to choose from, with or without titles.
fn is_choice(items: &Value) -> bool {
    is_list_of(&items["enum"], Value::is_string) || is_list_of(&items["anyOf"], is_titled)
}

fn is_titled(choice: &Value) -> bool {
    choice["const"].is_string()
}

/// Whether it is a list of at least one, and each is so.
fn is_list_of(list: &Value, is_so: fn(&Value) -> bool) -> bool {
    list.as_array().is_some_and(|list| !list.is_empty() && list.iter().all(is_so))
}

fn address(params: &Value) -> Result<(), String> {
    if params.get("elicitationId").is_some_and(|id| id.as_str().is_none_or(str::is_empty)) {
        return Err("have an `elicitationId` that is no text".to_owned());
    }
    let url = params["url"].as_str().and_then(|url| Url::parse(url).ok());
    let is_safe = url.is_some_and(|url| {
        let named = url.username().is_empty() && url.password().is_none();
        named && (url.scheme() == "https" || (url.scheme() == "http" && is_this_machine(&url)))
    });
    match is_safe {
        true => Ok(()),
        false => Err("have no `url` that a person can be sent to: `https:` (on the person's own machine also \
                      `http:`), without a name or a password in it"
            .to_owned()),
    }
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn sampling(params: &Value) -> Result<(), String> {
    if params["maxTokens"].as_u64().is_none_or(|tokens| tokens == 0) {
        return Err("have no `maxTokens` above 0".to_owned());
    }
    let preferences = &params["modelPreferences"];
    let is_off = |name: &&str| {
        preferences.get(name).is_some_and(|one| one.as_f64().is_none_or(|one| !(0.0..=1.0).contains(&one)))
    };
    if let Some(name) = PRIORITIES.iter().find(|name| is_off(name)) {
        return Err(format!("have a `{name}` that is not from 0 to 1"));
    }
    let messages = params["messages"].as_array().filter(|messages| !messages.is_empty());
    conversation(messages.ok_or("have no `messages`")?)
}

/// Each use of a tool has its result in the message that follows, which has nothing else ("Tool Use and Result
/// Balance").
fn conversation(messages: &[Value]) -> Result<(), String> {
    let mut owed = Vec::new();
    for message in messages {
        let content = &message["content"];
        let blocks = match content.as_array() {
            Some(blocks) => blocks.as_slice(),
            None => std::slice::from_ref(content),
        };
        let is_said = !blocks.is_empty() && blocks.iter().all(|block| block["type"].is_string());
        if !is_said || !matches!(message["role"].as_str(), Some("user" | "assistant")) {
            return Err(
                "have a message without `role` (user or assistant) or `content` (blocks with a `type`)".to_owned()
            );
        }
        let results = ids(blocks, "tool_result", "toolUseId");
        if !results.is_empty() && results.len() < blocks.len() {
            return Err("have a message with results of tools beside other content; give each its own".to_owned());
        }
        if results != owed {
            return Err(
                "have a `tool_use` without its `tool_result` in the next message, or the other way round".to_owned()
            );
        }
        owed = ids(blocks, "tool_use", "id");
    }
    match owed.is_empty() {
        true => Ok(()),
        false => Err("end with a `tool_use`; add its `tool_result`".to_owned()),
    }
}

/// What blocks of this type name, in order.
fn ids<'a>(blocks: &'a [Value], kind: &str, member: &str) -> Vec<&'a str> {
    let of_kind = blocks.iter().filter(|block| block["type"] == kind);
    let mut ids: Vec<&str> = of_kind.map(|block| block[member].as_str().unwrap_or_default()).collect();
    ids.sort_unstable();
    ids
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn raw(value: &Value) -> Box<RawValue> {
        serde_json::value::to_raw_value(value).expect("JSON")
    }

    fn form_of(field: Value) -> Value {
        json!({"message": "?", "requestedSchema": {"type": "object", "properties": {"a": field}}})
    }

    #[test]
    fn a_form_is_flat_and_says_what_it_is_for() {
        for field in [
            json!({"type": "string", "minLength": 1, "title": "A", "default": "x"}),
            json!({"type": "string", "format": "email", "pattern": "^[a-z]+$"}),
            json!({"type": "string", "enum": ["a", "b"], "enumNames": ["A", "B"]}),
            json!({"type": "string", "oneOf": [{"const": "a", "title": "A"}]}),
            json!({"type": "integer", "minimum": 0}),
            json!({"type": "number"}),
            json!({"type": "boolean", "default": false}),
            json!({"type": "array", "items": {"type": "string", "enum": ["a"]}, "maxItems": 2}),
            json!({"type": "array", "items": {"anyOf": [{"const": "a", "title": "A"}]}}),
        ] {
            for mode in [None, Some("form")] {
                let mut params = form_of(field.clone());
                mode.into_iter().for_each(|mode| params["mode"] = mode.into());
                assert_eq!(Asking::Elicitation.check(&raw(&params)), Ok(()), "{params}");
            }
        }
        for (params, why) in [
            (form_of(json!({"type": "object", "properties": {}})), "ask for `a`"),
            (form_of(json!({"type": "string", "format": "password"})), "ask for `a`"),
            (form_of(json!({"type": ["string", "null"]})), "ask for `a`"),
            (form_of(json!({"type": "array", "items": {"type": "string"}})), "ask for `a`"),
            (form_of(json!({"type": "string", "oneOf": [{"minLength": 1}]})), "ask for `a`"),
            (form_of(json!({"type": "string", "anyOf": [{"const": "a"}]})), "ask for `a`"),
            (form_of(json!({"type": "string", "enum": [7]})), "ask for `a`"),
            (form_of(json!({"type": "array", "items": {"enum": []}})), "ask for `a`"),
            (form_of(json!({"type": "string", "$ref": "#/x"})), "ask for `a`"),
            (form_of(json!({"type": "string", "pattern": "("})), "cannot be used"),
            (form_of(json!(7)), "ask for `a`"),
            (json!({"message": "?"}), "no form"),
            (json!({"message": "?", "requestedSchema": {"type": "object"}}), "no form"),
            (json!({"requestedSchema": {"type": "object", "properties": {}}}), "no `message`"),
            (json!({"message": "?", "mode": "page"}), "neither"),
            (json!({"message": "?", "mode": null}), "neither"),
        ] {
            let refused = Asking::Elicitation.check(&raw(&params)).expect_err("no form");
            assert!(refused.contains(why), "{params}: {refused}");
        }
    }

    #[test]
    fn an_address_is_one_that_a_person_can_be_sent_to() {
        for (url, good) in [
            ("https://example.com/pay?id=1", true),
            ("http://localhost:8080/", true),
            ("http://127.0.0.1/", true),
            ("http://[::1]:3000/x", true),
            ("http://example.com/", false),
            ("https://user:pass@example.com/", false),
            ("https://user@example.com/", false),
            ("http://localhost.example.com/", false),
            ("javascript:alert(1)", false),
            ("file:///etc/passwd", false),
            ("/pay", false),
            ("", false),
        ] {
            let params = json!({"mode": "url", "message": "?", "url": url, "elicitationId": "e1"});
            assert_eq!(Asking::Elicitation.check(&raw(&params)).is_ok(), good, "{url}");
        }
        let nameless = json!({"mode": "url", "message": "?", "url": "https://example.com/", "elicitationId": ""});
        assert!(Asking::Elicitation.check(&raw(&nameless)).is_err());
    }

    #[test]
    fn a_conversation_answers_each_use_of_a_tool_at_once_and_alone() {
        let text = json!({"type": "text", "text": "?"});
        let asked = json!({"role": "user", "content": text});
        let uses = |ids: &[&str]| {
            let blocks: Vec<Value> =
                ids.iter().map(|id| json!({"type": "tool_use", "id": id, "name": "t", "input": {}})).collect();
            json!({"role": "assistant", "content": blocks})
        };
        let results = |ids: &[&str]| {
            let blocks: Vec<Value> =
                ids.iter().map(|id| json!({"type": "tool_result", "toolUseId": id, "content": []})).collect();
            json!({"role": "user", "content": blocks})
        };
        let mut mixed = results(&["a"]);
        mixed["content"].as_array_mut().expect("blocks").push(text.clone());
        for (messages, good) in [
            (json!([asked]), true),
            (json!([asked, {"role": "assistant", "content": [text]}, asked]), true),
            (json!([asked, uses(&["a", "b"]), results(&["b", "a"])]), true),
            (json!([asked, uses(&["a"]), results(&["a"]), uses(&["b"]), results(&["b"])]), true),
            (json!([asked, uses(&["a", "b"]), results(&["a"])]), false),
            (json!([asked, uses(&["a"]), asked, results(&["a"])]), false),
            (json!([asked, uses(&["a"]), mixed]), false),
            (json!([asked, uses(&["a"])]), false),
            (json!([asked, results(&["a"])]), false),
            (json!([{"role": "system", "content": text}]), false),
            (json!([{"role": "user", "content": []}]), false),
            (json!([{"role": "user", "content": "hello"}]), false),
            (json!([]), false),
            (json!({}), false),
        ] {
            let params = json!({"maxTokens": 10, "messages": messages});
            assert_eq!(Asking::Sampling.check(&raw(&params)).is_ok(), good, "{messages}");
        }
        for (more, good) in [
            (json!({"modelPreferences": {"costPriority": 0.5, "hints": []}}), true),
            (json!({"modelPreferences": {"speedPriority": 1.5}}), false),
            (json!({"modelPreferences": {"intelligencePriority": "high"}}), false),
            (json!({"maxTokens": 0}), false),
            (json!({"maxTokens": "many"}), false),
        ] {
            let mut params = json!({"maxTokens": 10, "messages": [asked]});
            more.as_object().expect("members").iter().for_each(|(name, value)| params[name] = value.clone());
            assert_eq!(Asking::Sampling.check(&raw(&params)).is_ok(), good, "{more}");
        }
        assert_eq!(Asking::Roots.check(&raw(&json!({}))), Ok(()));
    }

    #[test]
    fn a_form_is_filled_in_as_its_schema_allows() {
        let mut params = form_of(json!({"type": "integer", "minimum": 1}));
        params["requestedSchema"]["properties"]["b"] = json!({"type": "string"});
        params["requestedSchema"]["required"] = json!(["a"]);
        let question = Question { key: "k".to_owned(), method: Asking::Elicitation, params: raw(&params) };
        for (answer, good) in [
            (json!({"action": "accept", "content": {"a": 1}}), true),
            (json!({"action": "accept", "content": {"a": 1, "b": null}}), true),
            (json!({"action": "accept", "content": {"a": 0}}), false),
            (json!({"action": "accept", "content": {"a": "1"}}), false),
            (json!({"action": "accept", "content": {"b": "x"}}), false),
            (json!({"action": "accept"}), false),
            (json!({"action": "decline"}), true),
            (json!({"action": "cancel", "content": {"a": 0}}), true),
            (json!({"action": "perhaps"}), false),
        ] {
            assert_eq!(question.is_answered_by(&raw(&answer)), good, "{answer}");
        }
        let words = |answer: Value| question.check_answer(&raw(&answer)).err();
        let unfit = words(json!({"action": "accept", "content": {"a": "secret"}}));
        assert!(unfit.is_some_and(|why| why.contains("/a: ") && !why.contains("secret")));
        let shapeless = words(json!({"action": "perhaps"}));
        assert_eq!(shapeless.as_deref(), Some("is none that `elicitation/create` can have"));
        let visit = json!({"mode": "url", "message": "?", "url": "https://example.com/"});
        let visit = Question { params: raw(&visit), ..question };
        assert!(visit.is_answered_by(&raw(&json!({"action": "accept"}))));
    }

    proptest! {
        #[test]
        fn whatever_a_guest_asks_and_a_client_answers_is_judged(
            params in "\\{\"(message|mode|requestedSchema|url|messages|maxTokens)\":[\\[\\]{}0-9\"a-z:,]{0,40}\\}",
            answer in "\\{\"action\":\"accept\",\"content\":[\\[\\]{}0-9\"a-z:,]{0,20}\\}",
        ) {
            let Ok(params) = RawValue::from_string(params) else { return Ok(()) };
            for method in [Asking::Elicitation, Asking::Sampling, Asking::Roots] {
                let question = Question { key: "k".to_owned(), method, params: params.clone() };
                let _ = method.check(&question.params);
                if let Ok(answer) = RawValue::from_string(answer.clone()) {
                    question.is_answered_by(&answer);
                }
            }
        }
    }
}
