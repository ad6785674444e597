//! Schemas of strangers: read within bounds, checked as the plain checker does, fitted without loss.

use std::fmt::Write as _;
use std::time::Instant;

use proptest::prelude::*;
use serde_json::json;

use super::*;

const STEPS: u64 = 1_000_000;

fn schema(value: &Value) -> Schema {
    Schema::read(&value.to_string()).unwrap_or_else(|error| panic!("{value}: {error}"))
}

fn refused(value: &Value) -> String {
    match Schema::read(&value.to_string()) {
        Ok(_) => panic!("it is taken: {value}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_misfit_names_its_place_and_quotes_no_value() {
    let schema = schema(&json!({
        "type": "object",
        "properties": {"days": {"type": "array", "items": {"type": "integer"}}, "city": {"type": "string"}},
        "required": ["city"],
    }));
    assert_eq!(schema.check(&json!({"city": "Bern", "days": [1, 2]}), STEPS), Ok(()));
    let Err(Unfit::Misfits(misfits)) = schema.check(&json!({"days": [1, "hunter2"]}), STEPS) else { panic!("it fits") };
    let pointers: Vec<&str> = misfits.iter().map(|misfit| misfit.pointer.as_str()).collect();
    assert!(pointers.contains(&"/days/1") && pointers.contains(&""), "{misfits:?}");
    assert!(misfits.iter().all(|misfit| !misfit.expected.contains("hunter2")), "{misfits:?}");
    assert!(misfits.iter().any(|misfit| misfit.expected.contains("integer")), "{misfits:?}");
}

#[test]
fn where_nothing_is_taken_a_misfit_says_what_to_leave_out() {
    let told = |text: Value, value: Value| match schema(&text).check(&value, STEPS) {
        Err(Unfit::Misfits(misfits)) => misfits.into_iter().map(|misfit| (misfit.pointer, misfit.expected)).collect(),
        other => panic!("{other:?}"),
    };
    let none = |place: &str, words: &str| vec![(place.to_owned(), words.to_owned())];
    let empty = json!({"type": "object", "additionalProperties": false});
    assert_eq!(told(empty, json!({"city": "Bern"})), none("", "no properties are taken here; send `{}`"));
    let never = json!({"properties": {"city": false}});
    assert_eq!(told(never, json!({"city": "Bern"})), none("/city", "nothing is taken here; leave it out"));
    let other = json!({"properties": {"city": {}}, "additionalProperties": false});
    let told: Vec<(String, String)> = told(other, json!({"town": "Bern"}));
    assert!(told[0].1.contains("'town' was unexpected"), "{told:?}");
}

#[test]
fn a_value_that_is_none_of_a_list_is_told_all_of_the_list_within_bounds() {
    let told = |options: Vec<Value>| match schema(&json!({"enum": options})).check(&json!(null), STEPS) {
        Err(Unfit::Misfits(misfits)) => misfits[0].expected.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(told(vec![json!("a")]), "the value is not \"a\"");
    assert_eq!(told(vec![json!("a"), json!(1)]), "the value is not one of \"a\" or 1");
    let five = ["celsius", "fahrenheit", "kelvin", "rankine", "newton"].map(Value::from).to_vec();
    let words = "the value is not one of \"celsius\", \"fahrenheit\", \"kelvin\", \"rankine\" or \"newton\"";
    assert_eq!(told(five), words);
    let many = told((0..1_000).map(|n| json!(format!("option-{n:04}"))).collect());
    assert!(many.contains("\"option-0100\"") && many.ends_with(" other values"), "{many}");
    assert!(many.chars().count() < 3_000, "{many}");
    let long = told((0..3).map(|n| json!(format!("{n}{}", "x".repeat(1_900)))).collect());
    assert!(long.contains("\"2x") && long.chars().count() < 1_000, "{long}");
}

#[test]
fn references_stay_within_the_schema() {
    for outside in ["https://example.com/a.json", "file:///etc/passwd", "other.json", "//host/a", "http:", "a#/b", ""] {
        let words = if outside.is_empty() { "outside" } else { "outside a schema is ever fetched" };
        for word in ["$ref", "$dynamicRef"] {
            assert!(refused(&json!({"properties": {"a": {word: outside}}})).contains(words), "{word} {outside}");
        }
    }
    for nowhere in ["#/$defs/b", "#c", "#/%zz", "#/properties/a/7"] {
        assert!(refused(&json!({"$defs": {"a": {}}, "properties": {"a": {"$ref": nowhere}}})).contains("not there"));
    }
    let all = json!({
        "$id": "https://example.com/root",
        "$defs": {"a/b~": {"type": "integer"}, "c": {"$anchor": "here", "type": "string"}},
        "properties": {
            "one": {"$ref": "#/$defs/a~1b~0"}, "two": {"$ref": "#here"}, "three": {"$ref": "#/%24defs/c"},
            "four": {"$ref": "https://example.com/root#/$defs/c"}, "five": {"$ref": "#"},
        },
    });
    let schema = schema(&all);
    assert_eq!(
        schema.check(&json!({"one": 1, "two": "a", "three": "b", "four": "c", "five": {"one": 2}}), STEPS),
        Ok(())
    );
    for bad in
        [json!({"one": "a"}), json!({"two": 1}), json!({"three": 1}), json!({"four": 1}), json!({"five": {"one": "a"}})]
    {
        assert!(schema.check(&bad, STEPS).is_err(), "{bad}");
    }
    let nested = json!({"$defs": {"a": {"$id": "x", "type": "string"}}, "properties": {"a": {"$ref": "#/$defs/a"}}});
    assert!(refused(&nested).contains("$id"));
}

#[test]
fn what_would_never_end_is_refused() {
    for endless in [
        json!({"$ref": "#"}),
        json!({"allOf": [{"$ref": "#"}]}),
        json!({"$defs": {"a": {"not": {"$ref": "#/$defs/b"}}, "b": {"anyOf": [{"$ref": "#/$defs/a"}]}}, "$ref": "#/$defs/a"}),
        json!({"$defs": {"a": {"$ref": "#/$defs/a"}}, "properties": {"x": {"items": {"$ref": "#/$defs/a"}}}}),
    ] {
        assert!(refused(&endless).contains("never end"), "{endless}");
    }
    // Through the value it ends where the value does.
    let tree =
        schema(&json!({"properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}, "size": {"type": "integer"}}}));
    assert_eq!(tree.check(&json!({"left": {"right": {"size": 1}}}), STEPS), Ok(()));
    assert!(tree.check(&json!({"left": {"right": {"size": "1"}}}), STEPS).is_err());
}

#[test]
fn bounds_are_told_in_words() {
    let nested = |levels: usize| (0..levels).fold(json!({}), |inner, _| json!({"not": inner}));
    assert!(refused(&nested(DEPTH_MAX + 1)).contains("levels deep"));
    assert_eq!(schema(&nested(DEPTH_MAX)).check(&json!({}), STEPS).is_ok(), DEPTH_MAX.is_multiple_of(2));
    let parts: Vec<Value> = (0..=PARTS_MAX).map(|_| json!({})).collect();
    assert!(refused(&json!({"anyOf": parts})).contains("parts"));
    let patterns: Vec<Value> = (0..=PATTERNS_MAX).map(|n| json!({"pattern": n.to_string()})).collect();
    assert!(refused(&json!({"anyOf": patterns})).contains("patterns"));
    assert!(refused(&json!({"pattern": "a".repeat(PATTERN_BYTES_MAX + 1)})).contains("pattern"));
    assert!(refused(&json!({"enum": ["x".repeat(BYTES_MAX)]})).contains("bytes"));
    assert!(refused(&json!({"pattern": "((a{1000}){1000}){1000}"})).contains("repeat less"));
    for (bad, words) in [(json!([]), "a list"), (json!({"not": 7}), "a number"), (json!({"type": 7}), "no JSON Schema")]
    {
        assert!(refused(&bad).contains(words), "{bad}");
    }
    assert!(Schema::read("{").is_err());
}

#[test]
fn dialects_are_read_as_such() {
    let old = schema(&json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "definitions": {"a": {"type": "integer"}},
        "properties": {"pair": {"items": [{"$ref": "#/definitions/a"}, {"type": "string"}]}},
    }));
    assert_eq!(old.check(&json!({"pair": [1, "a"]}), STEPS), Ok(()));
    assert!(old.check(&json!({"pair": ["a", 1]}), STEPS).is_err());
    let unknown = schema(&json!({"$schema": "https://example.com/my-dialect", "type": "object"}));
    assert!(unknown.check(&json!([]), STEPS).is_err());
}

/// Schemas of a few hundred bytes whose check would take longer than anybody waits.
#[test]
fn a_check_that_would_take_for_ever_is_not_begun() {
    let begun = Instant::now();
    // Each level asks the next one twice.
    let twice = |of: &dyn Fn(&str) -> Value| {
        let mut parts = serde_json::Map::new();
        for level in 0..60 {
            parts.insert(format!("a{level}"), of(&format!("#/$defs/a{}", level + 1)));
        }
        parts.insert("a60".to_owned(), json!({"type": "object"}));
        json!({"$defs": parts, "$ref": "#/$defs/a0"})
    };
    for bad in [
        twice(&|next| json!({"allOf": [{"$ref": next}, {"$ref": next}]})),
        twice(&|next| json!({"anyOf": [{"not": {"$ref": next}}, {"$ref": next}]})),
    ] {
        // The depth of the text is small, that of the check is not; below the bound it is a matter of steps.
        if let Ok(schema) = Schema::read(&bad.to_string()) {
            assert_eq!(schema.check(&json!({}), STEPS), Err(Unfit::TooMuch));
        }
    }
    // Each level of the value is asked twice.
    let doubling = schema(&json!({
        "$defs": {"n": {"allOf": [{"properties": {"a": {"$ref": "#/$defs/n"}}}, {"properties": {"a": {"$ref": "#/$defs/n"}}}]}},
        "$ref": "#/$defs/n",
    }));
    let deep = (0..100).fold(json!(1), |inner, _| json!({ "a": inner }));
    assert_eq!(doubling.check(&deep, STEPS), Err(Unfit::TooMuch));
    assert_eq!(doubling.check(&json!({"a": {"a": 1}}), STEPS), Ok(()));
    // Many values against many choices.
    let choices: Vec<Value> = (0..5_000).map(|n| json!({ "const": n })).collect();
    let many = schema(&json!({"items": {"anyOf": choices}}));
    let list: Value = (0..100_000).map(|_| json!("x")).collect();
    assert_eq!(many.check(&list, STEPS), Err(Unfit::TooMuch));
    // Patterns that step back without end, and long texts.
    let back = schema(&json!({"pattern": r"^(a+)+(?=b)$"}));
    let text = json!("a".repeat(50_000));
    assert!(back.check(&text, STEPS).is_err());
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
}

/// A search costs what its pattern is compiled to, wherever the pattern stands.
#[test]
fn a_search_that_would_take_long_is_not_begun() {
    let (text, name) = ("a".repeat(20_000), "a".repeat(2_000));
    let heavy = "^[ab]*a[ab]{3000}$";
    let back = "^(?=a)(?:(?=a)a|(?=a)aa)+$";
    for (root, value) in [
        (json!({"pattern": heavy}), json!(text)),
        (json!({"properties": {"text": {"pattern": heavy}}}), json!({ "text": text })),
        (json!({"not": {"pattern": format!("^(?=[ab]*a[ab]{{3000}}$)a")}}), json!(text)),
        (json!({"patternProperties": {heavy: {}}}), json!({ &name: 1 })),
        (json!({"propertyNames": {"pattern": heavy}}), json!({ &name: 1 })),
        (json!({"anyOf": [{"$ref": "#/$defs/a"}, {}], "$defs": {"a": {"pattern": heavy}}}), json!(text)),
        (json!({"items": {"not": {"pattern": back}}}), json!(vec!["a".repeat(16); 20_000])),
        (json!({"pattern": back}), json!(text)),
    ] {
        let read = schema(&root);
        assert!(!read.is_quick(&value), "{root}");
        assert_eq!(read.check(&value, STEPS), Err(Unfit::TooMuch), "{root}");
    }
    let short = schema(&json!({"items": {"pattern": heavy}}));
    assert_eq!(short.check(&json!(["ab"]), STEPS).map_err(|unfit| matches!(unfit, Unfit::Misfits(_))), Err(true));
    let quick = schema(&json!({"items": {"type": "string", "pattern": "^[a-z]+(-[0-9]{1,8})?$"}}));
    let many = json!(vec!["abc-123"; 1_000]);
    assert!(quick.is_quick(&many));
    assert_eq!(quick.check(&many, STEPS), Ok(()));
}

/// Where a search is given up, the check is made again for each way that it may have ended.
#[test]
fn searches_that_may_be_given_up_make_the_rest_dearer() {
    let with = |backs: usize| {
        let names: Vec<Value> = (0..backs).map(|_| json!({"pattern": "^(?!-)[a-z-]+$"})).collect();
        schema(&json!({"prefixItems": names, "items": {"type": "integer"}}))
    };
    let value = |backs: usize| {
        let items = (0..backs).map(|_| json!("a-b")).chain((0..20_000).map(|number| json!(number)));
        json!(items.collect::<Vec<_>>())
    };
    assert_eq!(with(1).check(&value(1), STEPS), Ok(()));
    assert_eq!(with(8).check(&value(8), STEPS), Err(Unfit::TooMuch));
}

#[test]
fn a_schema_is_as_large_as_its_patterns() {
    let plain = schema(&json!({"type": "string"}));
    let heavy = schema(&json!({"pattern": "^[ab]*a[ab]{3000}$"}));
    assert!(heavy.size_bytes() > 1 << 20 && plain.size_bytes() < 1 << 10);
    let many: Vec<Value> = (0..250).map(|n| json!({"pattern": format!("^[ab]*a[ab]{{{}}}$", 2_800 + n)})).collect();
    assert!(refused(&json!({"anyOf": many})).contains("its patterns take more than"));
}

#[test]
fn roots_that_clients_refuse_become_plain_objects() {
    let fitted = |value: Value| fit_input(&schema(&value));
    assert_eq!(fitted(json!({"type": "object", "properties": {"a": {"anyOf": [{}, {"type": "null"}]}}})), None);
    for (given, expected) in [
        (json!(true), json!({"type": "object", "properties": {}})),
        (json!({}), json!({"type": "object", "properties": {}})),
        (json!({"type": ["object", "null"], "title": "T"}), json!({"type": "object", "properties": {}, "title": "T"})),
        (
            json!({"$defs": {"In": {"type": "object", "description": "D", "properties": {"a": {"type": "string"}}, "required": ["a"]}}, "$ref": "#/$defs/In"}),
            json!({"$defs": {"In": {"type": "object", "description": "D", "properties": {"a": {"type": "string"}}, "required": ["a"]}},
                   "type": "object", "description": "D", "properties": {"a": {"type": "string"}}, "required": ["a"]}),
        ),
        (
            json!({"type": "object", "properties": {"kind": {"type": "string"}}, "required": ["kind"], "additionalProperties": true,
                   "oneOf": [{"properties": {"a": {"type": "string"}}, "required": ["a"]}, {"properties": {"b": true}, "required": ["b"]}]}),
            json!({"type": "object", "properties": {"kind": {"type": "string"}, "a": {}, "b": {}}, "required": ["kind"],
                   "additionalProperties": true, "description": "Needs `a`, or `b`."}),
        ),
        (
            json!({"allOf": [{"properties": {"a": {"type": "string"}}, "required": ["a"]}, {"properties": {"b": {"type": "integer"}}}]}),
            json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "integer"}}, "required": ["a"]}),
        ),
        (
            json!({"anyOf": [{"properties": {"a": {"type": "string"}}, "required": ["a"]}, {"properties": {"a": {"type": "integer"}}, "required": ["a"]}]}),
            json!({"type": "object", "properties": {"a": {"anyOf": [{"type": "string"}, {"type": "integer"}]}}, "required": ["a"],
                   "description": "Needs `a`, or `a`."}),
        ),
    ] {
        assert_eq!(fitted(given.clone()), Some(expected), "{given}");
    }
    // What refers to a root that becomes another one would say something else.
    let recursive = json!({"title": "T", "anyOf": [{"required": ["a"]}], "properties": {"a": {"not": {"$ref": "#"}}}});
    assert_eq!(fitted(recursive), Some(json!({"title": "T", "type": "object", "properties": {}})));
    let output = |value: Value| fit_output(&schema(&value));
    let pointed = json!({"$defs": {"Out": {"type": "object"}}, "$ref": "#/$defs/Out"});
    assert_eq!(output(pointed), Some(json!({"$defs": {"Out": {"type": "object"}}, "type": "object"})));
    for same in [
        json!({"type": "object"}),
        json!({"type": "array"}),
        json!(true),
        json!({"$defs": {"a": {}}, "$ref": "#/$defs/a"}),
    ] {
        assert_eq!(output(same.clone()), None, "{same}");
    }
}

