//! The schemas within a schema: which there are, where references lead, and that none of it is without end.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::patterns::{Of, Patterns};
use super::{DEPTH_MAX, PARTS_MAX, SchemaError};

/// Keywords whose value is a schema that holds for the same value.
pub(super) const IN_PLACE: [&str; 4] = ["not", "if", "then", "else"];
/// Those whose value is a list of such schemas.
pub(super) const IN_PLACE_LISTS: [&str; 3] = ["allOf", "anyOf", "oneOf"];
/// Those whose value has such schemas as members; `dependencies` may have lists of names too.
pub(super) const IN_PLACE_MAPS: [&str; 2] = ["dependentSchemas", "dependencies"];
pub(super) const REFERENCES: [&str; 3] = ["$ref", "$dynamicRef", "$recursiveRef"];
/// Those whose value is a schema that holds for members or items of the value.
pub(super) const FOR_CHILDREN: [&str; 8] = [
    "additionalProperties",
    "unevaluatedProperties",
    "propertyNames",
    "additionalItems",
    "unevaluatedItems",
    "contains",
    "items",
    "contentSchema",
];
/// Those whose value has such schemas as members.
pub(super) const FOR_CHILDREN_MAPS: [&str; 2] = ["properties", "patternProperties"];
const DEFINITIONS: [&str; 2] = ["$defs", "definitions"];

/// What is known of a schema when it was walked through.
pub(super) struct Parts {
    /// Where each reference leads, as the path of members from the root.
    targets: HashMap<String, Vec<String>>,
    /// Schemas that a check comes to, each counted once.
    pub(super) count: usize,
    /// Whether each of them is come to in one way only, so that a check takes a step for each of them and
    /// each part of the value at most.
    pub(super) is_tree: bool,
    pub(super) patterns: Patterns,
}

impl Parts {
    /// # Errors
    /// What cannot be used, in words for the author.
    pub(super) fn of(root: &Value) -> Result<Self, SchemaError> {
        let mut anchors = HashMap::new();
        let mut ids = 0;
        name_anchors(root, &mut Vec::new(), &mut anchors, &mut ids);
        let root_has_id = root.get("$id").is_some();
        let patterns = Patterns::default();
        let mut parts = Self { targets: HashMap::new(), count: 0, is_tree: true, patterns };
        let mut walk = Walk { root, anchors: &anchors, parts: &mut parts, seen: HashMap::new() };
        walk.visit(root, &mut Vec::new(), 0)?;
        if ids > usize::from(root_has_id) && !parts.targets.is_empty() {
            return Err(SchemaError(
                "a part of it has an `$id` while others are referred to; name parts in `$defs` or by `$anchor`"
                    .to_owned(),
            ));
        }
        Ok(parts)
    }

    /// Whether a reference leads to a place of this kind.
    pub(super) fn lead_to(&self, kind: impl Fn(&[String]) -> bool) -> bool {
        self.targets.values().any(|path| kind(path))
    }

    /// The schema that a reference leads to.
    pub(super) fn target<'a>(&self, root: &'a Value, reference: &str) -> Option<&'a Value> {
        follow(root, self.targets.get(reference)?)
    }
}

fn follow<'a>(root: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(root, |value, member| match value {
        Value::Array(items) => items.get(member.parse::<usize>().ok()?),
        other => other.get(member),
    })
}

