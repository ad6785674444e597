//! The types of a component's functions, taken out of wasmtime once, when the component is opened.
//!
//! A [`Shape`] holds only what JSON can carry. A type that has a handle in it (a resource, a stream, a
//! future) has no shape, and the reason says where it stands. WIT types may share parts, so that a few
//! hundred bytes describe a type of a million parts; a shape is bounded in parts and in depth.

use std::fmt;

use wasmtime::component::Type;
use wasmtime::component::types::ComponentFunc;

/// Parts that the types of one function may have together.
const PARTS_MAX: usize = 2_048;
/// Types within types. Each level is at most two levels of JSON, which is bounded by
/// [`DEPTH_MAX`](crate::domain::json::DEPTH_MAX).
const DEPTH_MAX: usize = 50;

/// An integer type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Int {
    S8,
    U8,
    S16,
    U16,
    S32,
    U32,
    S64,
    U64,
}

impl Int {
    pub(super) fn range(self) -> (i128, i128) {
        match self {
            Self::S8 => (i8::MIN.into(), i8::MAX.into()),
            Self::U8 => (0, u8::MAX.into()),
            Self::S16 => (i16::MIN.into(), i16::MAX.into()),
            Self::U16 => (0, u16::MAX.into()),
            Self::S32 => (i32::MIN.into(), i32::MAX.into()),
            Self::U32 => (0, u32::MAX.into()),
            Self::S64 => (i64::MIN.into(), i64::MAX.into()),
            Self::U64 => (0, u64::MAX.into()),
        }
    }

    /// Whether some JSON readers cannot hold all its values.
    pub(super) fn is_wide(self) -> bool {
        matches!(self, Self::S64 | Self::U64)
    }

    fn word(self) -> &'static str {
        match self {
            Self::S8 => "s8",
            Self::U8 => "u8",
            Self::S16 => "s16",
            Self::U16 => "u16",
            Self::S32 => "s32",
            Self::U32 => "u32",
            Self::S64 => "s64",
            Self::U64 => "u64",
        }
    }
}

/// A name and what stands under it: a parameter, or a field of a record.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) shape: Shape,
}

/// A case of a variant and what it carries.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) shape: Option<Shape>,
}

/// A type whose values are JSON.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Shape {
    Bool,
    Int(Int),
    F32,
    F64,
    Char,
    String,
    /// `list<u8>`.
    Bytes,
    List(Box<Shape>),
    Tuple(Vec<Shape>),
    Record(Vec<Field>),
    Variant(Vec<Case>),
    Enum(Vec<String>),
    Flags(Vec<String>),
    Option(Box<Shape>),
    Result {
        ok: Option<Box<Shape>>,
        err: Option<Box<Shape>>,
    },
}

impl Shape {
    /// Whether every value is a JSON object.
    pub(super) fn is_object(&self) -> bool {
        matches!(self, Self::Record(_) | Self::Variant(_) | Self::Result { .. })
    }

    pub(super) fn is_option(&self) -> bool {
        matches!(self, Self::Option(_))
    }
}

/// What a function answers.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Answer {
    Nothing,
    Value(Shape),
    /// `result<ok, err>`: an error is the tool's error.
    Fallible {
        ok: Option<Shape>,
        err: Option<Shape>,
    },
}

/// What a function takes and answers.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Signature {
    pub(super) params: Vec<Field>,
    pub(super) answer: Answer,
}

impl Signature {
    /// # Errors
    /// Why a function of this type cannot be called with JSON.
    pub(super) fn of(function: &ComponentFunc) -> Result<Self, String> {
        if function.async_() {
            return Err("it is an async function, which this version does not call".to_owned());
        }
        let mut builder = Builder { parts: 0 };
        let mut params = Vec::new();
        for (name, ty) in function.params() {
            let shape = builder.shape(&ty, 0).map_err(|why| format!("its parameter `{name}` {why}"))?;
            params.push(Field { name: name.to_owned(), shape });
        }
        let mut results = function.results();
        let answer = match results.next() {
            None => Answer::Nothing,
            Some(ty) => match builder.shape(&ty, 0).map_err(|why| format!("its result {why}"))? {
                Shape::Result { ok, err } => Answer::Fallible { ok: ok.map(|ok| *ok), err: err.map(|err| *err) },
                shape => Answer::Value(shape),
            },
        };
        if results.next().is_some() {
            return Err("it has more than one result".to_owned());
        }
        Ok(Self { params, answer })
    }
}

