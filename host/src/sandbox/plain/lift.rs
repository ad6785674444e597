//! The values that a component answers to JSON, up to a bound.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use wasmtime::component::Val;

use super::number::float_json;
use super::shape::Shape;

/// Why a value has no JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum LiftError {
    #[error("the value is larger than a result may be")]
    TooLarge,
    /// Cannot be, because the shape was made from the value's own type.
    #[error("the component answered a value of another type than it declares")]
    OtherType,
}

/// The JSON of a value, in one spelling: fields in the order of the type, nothing left out.
///
/// # Errors
/// When it is longer than `bytes_max`; no more than a scalar is written beyond it.
pub(super) fn json(shape: &Shape, value: &Val, bytes_max: usize) -> Result<String, LiftError> {
    let mut writer = Writer { out: String::new(), bytes_max };
    writer.value(shape, value)?;
    writer.check()?;
    Ok(writer.out)
}

struct Writer {
    out: String,
    bytes_max: usize,
}

impl Writer {
    fn check(&self) -> Result<(), LiftError> {
        if self.out.len() > self.bytes_max { Err(LiftError::TooLarge) } else { Ok(()) }
    }

    fn value(&mut self, shape: &Shape, value: &Val) -> Result<(), LiftError> {
        self.check()?;
        match (shape, value) {
            (Shape::Bool, Val::Bool(value)) => self.shown(value),
            (Shape::Int(_), Val::S8(value)) => self.shown(value),
            (Shape::Int(_), Val::U8(value)) => self.shown(value),
            (Shape::Int(_), Val::S16(value)) => self.shown(value),
            (Shape::Int(_), Val::U16(value)) => self.shown(value),
            (Shape::Int(_), Val::S32(value)) => self.shown(value),
            (Shape::Int(_), Val::U32(value)) => self.shown(value),
            (Shape::Int(_), Val::S64(value)) => self.shown(value),
            (Shape::Int(_), Val::U64(value)) => self.shown(value),
            (Shape::F32, Val::Float32(value)) => self.out += &float_json(*value),
            (Shape::F64, Val::Float64(value)) => self.out += &float_json(*value),
            (Shape::Char, Val::Char(value)) => self.text(value.encode_utf8(&mut [0; 4])),
            (Shape::String, Val::String(value)) => self.text(value),
            (Shape::Bytes, Val::List(values)) => return self.bytes(values),
            (Shape::List(element), Val::List(values)) => {
                return self.array(values.iter().map(|value| (element.as_ref(), value)));
            }
            (Shape::Tuple(parts), Val::Tuple(values)) if parts.len() == values.len() => {
                return self.array(parts.iter().zip(values));
            }
            (Shape::Record(fields), Val::Record(values)) if fields.len() == values.len() => {
                self.out.push('{');
                for (at, (field, (_, value))) in fields.iter().zip(values).enumerate() {
                    if at > 0 {
                        self.out.push(',');
                    }
                    self.text(&field.name);
                    self.out.push(':');
                    self.value(&field.shape, value)?;
                }
                self.out.push('}');
            }
            (Shape::Variant(cases), Val::Variant(name, value)) => {
                let case = cases.iter().find(|case| case.name == *name).ok_or(LiftError::OtherType)?;
                self.out += r#"{"tag":"#;
                self.text(name);
                match (&case.shape, value) {
                    (Some(shape), Some(value)) => {
                        self.out += r#","val":"#;
                        self.value(shape, value)?;
                    }
                    (None, None) => {}
                    _ => return Err(LiftError::OtherType),
                }
                self.out.push('}');
            }
            (Shape::Enum(_), Val::Enum(name)) => self.text(name),
            (Shape::Flags(_), Val::Flags(names)) => {
                self.out.push('[');
                for (at, name) in names.iter().enumerate() {
                    if at > 0 {
                        self.out.push(',');
                    }
                    self.text(name);
                }
                self.out.push(']');
            }
            (Shape::Option(_), Val::Option(None)) => self.out += "null",
            (Shape::Option(some), Val::Option(Some(value))) => match some.is_option() {
                true => return self.only("some", Some(some), Some(value)),
                false => return self.value(some, value),
            },
            (Shape::Result { ok, .. }, Val::Result(Ok(value))) => {
                return self.only("ok", ok.as_deref(), value.as_deref());
            }
            (Shape::Result { err, .. }, Val::Result(Err(value))) => {
                return self.only("err", err.as_deref(), value.as_deref());
            }
            _ => return Err(LiftError::OtherType),
        }
        Ok(())
    }

