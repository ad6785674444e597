//! The form of a schema that every client takes.
//!
//! Large hosts refuse a tool whose schema is, at its root, a choice (`oneOf`, `anyOf`), a conjunction
//! (`allOf`), a reference, a truth value, or not said to be of an object. Such a root is turned into a plain
//! object that allows all that the original allows, and maybe more: it tells a model what it may send, and
//! what was sent is held to the original.

use serde_json::{Map, Value, json};

use super::{BYTES_MAX, Schema};

/// Choices that are followed down from the root.
const LEVELS: usize = 16;
/// Schemas that are looked into on the way down.
const LOOKED_INTO: usize = 1_000;
/// What those hosts refuse at the root of a schema.
const REFUSED: [&str; 8] = ["oneOf", "anyOf", "allOf", "not", "enum", "const", "$ref", "$dynamicRef"];

/// The input schema as clients get it; none when it is in that form already.
pub fn fit_input(schema: &Schema) -> Option<Value> {
    match schema.value() {
        Value::Object(root) if is_plain(root) && !has_truths(schema.value()) => None,
        Value::Object(root) => {
            let root = &alone(root);
            // A part that refers to the root, or to what is taken away there, would mean something else.
            let is_apart =
                !schema.parts.lead_to(|path| path.first().is_none_or(|word| REFUSED.contains(&word.as_str())));
            let fitted = Some(root).filter(|_| is_apart).map(|root| without_truths(Value::Object(plain(schema, root))));
            // What is said in many ways at once is better not said.
            Some(fitted.filter(|fitted| fitted.to_string().len() <= BYTES_MAX).unwrap_or_else(|| anything(root)))
        }
        _ => Some(anything(&Map::new())),
    }
}

/// An object about which nothing more is said than the root says in words.
fn anything(root: &Map<String, Value>) -> Value {
    let mut whole = described(root);
    whole.insert("type".to_owned(), json!("object"));
    whole.insert("properties".to_owned(), json!({}));
    Value::Object(whole)
}

/// What counts of a root: until 2019-09 a reference made its neighbours void.
fn alone(root: &Map<String, Value>) -> Map<String, Value> {
    const STAY: [&str; 6] = ["$ref", "$schema", "$id", "definitions", "title", "description"];
    let named = root.get("$schema").and_then(Value::as_str).unwrap_or_default();
    let is_old =
        root.contains_key("$ref") && ["draft-04", "draft-06", "draft-07"].iter().any(|old| named.contains(old));
    let counts = |(word, _): &(&String, &Value)| !is_old || STAY.contains(&word.as_str());
    root.iter().filter(counts).map(|(word, value)| (word.clone(), value.clone())).collect()
}

/// The output schema as clients get it; none when it is in that form already. Only a reference at the root
/// is followed: an answer of another form than an object stays what it is.
pub fn fit_output(schema: &Schema) -> Option<Value> {
    const BESIDE: [&str; 7] = ["$ref", "$schema", "$id", "$defs", "definitions", "title", "description"];
    let root = schema.value().as_object()?;
    let is_bare = root.keys().all(|word| BESIDE.contains(&word.as_str()));
    let target = target(schema, root).filter(|_| is_bare)?;
    let of_objects = target.get("type").is_some_and(|kind| kind == "object");
    (of_objects && !REFUSED.iter().any(|word| target.contains_key(*word))).then(|| {
        let mut whole = root.clone();
        whole.remove("$ref");
        for (word, value) in target {
            whole.entry(word.clone()).or_insert_with(|| value.clone());
        }
        Value::Object(whole)
    })
}

/// Whether the root is what clients take.
fn is_plain(root: &Map<String, Value>) -> bool {
    root.get("type").is_some_and(|kind| kind == "object")
        && root.contains_key("properties")
        && !REFUSED.iter().any(|word| root.contains_key(*word))
}

/// Members and required names that were gathered from the root and its choices.
#[derive(Default)]
struct Gathered {
    members: Map<String, Value>,
    required: Vec<String>,
    /// In words, what else has to hold.
    notes: Vec<String>,
}

fn plain(schema: &Schema, root: &Map<String, Value>) -> Map<String, Value> {
    let mut whole = root.clone();
    let is_open = REFUSED.iter().any(|word| root.contains_key(*word));
    for word in REFUSED {
        whole.remove(word);
    }
    if let Some(target) = target(schema, root) {
        // The rest of it says less than it together with what is gathered below.
        for word in ["title", "description"] {
            if let Some(text) = target.get(word) {
                whole.entry(word).or_insert_with(|| text.clone());
            }
        }
    }
    let gathered = gather(schema, root, LEVELS, &mut { LOOKED_INTO });
    whole.insert("type".to_owned(), json!("object"));
    whole.insert("properties".to_owned(), Value::Object(gathered.members));
    if is_open {
        // These speak of members that their neighbours name, and the neighbours are others now.
        whole.remove("unevaluatedProperties");
        if gathered.required.is_empty() {
            whole.remove("required");
        } else {
            whole.insert("required".to_owned(), json!(gathered.required));
        }
    }
    if !gathered.notes.is_empty() {
        let mut text = whole.get("description").and_then(Value::as_str).unwrap_or_default().to_owned();
        for note in gathered.notes {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(&note);
        }
        whole.insert("description".to_owned(), json!(text));
    }
    whole
}