struct Builder {
    parts: usize,
}

impl Builder {
    fn shape(&mut self, ty: &Type, depth: usize) -> Result<Shape, String> {
        self.parts += 1;
        if self.parts > PARTS_MAX {
            return Err(format!("makes the types of the function have more than {PARTS_MAX} parts"));
        }
        if depth > DEPTH_MAX {
            return Err(format!("has types within types deeper than {DEPTH_MAX} levels"));
        }
        let depth = depth + 1;
        Ok(match ty {
            Type::Bool => Shape::Bool,
            Type::S8 => Shape::Int(Int::S8),
            Type::U8 => Shape::Int(Int::U8),
            Type::S16 => Shape::Int(Int::S16),
            Type::U16 => Shape::Int(Int::U16),
            Type::S32 => Shape::Int(Int::S32),
            Type::U32 => Shape::Int(Int::U32),
            Type::S64 => Shape::Int(Int::S64),
            Type::U64 => Shape::Int(Int::U64),
            Type::Float32 => Shape::F32,
            Type::Float64 => Shape::F64,
            Type::Char => Shape::Char,
            Type::String => Shape::String,
            Type::List(list) => match list.ty() {
                Type::U8 => Shape::Bytes,
                element => Shape::List(Box::new(self.shape(&element, depth)?)),
            },
            Type::Tuple(tuple) => {
                let parts: Result<_, _> = tuple.types().map(|part| self.shape(&part, depth)).collect();
                Shape::Tuple(parts?)
            }
            Type::Record(record) => {
                let mut fields = Vec::new();
                for field in record.fields() {
                    fields.push(Field { name: field.name.to_owned(), shape: self.shape(&field.ty, depth)? });
                }
                Shape::Record(fields)
            }
            Type::Variant(variant) => {
                let mut cases = Vec::new();
                for case in variant.cases() {
                    self.named()?;
                    let shape = case.ty.as_ref().map(|ty| self.shape(ty, depth)).transpose()?;
                    cases.push(Case { name: case.name.to_owned(), shape });
                }
                Shape::Variant(cases)
            }
            Type::Enum(cases) => Shape::Enum(self.names(cases.names())?),
            Type::Flags(flags) => Shape::Flags(self.names(flags.names())?),
            Type::Option(option) => Shape::Option(Box::new(self.shape(&option.ty(), depth)?)),
            Type::Result(result) => Shape::Result {
                ok: result.ok().map(|ok| self.shape(&ok, depth)).transpose()?.map(Box::new),
                err: result.err().map(|err| self.shape(&err, depth)).transpose()?.map(Box::new),
            },
            Type::Own(_) | Type::Borrow(_) => return Err(handle("a resource")),
            Type::Stream(_) => return Err(handle("a stream")),
            Type::Future(_) => return Err(handle("a future")),
            Type::ErrorContext => return Err(handle("an error context")),
            // Both are switched off in the engine, which refuses such components before they come here.
            Type::Map(_) => return Err("holds a map, which is not yet offered here".to_owned()),
            Type::FixedLengthList(_) => {
                return Err("holds a list of fixed length, which is not yet offered here".to_owned());
            }
        })
    }

    fn named(&mut self) -> Result<(), String> {
        self.parts += 1;
        match self.parts > PARTS_MAX {
            true => Err(format!("makes the types of the function have more than {PARTS_MAX} parts")),
            false => Ok(()),
        }
    }

