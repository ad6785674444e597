//! JSON arguments to the values that a component takes.
//!
//! The JSON is read once, led by the types; no tree of it is made, so that a number is what its text
//! says. What does not fit is refused with a JSON pointer to it. The values are in proportion to the
//! text: what a caller leaves out takes room too, so that is counted.

use std::cell::{Cell, RefCell};
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use wasmtime::component::Val;

use super::number;
use super::shape::{Case, Field, Int, Shape};

/// Length of a problem as it is told; it may quote what the caller sent.
const PROBLEM_CHARS: usize = 300;

/// Fields that may be left out, in all.
const ABSENT_MAX: usize = 50_000;

/// An argument that does not fit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {problem}", if .pointer.is_empty() { "the arguments" } else { .pointer })]
pub(super) struct ArgumentError {
    /// A JSON pointer (RFC 6901); empty for the whole.
    pub(super) pointer: String,
    pub(super) problem: String,
}

/// The values of all parameters, in order, from one JSON object.
///
/// # Errors
/// The first thing that does not fit.
pub(super) fn arguments(params: &[Field], json: &str) -> Result<Vec<Val>, ArgumentError> {
    let path = Path::default();
    let mut reader = serde_json::Deserializer::from_str(json);
    let read = Fields { fields: params, path: &path }.deserialize(&mut reader);
    read.and_then(|values| reader.end().map(|()| values)).map_err(|error| ArgumentError {
        pointer: path.steps.borrow().iter().map(|step| format!("/{step}")).collect(),
        problem: problem(&error),
    })
}

/// The error without its place in the text, which says less than the pointer.
fn problem(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = match error.line() {
        0 => text.as_str(),
        line => text.trim_end_matches(&format!(" at line {line} column {}", error.column())),
    };
    match text.char_indices().nth(PROBLEM_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Where the reader stands, and how many fields were left out so far. It is left as it is when
/// something does not fit.
#[derive(Default)]
struct Path {
    steps: RefCell<Vec<Step>>,
    absent: Cell<usize>,
}

impl Path {
    fn push(&self, step: Step) {
        self.steps.borrow_mut().push(step);
    }

    fn pop(&self) {
        self.steps.borrow_mut().pop();
    }

    /// Counts a field that was left out.
    fn absent<E: Error>(&self) -> Result<Val, E> {
        self.absent.set(self.absent.get() + 1);
        match self.absent.get() > ABSENT_MAX {
            true => Err(E::custom(format!("more than {ABSENT_MAX} fields are left out in all"))),
            false => Ok(Val::Option(None)),
        }
    }
}

enum Step {
    Key(String),
    Index(usize),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => f.write_str(&key.replace('~', "~0").replace('/', "~1")),
            Self::Index(index) => index.fmt(f),
        }
    }
}

/// Reads a value of a shape.
struct Value<'s> {
    shape: &'s Shape,
    path: &'s Path,
}

impl<'s> Value<'s> {
    fn of(&self, shape: &'s Shape) -> Self {
        Self { shape, path: self.path }
    }
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = Val;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Val, D::Error> {
        match self.shape {
            Shape::Bool => from.deserialize_bool(Bool),
            Shape::Int(int) => integer(from, *int),
            Shape::F32 => float(from, number::float32, f32::NAN, f32::INFINITY).map(Val::Float32),
            Shape::F64 => float(from, number::float64, f64::NAN, f64::INFINITY).map(Val::Float64),
            Shape::Char => character(&text(from)?).map(Val::Char).map_err(Error::custom),
            Shape::String => text(from).map(Val::String),
            Shape::Bytes => {
                let bytes = STANDARD.decode(text(from)?);
                let bytes = bytes.map_err(|error| Error::custom(format!("these are not bytes in base64: {error}")))?;
                Ok(Val::List(bytes.into_iter().map(Val::U8).collect()))
            }
            Shape::List(element) => from.deserialize_seq(List(self.of(element))).map(Val::List),
            Shape::Tuple(parts) => from.deserialize_seq(Tuple { parts, path: self.path }).map(Val::Tuple),
            Shape::Record(fields) => {
                let values = Fields { fields, path: self.path }.deserialize(from)?;
                Ok(Val::Record(fields.iter().map(|field| field.name.clone()).zip(values).collect()))
            }
            Shape::Variant(cases) => from.deserialize_map(Variant { cases, path: self.path }),
            Shape::Enum(names) => known(text(from)?, names).map(Val::Enum),
            Shape::Flags(names) => from.deserialize_seq(Flags { names, path: self.path }).map(Val::Flags),
            Shape::Option(some) => from.deserialize_option(Maybe(self.of(some))).map(Val::Option),
            Shape::Result { ok, err } => {
                let cases = [("ok", ok.as_deref()), ("err", err.as_deref())];
                let (at, value) = from.deserialize_map(Only { cases: &cases, path: self.path })?;
                Ok(Val::Result(if at == 0 { Ok(value) } else { Err(value) }))
            }
        }
    }
}