    fn shown(&mut self, value: &impl std::fmt::Display) {
        // Writing to a text cannot fail.
        let _ = write!(self.out, "{value}");
    }

    /// A text with its escapes (RFC 8259, section 7).
    fn text(&mut self, text: &str) {
        self.out.push('"');
        let mut rest = text;
        while let Some(at) = rest.find(|c: char| matches!(c, '"' | '\\') || c < ' ') {
            let (plain, special) = rest.split_at(at);
            self.out += plain;
            let mut chars = special.chars();
            match chars.next() {
                Some('\n') => self.out += "\\n",
                Some('\r') => self.out += "\\r",
                Some('\t') => self.out += "\\t",
                Some(c @ ('"' | '\\')) => self.out.extend(['\\', c]),
                Some(c) => self.out += &format!("\\u{:04x}", u32::from(c)),
                None => {}
            }
            rest = chars.as_str();
        }
        self.out += rest;
        self.out.push('"');
    }

    fn bytes(&mut self, values: &[Val]) -> Result<(), LiftError> {
        // Four letters for three bytes.
        if values.len() / 3 > self.bytes_max / 4 {
            return Err(LiftError::TooLarge);
        }
        let bytes: Option<Vec<u8>> = values
            .iter()
            .map(|value| match value {
                Val::U8(byte) => Some(*byte),
                _ => None,
            })
            .collect();
        self.out.push('"');
        STANDARD.encode_string(bytes.ok_or(LiftError::OtherType)?, &mut self.out);
        self.out.push('"');
        Ok(())
    }

    fn array<'a>(&mut self, values: impl Iterator<Item = (&'a Shape, &'a Val)>) -> Result<(), LiftError> {
        self.out.push('[');
        for (at, (shape, value)) in values.enumerate() {
            if at > 0 {
                self.out.push(',');
            }
            self.value(shape, value)?;
        }
        self.out.push(']');
        Ok(())
    }

    fn only(&mut self, key: &str, shape: Option<&Shape>, value: Option<&Val>) -> Result<(), LiftError> {
        self.out.push('{');
        self.text(key);
        self.out.push(':');
        match (shape, value) {
            (Some(shape), Some(value)) => self.value(shape, value)?,
            (None, None) => self.out += "null",
            _ => return Err(LiftError::OtherType),
        }
        self.out.push('}');
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_escaped_as_json_demands() {
        let text = "a\"\\\u{0}\u{1f}\n\r\t\u{7f}ä😀/";
        let json = json(&Shape::String, &Val::String(text.to_owned()), 1_000).expect("small");
        assert_eq!(serde_json::from_str::<String>(&json).expect("JSON"), text);
    }

    #[test]
    fn a_large_value_is_not_written_to_its_end() {
        let list = Shape::List(Box::new(Shape::Bool));
        let value = Val::List(vec![Val::Bool(true); 100_000]);
        assert_eq!(json(&list, &value, 1_000), Err(LiftError::TooLarge));
        assert_eq!(json(&Shape::Bytes, &Val::List(vec![Val::U8(0); 800]), 1_000), Err(LiftError::TooLarge));
        assert!(json(&Shape::Bytes, &Val::List(vec![Val::U8(0); 740]), 1_000).is_ok());
        assert_eq!(json(&Shape::String, &Val::String("x".repeat(999)), 1_000), Err(LiftError::TooLarge));
    }
}
