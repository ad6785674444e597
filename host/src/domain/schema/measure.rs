//! What a check costs at most, found out without making it.
//!
//! The schema and the value are gone through together, as a checker would that looks at everything: each
//! pair of a schema and a part of the value is looked at once, and its steps are the sum of those below it.
//! That sum may be astronomical where a checker comes to the same pair in many ways; to find it is not.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::parts::{Parts, address, in_place, references};
use super::patterns::{Of, Search};

/// Levels that a check may go down, schemas and values together: what fits into the stack of a thread.
const LEVELS_MAX: usize = 400;

/// How often a check is made at most where searches are given up: once for each way that they may have ended.
const RUNS_MAX: u64 = 64;
/// What a quick pattern costs for each part of a value, which has so many bytes of text at most.
const QUICK_PATTERN: u64 = 16;

/// The steps of checking `value`, an upper bound; none when they are more than `most`.
pub(super) fn steps(root: &Value, parts: &Parts, value: &Value, most: u64) -> Option<u64> {
    if let Some(simple) = simple(parts, value, most) {
        return Some(simple);
    }
    let mut measure = Measure { root, parts, most, known: HashMap::new() };
    measure.of(root, value, 0).map(Cost::whole)
}

/// As [`steps`], where that is found out at once.
pub(super) fn simple(parts: &Parts, value: &Value, most: u64) -> Option<u64> {
    if !parts.is_tree || !parts.patterns.are_quick() {
        return None;
    }
    let each = (parts.count as u64).saturating_add(QUICK_PATTERN.saturating_mul(parts.patterns.count as u64));
    let steps = each.saturating_mul(size(value, most)?);
    (steps <= most).then_some(steps)
}

/// How many parts a value has; none when they are more than `most`. Long texts count for several.
fn size(value: &Value, most: u64) -> Option<u64> {
    let mut size = 0_u64;
    let mut left = vec![value];
    while let Some(value) = left.pop() {
        size += weight(value);
        if size > most {
            return None;
        }
        match value {
            Value::Array(items) => left.extend(items),
            Value::Object(members) => {
                size += members.keys().map(|name| text_weight(name)).sum::<u64>();
                left.extend(members.values());
            }
            _ => {}
        }
    }
    Some(size)
}

fn weight(value: &Value) -> u64 {
    match value {
        Value::String(text) => text_weight(text),
        _ => 1,
    }
}

fn text_weight(text: &str) -> u64 {
    1 + (text.len() as u64) / 64
}

/// What the check of one pair costs.
#[derive(Clone, Copy, Default)]
struct Cost {
    steps: u64,
    /// Those of searches that may be given up, which are not made again.
    once: u64,
    /// How many of them there are.
    given_up: u32,
    /// How many levels it goes down.
    levels: usize,
}

impl Cost {
    fn of(steps: u64) -> Self {
        Self { steps, ..Self::default() }
    }

    fn of_search(search: Search) -> Self {
        match search.goes_back {
            true => Self { once: search.steps, given_up: 1, ..Self::default() },
            false => Self::of(search.steps),
        }
    }

    /// One after the other.
    fn and(self, other: Self) -> Self {
        Self {
            steps: self.steps.saturating_add(other.steps),
            once: self.once.saturating_add(other.once),
            given_up: self.given_up.saturating_add(other.given_up),
            levels: self.levels.max(other.levels),
        }
    }

    fn whole(self) -> u64 {
        let runs = 2_u64.saturating_pow(self.given_up.saturating_add(1)).saturating_sub(1).min(RUNS_MAX);
        self.steps.saturating_mul(runs).saturating_add(self.once)
    }
}

struct Measure<'a> {
    root: &'a Value,
    parts: &'a Parts,
    most: u64,
    known: HashMap<(usize, usize), Cost>,
}