struct Bool;

impl Visitor<'_> for Bool {
    type Value = Val;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("true or false")
    }
    fn visit_bool<E: Error>(self, value: bool) -> Result<Val, E> {
        Ok(Val::Bool(value))
    }
}

/// A scalar as it is written.
fn written<'de, D: Deserializer<'de>>(from: D) -> Result<&'de str, D::Error> {
    <&RawValue as serde::Deserialize>::deserialize(from).map(RawValue::get)
}

fn is_number(written: &str) -> bool {
    written.starts_with(|c: char| c == '-' || c.is_ascii_digit())
}

/// What a text between quotes says; none when it is no text.
fn unquoted(written: &str) -> Option<String> {
    written.starts_with('"').then(|| serde_json::from_str(written).ok()).flatten()
}

fn integer<'de, D: Deserializer<'de>>(from: D, int: Int) -> Result<Val, D::Error> {
    let written = written(from)?;
    let value = if is_number(written) {
        number::integer(written, int)
    } else if let Some(digits) = unquoted(written).filter(|_| int.is_wide()) {
        number::decimal(&digits, int)
    } else {
        Err("an integer is expected".to_owned())
    };
    value.map(|value| exact(value, int)).map_err(Error::custom)
}

/// A value that is known to be in the range of its type.
fn exact(value: i128, int: Int) -> Val {
    match int {
        Int::S8 => Val::S8(value as i8),
        Int::U8 => Val::U8(value as u8),
        Int::S16 => Val::S16(value as i16),
        Int::U16 => Val::U16(value as u16),
        Int::S32 => Val::S32(value as i32),
        Int::U32 => Val::U32(value as u32),
        Int::S64 => Val::S64(value as i64),
        Int::U64 => Val::U64(value as u64),
    }
}

fn float<'de, D: Deserializer<'de>, T: std::ops::Neg<Output = T>>(
    from: D,
    parse: fn(&str) -> Result<T, String>,
    nan: T,
    infinity: T,
) -> Result<T, D::Error> {
    let written = written(from)?;
    if is_number(written) {
        return parse(written).map_err(Error::custom);
    }
    let [not_a_number, positive, negative] = number::NOT_FINITE;
    match unquoted(written) {
        Some(name) if name == not_a_number => Ok(nan),
        Some(name) if name == positive => Ok(infinity),
        Some(name) if name == negative => Ok(-infinity),
        _ => Err(Error::custom("a number is expected, or one of \"NaN\", \"Infinity\", \"-Infinity\"")),
    }
}

fn text<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    serde::Deserialize::deserialize(from)
}

fn character(text: &str) -> Result<char, &'static str> {
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(only), None) => Ok(only),
        _ => Err("a text of exactly one character is expected"),
    }
}

fn known<E: Error>(given: String, names: &[String]) -> Result<String, E> {
    match names.contains(&given) {
        true => Ok(given),
        false => Err(E::custom(format!("`{given}` is none of {}", list(names.iter().map(String::as_str))))),
    }
}

/// Names as an error lists them.
fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

struct List<'s>(Value<'s>);