/// A schema out of few words, which often means something to the values below.
fn any_schema() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!({})),
        Just(json!(true)),
        Just(json!(false)),
        Just(json!({"type": "integer"})),
        Just(json!({"type": "string", "pattern": "^a+$"})),
        Just(json!({"enum": [1, "a", {"a": 1}]})),
        Just(json!({"$ref": "#/$defs/d"})),
        Just(json!({"$ref": "#/$defs/e"})),
        Just(json!({"required": ["a"]})),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let member = (prop_oneof!["a", "b"], inner.clone());
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..3).prop_map(|all| json!({ "allOf": all })),
            prop::collection::vec(inner.clone(), 1..4).prop_map(|any| json!({ "anyOf": any })),
            prop::collection::vec(inner.clone(), 1..3).prop_map(|one| json!({ "oneOf": one })),
            (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| json!({"if": a, "then": b, "else": c})),
            inner.clone().prop_map(|not| json!({ "not": not })),
            (member.clone(), prop::bool::ANY).prop_map(|((name, one), closed)| {
                json!({"type": "object", "properties": {&name: one}, "required": [name], "additionalProperties": !closed})
            }),
            (member.clone(), inner.clone(), inner.clone()).prop_map(|((name, one), rest, other)| json!({
                "properties": {name: one}, "unevaluatedProperties": rest, "anyOf": [other]
            })),
            inner.clone().prop_map(|items| json!({"items": items, "uniqueItems": true})),
            (inner.clone(), inner).prop_map(|(one, other)| json!({"patternProperties": {"^a": one}, "allOf": [other]})),
        ]
    })
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![Just(json!(1)), Just(json!("a")), Just(json!("b")), Just(json!(null)), Just(json!([]))];
    leaf.prop_recursive(4, 16, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::Array),
            prop::collection::btree_map(prop_oneof!["a", "b", "c"], inner, 0..3)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Holds whatever the schema is: it is refused in words, or it checks every value like the plain checker and
    /// in bounded time, and clients are shown a plain object that allows all that it allows.
    #[test]
    fn strangers_schemas_are_refused_or_hold(root in any_schema(), d in any_schema(), value in any_value()) {
        let mut whole = match root {
            Value::Object(members) => members,
            other => json!({ "allOf": [other] }).as_object().cloned().unwrap_or_default(),
        };
        whole.insert("$defs".to_owned(), json!({"d": d, "e": {"properties": {"a": {"$ref": "#"}, "b": {"$ref": "#/$defs/d"}}}}));
        let whole = Value::Object(whole);
        match Schema::read(&whole.to_string()) {
            Err(error) => prop_assert!(!error.to_string().is_empty()),
            Ok(schema) => {
                let checked = schema.check(&value, STEPS);
                let plain = jsonschema::draft202012::new(&whole).expect("a schema");
                if checked != Err(Unfit::TooMuch) {
                    prop_assert_eq!(checked.is_ok(), plain.is_valid(&value));
                }
                if let Some(fitted) = fit_input(&schema) {
                    let root = fitted.as_object().expect("an object");
                    prop_assert_eq!(root.get("type"), Some(&json!("object")));
                    prop_assert!(["oneOf", "anyOf", "allOf", "$ref", "not", "enum"].iter().all(|word| !root.contains_key(*word)));
                    let fitted = Schema::read(&fitted.to_string()).expect("it is a schema as well");
                    if value.is_object() && checked.is_ok() {
                        prop_assert_eq!(fitted.check(&value, STEPS), Ok(()), "{}", fitted.value());
                    }
                }
            }
        }
    }

    /// Text that is no schema at all, and text that nearly is one.
    #[test]
    fn nothing_that_is_read_as_a_schema_makes_it_fall(text in "[\\[\\]{}\",:a0$#/]{0,60}", key in "[a-zA-Z$]{1,22}", value in any_value()) {
        let _ = Schema::read(&text);
        let mut nearly = String::new();
        write!(nearly, "{{\"{key}\":{value},\"properties\":{{\"a\":{{\"{key}\":{value}}}}}}}").expect("a text");
        if let Ok(schema) = Schema::read(&nearly) {
            let _ = schema.check(&value, STEPS);
            let _ = fit_input(&schema);
        }
    }
}