    fn names<'a>(&mut self, names: impl Iterator<Item = &'a str>) -> Result<Vec<String>, String> {
        names.map(|name| self.named().map(|()| name.to_owned())).collect()
    }
}

fn handle(what: &str) -> String {
    format!("holds {what}, which lives only inside the component and has no JSON")
}

/// As WIT writes it, but for the names of types, which a component does not keep.
impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("bool"),
            Self::Int(int) => f.write_str(int.word()),
            Self::F32 => f.write_str("f32"),
            Self::F64 => f.write_str("f64"),
            Self::Char => f.write_str("char"),
            Self::String => f.write_str("string"),
            Self::Bytes => f.write_str("list<u8>"),
            Self::List(element) => write!(f, "list<{element}>"),
            Self::Tuple(parts) => {
                f.write_str("tuple<")?;
                separated(f, parts, |f, part| write!(f, "{part}"))?;
                f.write_str(">")
            }
            Self::Record(fields) => {
                braced(f, "record", fields, |f, Field { name, shape }| write!(f, "{name}: {shape}"))
            }
            Self::Variant(cases) => braced(f, "variant", cases, |f, Case { name, shape }| match shape {
                Some(shape) => write!(f, "{name}({shape})"),
                None => f.write_str(name),
            }),
            Self::Enum(names) => braced(f, "enum", names, |f, name| f.write_str(name)),
            Self::Flags(names) => braced(f, "flags", names, |f, name| f.write_str(name)),
            Self::Option(some) => write!(f, "option<{some}>"),
            Self::Result { ok, err } => result(f, ok.as_deref(), err.as_deref()),
        }
    }
}

fn result(f: &mut fmt::Formatter<'_>, ok: Option<&Shape>, err: Option<&Shape>) -> fmt::Result {
    match (ok, err) {
        (None, None) => f.write_str("result"),
        (Some(ok), None) => write!(f, "result<{ok}>"),
        (None, Some(err)) => write!(f, "result<_, {err}>"),
        (Some(ok), Some(err)) => write!(f, "result<{ok}, {err}>"),
    }
}

fn braced<T>(
    f: &mut fmt::Formatter<'_>,
    word: &str,
    parts: &[T],
    one: impl Fn(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    write!(f, "{word} {{ ")?;
    separated(f, parts, one)?;
    f.write_str(" }")
}

fn separated<T>(
    f: &mut fmt::Formatter<'_>,
    parts: &[T],
    one: impl Fn(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            f.write_str(", ")?;
        }
        one(f, part)?;
    }
    Ok(())
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("func(")?;
        separated(f, &self.params, |f, Field { name, shape }| write!(f, "{name}: {shape}"))?;
        f.write_str(")")?;
        match &self.answer {
            Answer::Nothing => Ok(()),
            Answer::Value(shape) => write!(f, " -> {shape}"),
            Answer::Fallible { ok, err } => {
                f.write_str(" -> ")?;
                result(f, ok.as_ref(), err.as_ref())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_written_as_wit_writes_it() {
        let text = |shape| Field { name: "a-b".to_owned(), shape };
        let signature = Signature {
            params: vec![
                text(Shape::List(Box::new(Shape::Option(Box::new(Shape::Int(Int::U64)))))),
                text(Shape::Record(vec![text(Shape::Tuple(vec![Shape::Char, Shape::Bytes]))])),
            ],
            answer: Answer::Fallible {
                ok: None,
                err: Some(Shape::Variant(vec![
                    Case { name: "none".to_owned(), shape: None },
                    Case { name: "some".to_owned(), shape: Some(Shape::Flags(vec!["x".to_owned(), "y".to_owned()])) },
                ])),
            },
        };
        assert_eq!(
            signature.to_string(),
            "func(a-b: list<option<u64>>, a-b: record { a-b: tuple<char, list<u8>> }) -> \
             result<_, variant { none, some(flags { x, y }) }>"
        );
    }
}