impl<'de> Visitor<'de> for List<'_> {
    type Value = Vec<Val>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Vec<Val>, A::Error> {
        let path = self.0.path;
        let mut values = Vec::new();
        loop {
            path.push(Step::Index(values.len()));
            let Some(value) = from.next_element_seed(self.0.of(self.0.shape))? else { break };
            values.push(value);
            path.pop();
        }
        path.pop();
        Ok(values)
    }
}

struct Tuple<'s> {
    parts: &'s [Shape],
    path: &'s Path,
}

impl<'de> Visitor<'de> for Tuple<'_> {
    type Value = Vec<Val>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an array of {} values", self.parts.len())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Vec<Val>, A::Error> {
        let mut values = Vec::new();
        for shape in self.parts {
            self.path.push(Step::Index(values.len()));
            match from.next_element_seed(Value { shape, path: self.path })? {
                Some(value) => values.push(value),
                None => {
                    self.path.pop();
                    return Err(Error::invalid_length(values.len(), &self));
                }
            }
            self.path.pop();
        }
        match from.next_element::<IgnoredAny>()? {
            None => Ok(values),
            Some(_) => Err(Error::custom(format!("there are more than {} values", values.len()))),
        }
    }
}

struct Flags<'s> {
    names: &'s [String],
    path: &'s Path,
}

impl<'de> Visitor<'de> for Flags<'_> {
    type Value = Vec<String>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an array of some of {}", list(self.names.iter().map(String::as_str)))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Vec<String>, A::Error> {
        let mut set = vec![false; self.names.len()];
        let mut at = 0;
        loop {
            self.path.push(Step::Index(at));
            let Some(name) = from.next_element::<String>()? else { break };
            let name = known(name, self.names)?;
            if let Some(position) = self.names.iter().position(|other| *other == name) {
                set[position] = true;
            }
            self.path.pop();
            at += 1;
        }
        self.path.pop();
        Ok(self.names.iter().zip(set).filter(|(_, set)| *set).map(|(name, _)| name.clone()).collect())
    }
}

/// An option. One directly in another is written as `{"some": …}`, because `null` alone could not say
/// which of the two is empty.
struct Maybe<'s>(Value<'s>);

impl<'de> Visitor<'de> for Maybe<'_> {
    type Value = Option<Box<Val>>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value or null")
    }
    fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        if !self.0.shape.is_option() {
            return self.0.deserialize(from).map(|value| Some(Box::new(value)));
        }
        let cases = [("some", Some(self.0.shape))];
        from.deserialize_map(Only { cases: &cases, path: self.0.path }).map(|(_, value)| value)
    }
}

/// An object with exactly one of some keys; answers which, and its value. A key without a shape has
/// the value `null`.
struct Only<'s, const N: usize> {
    cases: &'s [(&'static str, Option<&'s Shape>); N],
    path: &'s Path,
}

impl<'de, const N: usize> Visitor<'de> for Only<'_, N> {
    type Value = (usize, Option<Box<Val>>);
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object with one key of {}", list(self.cases.iter().map(|(key, _)| *key)))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Self::Value, A::Error> {
        let Some(key) = from.next_key::<String>()? else { return Err(Error::invalid_length(0, &self)) };
        let Some(at) = self.cases.iter().position(|(case, _)| *case == key) else {
            return Err(Error::custom(format!("`{key}` is none of {}", list(self.cases.iter().map(|(key, _)| *key)))));
        };
        self.path.push(Step::Key(key));
        let value = match self.cases[at].1 {
            Some(shape) => Some(Box::new(from.next_value_seed(Value { shape, path: self.path })?)),
            None => match from.next_value::<Option<IgnoredAny>>()? {
                None => None,
                Some(_) => return Err(Error::custom("nothing but null is expected here")),
            },
        };
        self.path.pop();
        match from.next_key::<String>()? {
            None => Ok((at, value)),
            Some(_) => Err(Error::invalid_length(2, &self)),
        }
    }
}

/// An object of fields, in any order.
struct Fields<'s> {
    fields: &'s [Field],
    path: &'s Path,
}

