//! The JSON Schema (2020-12) of a shape: what is accepted, and what is answered.
//!
//! Written as text, because the order of parameters and fields is the author's and forms show it.

use super::shape::{Answer, Case, Field, Int, Shape, Signature};
use crate::domain::json;

/// Length of one schema, in bytes. Names of fields are the author's and may be long.
const BYTES_MAX: usize = 64 << 10;

/// Who writes the values that a schema is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    /// The caller, who may leave out what may be null and may write wide integers as text.
    Caller,
    /// We, who leave nothing out.
    Host,
}

/// The schemas of a function's arguments and of its structured result.
///
/// # Errors
/// Why they cannot be told, when they are too large or too deep.
pub(super) fn of(signature: &Signature) -> Result<(String, Option<String>), String> {
    let mut input = String::new();
    object(&mut input, Side::Caller, &signature.params);
    let result = match &signature.answer {
        Answer::Nothing | Answer::Fallible { ok: None, .. } => None,
        Answer::Value(shape) | Answer::Fallible { ok: Some(shape), .. } => Some(shape),
    };
    let output = result.map(|shape| {
        let mut output = String::new();
        if shape.is_object() {
            schema(&mut output, Side::Host, shape);
        } else {
            output += r#"{"type":"object","properties":{"result":"#;
            schema(&mut output, Side::Host, shape);
            output += r#"},"required":["result"],"additionalProperties":false}"#;
        }
        output
    });
    for text in [Some(&input), output.as_ref()].into_iter().flatten() {
        if text.len() > BYTES_MAX {
            return Err(format!("its schema would have more than {BYTES_MAX} bytes"));
        }
        if json::is_too_deep(text) {
            return Err(format!("its schema would be nested deeper than {} levels", json::DEPTH_MAX));
        }
    }
    Ok((input, output))
}