/// Notes the place of each `$anchor`, and how many `$id` there are, wherever a schema may stand.
fn name_anchors(schema: &Value, path: &mut Vec<String>, anchors: &mut HashMap<String, Vec<String>>, ids: &mut usize) {
    let Value::Object(members) = schema else { return };
    *ids += usize::from(members.get("$id").is_some_and(|id| id.as_str().is_none_or(|id| !id.starts_with('#'))));
    for word in ["$anchor", "$dynamicAnchor"] {
        if let Some(name) = members.get(word).and_then(Value::as_str) {
            anchors.entry(name.to_owned()).or_insert_with(|| path.clone());
        }
    }
    // Before 2019-09 an anchor was an `$id` that is a fragment.
    if let Some(name) = members.get("$id").and_then(Value::as_str).and_then(|id| id.strip_prefix('#')) {
        anchors.entry(name.to_owned()).or_insert_with(|| path.clone());
    }
    for (word, value) in members {
        let is_map = IN_PLACE_MAPS.contains(&word.as_str())
            || FOR_CHILDREN_MAPS.contains(&word.as_str())
            || DEFINITIONS.contains(&word.as_str());
        let is_list = IN_PLACE_LISTS.contains(&word.as_str()) || matches!(word.as_str(), "prefixItems" | "items");
        path.push(word.clone());
        match value {
            Value::Object(inner) if is_map => {
                for (name, schema) in inner {
                    path.push(name.clone());
                    name_anchors(schema, path, anchors, ids);
                    path.pop();
                }
            }
            Value::Array(items) if is_list => {
                for (place, schema) in items.iter().enumerate() {
                    path.push(place.to_string());
                    name_anchors(schema, path, anchors, ids);
                    path.pop();
                }
            }
            Value::Object(_) if IN_PLACE.contains(&word.as_str()) || FOR_CHILDREN.contains(&word.as_str()) => {
                name_anchors(value, path, anchors, ids);
            }
            _ => {}
        }
        path.pop();
    }
}

/// How a schema was left: being walked through, or done with so many levels in place below it.
#[derive(Clone, Copy)]
enum Seen {
    Open,
    Done(usize),
}

struct Walk<'a> {
    root: &'a Value,
    anchors: &'a HashMap<String, Vec<String>>,
    parts: &'a mut Parts,
    /// By address, which names a part of the root for as long as it is borrowed.
    seen: HashMap<usize, Seen>,
}

pub(super) fn address(schema: &Value) -> usize {
    std::ptr::from_ref(schema).addr()
}

impl<'a> Walk<'a> {
    /// Goes through a schema and all that it leads to for the same value; what it leads to for members and
    /// items is put in `later`. Answers how deep it goes.
    fn level(&mut self, schema: &'a Value, later: &mut Vec<&'a Value>, depth: usize) -> Result<usize, SchemaError> {
        let Value::Object(members) = schema else {
            return if schema.is_boolean() {
                Ok(0)
            } else {
                Err(SchemaError(format!("a schema is an object, true or false, and not `{}`", kind(schema))))
            };
        };
        match self.seen.get(&address(schema)) {
            Some(Seen::Open) => {
                return Err(SchemaError(
                    "a part of it refers to itself without going into the value, which would never end".to_owned(),
                ));
            }
            Some(Seen::Done(below)) => {
                self.parts.is_tree = false;
                return if depth + below > DEPTH_MAX { Err(too_deep()) } else { Ok(*below) };
            }
            None => {}
        }
        if depth > DEPTH_MAX {
            return Err(too_deep());
        }
        self.parts.count += 1;
        if self.parts.count > PARTS_MAX {
            return Err(SchemaError(format!("it has more than {PARTS_MAX} parts; describe less of it")));
        }
        self.seen.insert(address(schema), Seen::Open);
        self.patterns(members)?;
        let mut below = 0;
        for inner in in_place(members) {
            below = below.max(1 + self.level(inner, later, depth + 1)?);
        }
        for reference in references(members)? {
            let target = self.resolve(reference)?;
            below = below.max(1 + self.level(target, later, depth + 1)?);
        }
        later.extend(children(members));
        if members.keys().any(|word| word.starts_with("unevaluated")) {
            // Looks again at what stands beside it.
            self.parts.is_tree = false;
        }
        self.seen.insert(address(schema), Seen::Done(below));
        Ok(below)
    }

    /// Goes through everything, level by level, so that the depth of a reference counts and not that of the
    /// text.
    fn visit(&mut self, schema: &'a Value, later: &mut Vec<&'a Value>, depth: usize) -> Result<(), SchemaError> {
        self.level(schema, later, depth)?;
        let mut queued: HashSet<usize> = later.iter().map(|schema| address(schema)).collect();
        while let Some(next) = later.pop() {
            if matches!(self.seen.get(&address(next)), Some(Seen::Done(_))) {
                self.parts.is_tree = false;
                continue;
            }
            let mut found = Vec::new();
            self.level(next, &mut found, 0)?;
            for schema in found {
                if queued.insert(address(schema)) {
                    later.push(schema);
                } else {
                    self.parts.is_tree = false;
                }
            }
        }
        Ok(())
    }