impl<'de> DeserializeSeed<'de> for Fields<'_> {
    type Value = Vec<Val>;
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Vec<Val>, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Fields<'_> {
    type Value = Vec<Val>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Vec<Val>, A::Error> {
        let mut values: Vec<Option<Val>> = vec![None; self.fields.len()];
        let mut last = None;
        while let Some(key) = from.next_key::<String>()? {
            // Mostly the next one.
            let next = last.map_or(0, |last| last + 1);
            let is_next = self.fields.get(next).is_some_and(|field| field.name == key);
            let at = if is_next { Some(next) } else { self.fields.iter().position(|field| field.name == key) };
            let Some(at) = at else {
                let names = list(self.fields.iter().map(|field| field.name.as_str()));
                let names = if names.is_empty() { "nothing".to_owned() } else { names };
                return Err(Error::custom(format!("`{key}` is not known; expected is {names}")));
            };
            if values[at].is_some() {
                return Err(Error::custom(format!("`{key}` occurs twice")));
            }
            last = Some(at);
            self.path.push(Step::Key(key));
            values[at] = Some(from.next_value_seed(Value { shape: &self.fields[at].shape, path: self.path })?);
            self.path.pop();
        }
        let filled = self.fields.iter().zip(values).map(|(field, value)| match value {
            Some(value) => Ok(value),
            None if field.shape.is_option() => self.path.absent(),
            None => Err(Error::custom(format!("`{}` is missing", field.name))),
        });
        filled.collect()
    }
}

/// `{"tag": …, "val": …}`, in any order.
struct Variant<'s> {
    cases: &'s [Case],
    path: &'s Path,
}

impl Variant<'_> {
    fn case<E: Error>(&self, tag: &str) -> Result<&Case, E> {
        self.cases.iter().find(|case| case.name == tag).ok_or_else(|| {
            self.path.push(Step::Key("tag".to_owned()));
            E::custom(format!("`{tag}` is none of {}", list(self.cases.iter().map(|case| case.name.as_str()))))
        })
    }
}

impl<'de> Visitor<'de> for Variant<'_> {
    type Value = Val;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `tag`, and `val` where the case has a value")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Val, A::Error> {
        let mut case: Option<&Case> = None;
        // A value that came before its tag waits as text.
        let mut early: Option<&'de RawValue> = None;
        let mut value: Option<Val> = None;
        while let Some(key) = from.next_key::<String>()? {
            match (key.as_str(), case) {
                ("tag", None) => case = Some(self.case(&from.next_value::<String>()?)?),
                ("val", _) if early.is_some() || value.is_some() => return Err(Error::custom("`val` occurs twice")),
                ("val", None) => early = Some(from.next_value()?),
                ("val", Some(Case { shape: Some(shape), .. })) => {
                    self.path.push(Step::Key(key));
                    value = Some(from.next_value_seed(Value { shape, path: self.path })?);
                    self.path.pop();
                }
                ("val", Some(Case { name, shape: None })) => {
                    return Err(Error::custom(format!("the case `{name}` has no value; leave `val` out")));
                }
                ("tag", Some(_)) => return Err(Error::custom("`tag` occurs twice")),
                _ => return Err(Error::custom(format!("`{key}` is not known; expected is `tag` and `val`"))),
            }
        }
        let Some(Case { name, shape }) = case else { return Err(Error::custom("`tag` is missing")) };
        match (shape, early) {
            (Some(shape), Some(early)) => {
                self.path.push(Step::Key("val".to_owned()));
                let mut reader = serde_json::Deserializer::from_str(early.get());
                let read = Value { shape, path: self.path }.deserialize(&mut reader);
                value = Some(read.map_err(|error| Error::custom(problem(&error)))?);
                self.path.pop();
            }
            (None, Some(_)) => {
                return Err(Error::custom(format!("the case `{name}` has no value; leave `val` out")));
            }
            (Some(shape), None) if value.is_none() && shape.is_option() => value = Some(Val::Option(None)),
            (Some(_), None) if value.is_none() => {
                return Err(Error::custom(format!("the case `{name}` needs a `val`")));
            }
            _ => {}
        }
        Ok(Val::Variant(name.clone(), value.map(Box::new)))
    }
}

#[cfg(test)]
#[path = "lower_tests.rs"]
mod tests;