fn target<'a>(schema: &'a Schema, members: &Map<String, Value>) -> Option<&'a Map<String, Value>> {
    let reference = members.get("$ref")?.as_str()?;
    schema.parts.target(&schema.value, reference)?.as_object()
}

/// What a schema and its choices say of members.
/// Where it gives up, everything is allowed.
fn gather(schema: &Schema, members: &Map<String, Value>, levels: usize, left: &mut usize) -> Gathered {
    let mut all = Gathered::default();
    if levels == 0 || *left == 0 {
        return all;
    }
    *left -= 1;
    if let Some(Value::Object(properties)) = members.get("properties") {
        all.members.clone_from(properties);
    }
    if let Some(Value::Array(required)) = members.get("required") {
        all.required.extend(required.iter().filter_map(Value::as_str).map(str::to_owned));
    }
    let mut together: Vec<Gathered> =
        target(schema, members).map(|it| gather(schema, it, levels - 1, left)).into_iter().collect();
    if let Some(Value::Array(parts)) = members.get("allOf") {
        together.extend(parts.iter().filter_map(Value::as_object).map(|part| gather(schema, part, levels - 1, left)));
    }
    for part in together {
        for (name, value) in part.members {
            // Two that hold at once: either is a wider one.
            all.members.entry(name).or_insert(value);
        }
        all.required.extend(part.required.into_iter().filter(|name| !all.required.contains(name)).collect::<Vec<_>>());
        all.notes.extend(part.notes);
    }
    for word in ["anyOf", "oneOf"] {
        let Some(Value::Array(choices)) = members.get(word) else { continue };
        let is_for_objects = |choice: &&Map<String, Value>| {
            choice.get("type").is_none_or(|kind| {
                kind == "object" || kind.as_array().is_some_and(|kinds| kinds.contains(&json!("object")))
            })
        };
        // A choice that is `true` allows everything, so nothing is required by all.
        let is_whole = choices.iter().all(Value::is_object);
        let gathered: Vec<Gathered> = choices
            .iter()
            .filter_map(Value::as_object)
            .filter(is_for_objects)
            .map(|choice| gather(schema, choice, levels - 1, left))
            .collect();
        choose(&mut all, gathered, is_whole);
    }
    all
}

/// Adds what holds whichever choice is made.
fn choose(all: &mut Gathered, choices: Vec<Gathered>, is_whole: bool) {
    let Some(first) = choices.first() else { return };
    if is_whole {
        let by_all = |name: &&String| choices.iter().all(|choice| choice.required.contains(name));
        let common: Vec<String> = first.required.iter().filter(by_all).cloned().collect();
        all.required.extend(common.into_iter().filter(|name| !all.required.contains(name)).collect::<Vec<_>>());
    }
    let lists: Vec<String> = choices
        .iter()
        .map(|choice| choice.required.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and "))
        .filter(|list| !list.is_empty())
        .collect();
    if lists.len() == choices.len() && lists.len() > 1 {
        all.notes.push(format!("Needs {}.", lists.join(", or ")));
    }
    let mut names: Vec<String> = Vec::new();
    for choice in &choices {
        names.extend(choice.members.keys().filter(|name| !names.contains(name)).cloned().collect::<Vec<_>>());
    }
    for name in names {
        if all.members.contains_key(&name) {
            continue;
        }
        let mut forms: Vec<Value> = Vec::new();
        let mut is_free = !is_whole;
        for choice in &choices {
            match choice.members.get(&name) {
                Some(form) if !forms.contains(form) => forms.push(form.clone()),
                Some(_) => {}
                // Where it is not spoken of it may be anything.
                None => is_free = true,
            }
        }
        let member = match (forms.len(), is_free) {
            (1, false) => forms.remove(0),
            (1, true) => Value::Object(forms[0].as_object().map(described).unwrap_or_default()),
            _ if is_free => json!({}),
            _ => json!({ "anyOf": forms }),
        };
        all.members.insert(name, member);
    }
}

/// What a schema says to a reader, without what it demands.
fn described(form: &Map<String, Value>) -> Map<String, Value> {
    let told = ["title", "description", "examples"].into_iter();
    told.filter_map(|word| Some((word.to_owned(), form.get(word)?.clone()))).collect()
}

/// Whether a member's schema is `true` or `false`, which some clients do not read.
fn has_truths(schema: &Value) -> bool {
    schema.get("properties").and_then(Value::as_object).is_some_and(|all| all.values().any(Value::is_boolean))
}

fn without_truths(mut schema: Value) -> Value {
    if let Some(Value::Object(all)) = schema.get_mut("properties") {
        for member in all.values_mut() {
            match member {
                Value::Bool(true) => *member = json!({}),
                Value::Bool(false) => *member = json!({"not": {}}),
                _ => {}
            }
        }
    }
    schema
}
