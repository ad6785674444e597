//! What fits, what does not, and where the error points.

use proptest::prelude::*;

use super::*;
use crate::sandbox::plain::lift;

fn field(name: &str, shape: Shape) -> Field {
    Field { name: name.to_owned(), shape }
}

fn option(shape: Shape) -> Shape {
    Shape::Option(Box::new(shape))
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// Reads a value of a shape, as the only argument `v`.
fn read(shape: &Shape, json: &str) -> Result<Val, String> {
    let params = [field("v", shape.clone())];
    let values = arguments(&params, &format!("{{\"v\":{json}}}")).map_err(|error| error.to_string())?;
    Ok(values.into_iter().next().expect("one argument"))
}

fn round_trip(shape: &Shape, json: &str) -> Result<String, String> {
    let value = read(shape, json)?;
    Ok(lift::json(shape, &value, 1 << 20).expect("a value of its shape"))
}

fn variant() -> Shape {
    Shape::Variant(vec![
        Case { name: "none".to_owned(), shape: None },
        Case { name: "int".to_owned(), shape: Some(Shape::Int(Int::S32)) },
        Case { name: "maybe".to_owned(), shape: Some(option(Shape::Bool)) },
    ])
}

#[test]
fn every_type_has_its_json() {
    let result = Shape::Result { ok: None, err: Some(Box::new(Shape::String)) };
    let record = Shape::Record(vec![field("b", Shape::Bool), field("a", option(Shape::Char))]);
    let deep = option(option(option(Shape::Bool)));
    for (shape, json) in [
        (Shape::Bool, "true"),
        (Shape::Int(Int::S8), "-128"),
        (Shape::Int(Int::U64), "18446744073709551615"),
        (Shape::Int(Int::S64), "-9223372036854775808"),
        (Shape::F64, "0.1"),
        (Shape::F64, "1e300"),
        (Shape::F32, "\"-Infinity\""),
        (Shape::F64, "\"NaN\""),
        (Shape::Char, "\"😀\""),
        (Shape::String, "\"a\\\"\\n\\u0000ä\""),
        (Shape::Bytes, "\"AP+A\""),
        (Shape::Bytes, "\"\""),
        (Shape::List(Box::new(Shape::Int(Int::U16))), "[1,2,3]"),
        (Shape::Tuple(vec![Shape::Bool, Shape::String]), "[false,\"x\"]"),
        (record, "{\"b\":true,\"a\":null}"),
        (variant(), "{\"tag\":\"none\"}"),
        (variant(), "{\"tag\":\"int\",\"val\":-5}"),
        (variant(), "{\"tag\":\"maybe\",\"val\":null}"),
        (Shape::Enum(names(&["red", "green"])), "\"green\""),
        (Shape::Flags(names(&["r", "w", "x"])), "[\"r\",\"x\"]"),
        (option(Shape::Bool), "null"),
        (option(Shape::Bool), "false"),
        (deep.clone(), "null"),
        (deep.clone(), "{\"some\":null}"),
        (deep.clone(), "{\"some\":{\"some\":null}}"),
        (deep, "{\"some\":{\"some\":true}}"),
        (result.clone(), "{\"ok\":null}"),
        (result, "{\"err\":\"no\"}"),
    ] {
        assert_eq!(round_trip(&shape, json).as_deref(), Ok(json), "{shape}");
    }
}

#[test]
fn other_spellings_mean_the_same() {
    let record = Shape::Record(vec![field("b", Shape::Bool), field("a", option(Shape::Char))]);
    for (shape, json, expected) in [
        (record, " { \"b\" : true } ", "{\"b\":true,\"a\":null}"),
        (Shape::Int(Int::U64), "\"18446744073709551615\"", "18446744073709551615"),
        (Shape::Int(Int::U8), "2.5e1", "25"),
        (Shape::F64, "1", "1.0"),
        (variant(), "{\"val\":7,\"tag\":\"int\"}", "{\"tag\":\"int\",\"val\":7}"),
        (variant(), "{\"tag\":\"maybe\"}", "{\"tag\":\"maybe\",\"val\":null}"),
        (Shape::Flags(names(&["r", "w", "x"])), "[\"x\",\"r\",\"x\"]", "[\"r\",\"x\"]"),
    ] {
        assert_eq!(round_trip(&shape, json).as_deref(), Ok(expected), "{shape}");
    }
}

#[test]
fn what_does_not_fit_is_pointed_at() {
    let pair = Shape::Tuple(vec![Shape::Bool, Shape::Int(Int::U8)]);
    let nested = Shape::Record(vec![field("a~/b", Shape::List(Box::new(pair)))]);
    let both = Shape::Result { ok: Some(Box::new(Shape::Bool)), err: None };
    for (shape, json, pointer, words) in [
        (nested.clone(), r#"{"a~/b":[[true,1],[true,256]]}"#, "/v/a~0~1b/1/1", "outside 0 to 255"),
        (nested.clone(), r#"{"a~/b":[[true]]}"#, "/v/a~0~1b/0", "array of 2"),
        (nested.clone(), r#"{"a~/b":[[true,1,2]]}"#, "/v/a~0~1b/0", "more than 2"),
        (nested.clone(), r#"{"a~/b":{}}"#, "/v/a~0~1b", "an array"),
        (nested.clone(), "{}", "/v", "`a~/b` is missing"),
        (nested.clone(), r#"{"c":1}"#, "/v", "`c` is not known"),
        (nested, r#"{"a~/b":[],"a~/b":[]}"#, "/v", "twice"),
        (Shape::Int(Int::S32), "1.5", "/v", "whole"),
        (Shape::Int(Int::S32), "\"1\"", "/v", "integer"),
        (Shape::Int(Int::S64), "\"1.0\"", "/v", "decimal digits"),
        (Shape::Int(Int::S64), "null", "/v", "integer"),
        (Shape::F64, "\"inf\"", "/v", "Infinity"),
        (Shape::F32, "1e39", "/v", "f32"),
        (Shape::Char, "\"ab\"", "/v", "one character"),
        (Shape::Char, "\"\"", "/v", "one character"),
        (Shape::String, "1", "/v", "string"),
        (Shape::Bytes, "\"not base64\"", "/v", "base64"),
        (Shape::Bytes, "[1]", "/v", "string"),
        (variant(), "{\"tag\":\"int\",\"val\":\"x\"}", "/v/val", "integer"),
        (variant(), "{\"val\":\"x\",\"tag\":\"int\"}", "/v/val", "integer"),
        (variant(), "{\"tag\":\"other\"}", "/v/tag", "`none`, `int`, `maybe`"),
        (variant(), "{\"tag\":\"int\"}", "/v", "needs a `val`"),
        (variant(), "{\"tag\":\"none\",\"val\":1}", "/v", "leave `val` out"),
        (variant(), "{\"val\":1,\"tag\":\"none\"}", "/v", "leave `val` out"),
        (variant(), "{}", "/v", "`tag` is missing"),
        (variant(), "\"none\"", "/v", "an object with `tag`"),
        (Shape::Enum(names(&["a"])), "\"b\"", "/v", "none of `a`"),
        (Shape::Flags(names(&["a"])), "[\"a\",\"b\"]", "/v/1", "none of `a`"),
        (option(option(Shape::Bool)), "true", "/v", "one key of `some`"),
        (both.clone(), "{}", "/v", "one key of `ok`, `err`"),
        (both.clone(), "{\"ok\":true,\"err\":null}", "/v", "one key"),
        (both, "{\"err\":1}", "/v/err", "null"),
    ] {
        let error = read(&shape, json).expect_err(json);
        assert!(error.starts_with(&format!("{pointer}: ")), "{json}: {error}");
        assert!(error.contains(words), "{json}: {error}");
        assert!(!error.contains("column"), "{error}");
    }
}

#[test]
fn arguments_are_one_object_of_all_parameters() {
    let params = [field("a", Shape::Bool), field("b", option(Shape::Bool))];
    assert_eq!(arguments(&params, "{\"a\":true}"), Ok(vec![Val::Bool(true), Val::Option(None)]));
    assert_eq!(arguments(&[], "{}"), Ok(Vec::new()));
    for (json, words) in [
        ("[]", "an object"),
        ("{\"b\":null}", "`a` is missing"),
        ("{\"a\":true} x", "trailing"),
        ("{\"a\":tru", "EOF"),
        ("", "EOF"),
    ] {
        let error = arguments(&params, json).expect_err(json).to_string();
        assert!(error.contains(words), "{json}: {error}");
    }
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(100_000));
    assert!(arguments(&params, &long).is_err_and(|error| error.problem.len() < 400));
    let deep = format!("{{\"a\":{}", "[".repeat(100_000));
    assert!(arguments(&params, &deep).is_err());
}

#[test]
fn a_short_text_does_not_become_a_large_value() {
    let fields = (0..1_000).map(|at| field(&format!("f{at}"), option(Shape::Bool))).collect();
    let list = Shape::List(Box::new(Shape::Record(fields)));
    assert!(read(&list, &format!("[{}]", vec!["{}"; 49].join(","))).is_ok());
    let error = read(&list, &format!("[{}]", vec!["{}"; 100_000].join(","))).expect_err("too much is left out");
    assert!(error.starts_with("/v/50: ") && error.contains("left out"), "{error}");
}

proptest! {
    #[test]
    fn no_json_makes_the_reader_panic(json in "[\\[\\]{}:,\"0-9eE.\\-a-z]{0,40}") {
        for shape in [variant(), option(option(Shape::F64)), Shape::Int(Int::U64), Shape::Bytes] {
            let _ = read(&shape, &json);
        }
    }
}