/// Appends the schema of one value.
fn schema(out: &mut String, side: Side, shape: &Shape) {
    match shape {
        Shape::Bool => *out += r#"{"type":"boolean"}"#,
        Shape::Int(int) => integer(out, side, *int),
        Shape::F32 | Shape::F64 => *out += r#"{"anyOf":[{"type":"number"},{"enum":["NaN","Infinity","-Infinity"]}]}"#,
        Shape::Char => *out += r#"{"type":"string","minLength":1,"maxLength":1}"#,
        Shape::String => *out += r#"{"type":"string"}"#,
        Shape::Bytes => *out += r#"{"type":"string","contentEncoding":"base64"}"#,
        Shape::List(element) => {
            *out += r#"{"type":"array","items":"#;
            schema(out, side, element);
            out.push('}');
        }
        Shape::Tuple(parts) => {
            *out += r#"{"type":"array","prefixItems":["#;
            separated(out, parts, |out, part| schema(out, side, part));
            *out += &format!(r#"],"items":false,"minItems":{0},"maxItems":{0}}}"#, parts.len());
        }
        Shape::Record(fields) => object(out, side, fields),
        Shape::Variant(cases) => {
            *out += r#"{"type":"object","oneOf":["#;
            separated(out, cases, |out, case| variant_case(out, side, case));
            *out += "]}";
        }
        Shape::Enum(names) => {
            *out += r#"{"type":"string","enum":["#;
            separated(out, names, |out, name| quoted(out, name));
            *out += "]}";
        }
        Shape::Flags(names) => {
            *out += r#"{"type":"array","items":{"enum":["#;
            separated(out, names, |out, name| quoted(out, name));
            *out += r#"]},"uniqueItems":true}"#;
        }
        Shape::Option(some) => {
            *out += r#"{"anyOf":["#;
            match some.is_option() {
                true => only(out, side, "some", Some(some)),
                false => schema(out, side, some),
            }
            *out += r#",{"type":"null"}]}"#;
        }
        Shape::Result { ok, err } => {
            *out += r#"{"type":"object","oneOf":["#;
            only(out, side, "ok", ok.as_deref());
            out.push(',');
            only(out, side, "err", err.as_deref());
            *out += "]}";
        }
    }
}

fn integer(out: &mut String, side: Side, int: Int) {
    let (min, max) = int.range();
    match side == Side::Caller && int.is_wide() {
        true => {
            let sign = if min < 0 { "-?" } else { "" };
            *out += &format!(
                r#"{{"type":["integer","string"],"minimum":{min},"maximum":{max},"pattern":"^{sign}[0-9]{{1,20}}$"}}"#
            );
        }
        false => *out += &format!(r#"{{"type":"integer","minimum":{min},"maximum":{max}}}"#),
    }
}

fn object(out: &mut String, side: Side, fields: &[Field]) {
    *out += r#"{"type":"object","properties":{"#;
    separated(out, fields, |out, Field { name, shape }| {
        quoted(out, name);
        out.push(':');
        schema(out, side, shape);
    });
    out.push('}');
    let required: Vec<&Field> = fields.iter().filter(|field| side == Side::Host || !field.shape.is_option()).collect();
    if !required.is_empty() {
        *out += r#","required":["#;
        separated(out, &required, |out, field| quoted(out, &field.name));
        out.push(']');
    }
    *out += r#","additionalProperties":false}"#;
}

fn variant_case(out: &mut String, side: Side, Case { name, shape }: &Case) {
    *out += r#"{"type":"object","properties":{"tag":{"const":"#;
    quoted(out, name);
    out.push('}');
    let mut required = r#""tag""#;
    if let Some(shape) = shape {
        *out += r#","val":"#;
        schema(out, side, shape);
        if side == Side::Host || !shape.is_option() {
            required = r#""tag","val""#;
        }
    }
    *out += &format!(r#"}},"required":[{required}],"additionalProperties":false}}"#);
}

/// An object with one key.
fn only(out: &mut String, side: Side, key: &str, shape: Option<&Shape>) {
    *out += &format!(r#"{{"type":"object","properties":{{"{key}":"#);
    match shape {
        Some(shape) => schema(out, side, shape),
        None => *out += r#"{"type":"null"}"#,
    }
    *out += &format!(r#"}},"required":["{key}"],"additionalProperties":false}}"#);
}

fn separated<T>(out: &mut String, parts: &[T], one: impl Fn(&mut String, &T)) {
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        // What is over the bound is not told; writing more of it would only cost.
        if out.len() > BYTES_MAX {
            return;
        }
        one(out, part);
    }
}

/// A name of WIT: letters, digits and dashes, which need no escape.
fn quoted(out: &mut String, name: &str) {
    out.push('"');
    out.extend(name.chars().filter(|c| !matches!(c, '"' | '\\') && !c.is_control()));
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str, shape: Shape) -> Field {
        Field { name: name.to_owned(), shape }
    }

    fn option(shape: Shape) -> Shape {
        Shape::Option(Box::new(shape))
    }

    #[test]
    fn the_caller_may_leave_out_what_may_be_null_and_we_leave_out_nothing() {
        let both = vec![field("zeta", Shape::Bool), field("alpha", option(Shape::String))];
        let signature = Signature { params: both.clone(), answer: Answer::Value(Shape::Record(both)) };
        let (input, output) = of(&signature).expect("small");
        let fields = r#"{"type":"object","properties":{"zeta":{"type":"boolean"},"alpha":{"anyOf":[{"type":"string"},{"type":"null"}]}}"#;
        assert_eq!(input, format!(r#"{fields},"required":["zeta"],"additionalProperties":false}}"#));
        assert_eq!(output, Some(format!(r#"{fields},"required":["zeta","alpha"],"additionalProperties":false}}"#)));
    }

    #[test]
    fn a_result_that_is_no_object_is_wrapped_and_an_empty_one_has_no_schema() {
        let of = |answer| of(&Signature { params: Vec::new(), answer }).expect("small").1;
        assert_eq!(
            of(Answer::Value(Shape::Bool)).as_deref(),
            Some(
                r#"{"type":"object","properties":{"result":{"type":"boolean"}},"required":["result"],"additionalProperties":false}"#
            )
        );
        assert_eq!(of(Answer::Nothing), None);
        assert_eq!(of(Answer::Fallible { ok: None, err: Some(Shape::String) }), None);
    }

    #[test]
    fn every_schema_is_one_that_a_validator_takes() {
        let shapes = vec![
            field("i", Shape::Int(Int::S64)),
            field("t", Shape::Tuple(vec![Shape::Char, Shape::F32])),
            field("v", Shape::Variant(vec![Case { name: "a".to_owned(), shape: Some(option(option(Shape::Bytes))) }])),
            field("r", Shape::Result { ok: None, err: Some(Box::new(Shape::Enum(vec!["x".to_owned()]))) }),
            field("f", Shape::List(Box::new(Shape::Flags(vec!["p".to_owned(), "q".to_owned()])))),
        ];
        let (input, _) = of(&Signature { params: shapes, answer: Answer::Nothing }).expect("small");
        let schema: serde_json::Value = serde_json::from_str(&input).expect("JSON");
        let schema = jsonschema::validator_for(&schema).expect("a schema");
        let fits = |text: &str| schema.is_valid(&serde_json::from_str(text).expect("JSON"));
        let good = r#"{"i":"-9223372036854775808","t":["ä",1.5],"v":{"tag":"a","val":{"some":null}},"r":{"ok":null},"f":[["q"]]}"#;
        assert!(fits(good));
        for (from, to) in [
            (r#""-9223372036854775808""#, "9223372036854775808"),
            ("1.5", r#""inf""#),
            ("\"ä\"", "\"aa\""),
            (r#"{"some":null}"#, r#"{"none":1}"#),
            (r#"{"ok":null}"#, r#"{"ok":null,"err":"x"}"#),
            (r#"["q"]"#, r#"["q","q"]"#),
        ] {
            assert!(!fits(&good.replace(from, to)), "{to}");
        }
    }

    #[test]
    fn a_schema_that_would_be_too_large_or_too_deep_is_none() {
        let wide = (0..4_000).map(|at| field(&format!("{at}{}", "x".repeat(100)), Shape::Bool)).collect();
        assert!(of(&Signature { params: wide, answer: Answer::Nothing }).is_err_and(|why| why.contains("bytes")));
        let deep = (0..49)
            .fold(Shape::Bool, |inner, _| Shape::Variant(vec![Case { name: "a".to_owned(), shape: Some(inner) }]));
        assert!(
            of(&Signature { params: Vec::new(), answer: Answer::Value(deep) }).is_err_and(|why| why.contains("deeper"))
        );
    }
}