impl<'a> Measure<'a> {
    /// None: too many steps, or too deep.
    fn of(&mut self, schema: &'a Value, value: &Value, level: usize) -> Option<Cost> {
        let Value::Object(members) = schema else { return Some(Cost::of(1)) };
        let pair = (address(schema), address(value));
        if let Some(known) = self.known.get(&pair) {
            return Some(*known).filter(|known| level + known.levels <= LEVELS_MAX);
        }
        if level >= LEVELS_MAX || self.known.len() as u64 >= self.most {
            return None;
        }
        let mut cost = self.own(members, value);
        for inner in in_place(members) {
            cost = cost.and(self.of(inner, value, level + 1)?);
        }
        for reference in references(members).ok()? {
            let target = self.parts.target(self.root, reference)?;
            cost = cost.and(self.of(target, value, level + 1)?);
        }
        if members.keys().any(|word| word.starts_with("unevaluated")) {
            // What stands beside it is looked at again.
            cost = cost.and(cost);
        }
        match value {
            Value::Object(given) => {
                for (name, child) in given {
                    cost = cost.and(self.of_member(members, name, child, level + 1)?);
                    self.bounded(cost)?;
                }
            }
            Value::Array(items) => {
                for (place, child) in items.iter().enumerate() {
                    cost = cost.and(self.of_item(members, place, child, level + 1)?);
                    self.bounded(cost)?;
                }
            }
            _ => {}
        }
        cost.levels += 1;
        self.known.insert(pair, cost);
        self.bounded(cost)
    }

    fn bounded(&self, cost: Cost) -> Option<Cost> {
        (cost.whole() <= self.most).then_some(cost)
    }

    fn of_member(&mut self, members: &'a Map<String, Value>, name: &str, child: &Value, level: usize) -> Option<Cost> {
        let mut cost = Cost::of(text_weight(name));
        if let Some(schema) = members.get("properties").and_then(|all| all.get(name)) {
            cost = cost.and(self.of(schema, child, level)?);
        }
        if let Some(Value::Object(patterns)) = members.get("patternProperties") {
            for (pattern, schema) in patterns {
                let search = self.parts.patterns.search(Of::Names, pattern, name);
                cost = cost.and(Cost::of_search(search)).and(self.of(schema, child, level)?);
            }
        }
        for word in ["additionalProperties", "unevaluatedProperties"] {
            if let Some(schema) = members.get(word) {
                cost = cost.and(self.of(schema, child, level)?);
            }
        }
        if let Some(names) = members.get("propertyNames") {
            // The name is a value of its own, which lives no longer than this: what is known of it neither.
            let name = Value::String(name.to_owned());
            let mut apart = Measure { known: HashMap::new(), ..*self };
            cost = cost.and(apart.of(names, &name, level)?);
        }
        Some(cost)
    }

    fn of_item(&mut self, members: &'a Map<String, Value>, place: usize, child: &Value, level: usize) -> Option<Cost> {
        let mut cost = Cost::of(1);
        for word in ["prefixItems", "items"] {
            if let Some(schema) = members.get(word).and_then(Value::as_array).and_then(|all| all.get(place)) {
                cost = cost.and(self.of(schema, child, level)?);
            }
        }
        for word in ["items", "additionalItems", "unevaluatedItems", "contains"] {
            if let Some(schema) = members.get(word).filter(|schema| !schema.is_array()) {
                cost = cost.and(self.of(schema, child, level)?);
            }
        }
        Some(cost)
    }

    /// What the keywords of one schema cost that lead nowhere.
    fn own(&self, members: &Map<String, Value>, value: &Value) -> Cost {
        let mut steps = weight(value);
        let mut search = Cost::default();
        for (word, keyword) in members {
            steps = steps.saturating_add(match (word.as_str(), keyword) {
                ("enum" | "const", keyword) => size(keyword, u64::MAX).unwrap_or(u64::MAX),
                ("required", Value::Array(names)) => names.len() as u64,
                ("dependentRequired" | "dependencies", Value::Object(map)) => map.len() as u64,
                ("pattern", Value::String(pattern)) => {
                    if let Value::String(text) = value {
                        search = Cost::of_search(self.parts.patterns.search(Of::Texts, pattern, text));
                    }
                    1
                }
                ("uniqueItems", Value::Bool(true)) => size(value, u64::MAX).unwrap_or(u64::MAX).saturating_mul(4),
                _ => 1,
            });
        }
        search.and(Cost::of(steps))
    }
}