    fn resolve(&mut self, reference: &str) -> Result<&'a Value, SchemaError> {
        if let Some(path) = self.parts.targets.get(reference) {
            return follow(self.root, path).ok_or_else(|| nowhere(reference));
        }
        let own = self.root.get("$id").and_then(Value::as_str).map(|id| id.trim_end_matches('#'));
        let fragment = match own.filter(|own| !own.is_empty()).and_then(|own| reference.strip_prefix(own)) {
            Some("") => "",
            Some(rest) if rest.starts_with('#') => &rest[1..],
            _ => reference.strip_prefix('#').ok_or_else(|| outside(reference))?,
        };
        let fragment = percent_decoded(fragment).ok_or_else(|| nowhere(reference))?;
        let path: Vec<String> = if fragment.is_empty() {
            Vec::new()
        } else if let Some(pointer) = fragment.strip_prefix('/') {
            pointer.split('/').map(|member| member.replace("~1", "/").replace("~0", "~")).collect()
        } else {
            self.anchors.get(&fragment).cloned().ok_or_else(|| nowhere(reference))?
        };
        let target = follow(self.root, &path).ok_or_else(|| nowhere(reference))?;
        self.parts.targets.insert(reference.to_owned(), path);
        Ok(target)
    }

    fn patterns(&mut self, members: &Map<String, Value>) -> Result<(), SchemaError> {
        if let Some(pattern) = members.get("pattern").and_then(Value::as_str) {
            self.parts.patterns.add(Of::Texts, pattern)?;
        }
        let named = members.get("patternProperties").and_then(Value::as_object);
        named.into_iter().flat_map(Map::keys).try_for_each(|pattern| self.parts.patterns.add(Of::Names, pattern))
    }
}

/// The schemas that hold for the same value.
pub(super) fn in_place(members: &Map<String, Value>) -> impl Iterator<Item = &Value> {
    let ones = IN_PLACE.iter().filter_map(|word| members.get(*word));
    let lists = IN_PLACE_LISTS.iter().filter_map(|word| members.get(*word)?.as_array()).flatten();
    let maps = IN_PLACE_MAPS.iter().filter_map(|word| members.get(*word)?.as_object());
    ones.chain(lists).chain(maps.flat_map(Map::values).filter(|value| !value.is_array()))
}

/// The references of a schema.
///
/// # Errors
/// When one is no text.
pub(super) fn references(members: &Map<String, Value>) -> Result<Vec<&str>, SchemaError> {
    let given = REFERENCES.iter().filter_map(|word| members.get(*word));
    given.map(|value| value.as_str().ok_or_else(|| SchemaError("a `$ref` is no text".to_owned()))).collect()
}

/// The schemas that hold for members or items.
fn children(members: &Map<String, Value>) -> impl Iterator<Item = &Value> {
    let ones = FOR_CHILDREN.iter().filter_map(|word| members.get(*word)).filter(|value| !value.is_array());
    let lists = ["prefixItems", "items"].into_iter().filter_map(|word| members.get(word)?.as_array()).flatten();
    let maps = FOR_CHILDREN_MAPS.iter().filter_map(|word| members.get(*word)?.as_object()).flat_map(Map::values);
    ones.chain(lists).chain(maps)
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

fn too_deep() -> SchemaError {
    SchemaError(format!("its parts are nested more than {DEPTH_MAX} levels deep, references followed"))
}

fn outside(reference: &str) -> SchemaError {
    let shown = super::shorten(reference);
    SchemaError(format!(
        "it refers to `{shown}`, and nothing outside a schema is ever fetched; put that part in `$defs`"
    ))
}

fn nowhere(reference: &str) -> SchemaError {
    SchemaError(format!("it refers to `{}`, which is not there", super::shorten(reference)))
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
