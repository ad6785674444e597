//! What is a message and what is not, and that no bytes at all make the parser panic.

use proptest::prelude::*;

use super::*;

fn one(text: &str) -> Result<Message, (Option<Id>, i32)> {
    match parse(text.as_bytes(), 10) {
        Ok(Incoming::One(message)) => Ok(message),
        Ok(Incoming::Batch(_)) => panic!("a batch: {text}"),
        Err(Malformed { id, failure }) => Err((id, failure.kind.code())),
    }
}

fn number(value: i64) -> Id {
    Id::Integer(value.into())
}

#[test]
fn messages_are_told_apart() {
    let request = r#" {"jsonrpc":"2.0","id":7,"method":"tools/list","params":{"a": 1}} "#;
    let Ok(Message::Request(found)) = one(request) else { panic!("no request") };
    assert_eq!((found.id, found.method.as_str()), (number(7), "tools/list"));
    assert_eq!(found.params.as_deref().map(RawValue::get), Some(r#"{"a": 1}"#));

    let text_id = r#"{"jsonrpc":"2.0","id":"\u0061","method":"ping"}"#;
    assert!(matches!(one(text_id), Ok(Message::Request(Request { id: Id::Text(id), params: None, .. })) if id == "a"));
    let null_params = r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":null}"#;
    assert!(matches!(one(null_params), Ok(Message::Request(Request { params: None, .. }))));
    let said = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    assert!(matches!(one(said), Ok(Message::Notification(_))));
    let answered = r#"{"jsonrpc":"2.0","id":3,"result":{}}"#;
    assert!(matches!(one(answered), Ok(Message::Response(Response { id, said: Ok(_) })) if id == number(3)));
    let failed = r#"{"jsonrpc":"2.0","id":3,"error":{"code":1,"message":"no"}}"#;
    assert!(matches!(one(failed), Ok(Message::Response(Response { said: Err(_), .. }))));
    let extra = r#"{"jsonrpc":"2.0","id":3,"method":"ping","trace":[1,2]}"#;
    assert!(matches!(one(extra), Ok(Message::Request(_))));
}

#[test]
fn what_is_no_message_is_refused_with_its_code_and_its_id_when_there_is_one() {
    let rows: &[(&str, i32, Option<Id>)] = &[
        ("", -32700, None),
        ("{", -32700, None),
        ("nonsense", -32700, None),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping"} x"#, -32700, None),
        ("1", -32600, None),
        ("null", -32600, None),
        (r#""text""#, -32600, None),
        ("{}", -32600, None),
        (r#"{"id":1,"method":"ping"}"#, -32600, Some(number(1))),
        (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, -32600, Some(number(1))),
        (r#"{"jsonrpc":2.0,"id":1,"method":"ping"}"#, -32600, Some(number(1))),
        (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, -32600, None),
        (r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#, -32600, None),
        (r#"{"jsonrpc":"2.0","id":1e3,"method":"ping"}"#, -32600, None),
        (r#"{"jsonrpc":"2.0","id":99999999999999999999999,"method":"ping"}"#, -32600, None),
        (r#"{"jsonrpc":"2.0","id":true,"method":"ping"}"#, -32600, None),
        (r#"{"jsonrpc":"2.0","id":[1],"method":"ping"}"#, -32600, None),
        (r#"{"jsonrpc":"2.0","id":"a"}"#, -32600, Some(Id::Text("a".into()))),
        (r#"{"jsonrpc":"2.0","id":"a","method":7}"#, -32600, Some(Id::Text("a".into()))),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[1]}"#, -32600, Some(number(1))),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":"x"}"#, -32600, Some(number(1))),
        (r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{}}"#, -32600, Some(number(1))),
        (r#"{"jsonrpc":"2.0","result":{}}"#, -32600, None),
        (r#"{"jsonrpc":"2.0","id":1,"method":"a","method":"b"}"#, -32600, None),
        (r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"a"}"#, -32600, None),
        ("[]", -32600, None),
        (" [ ] ", -32600, None),
        ("[1,", -32700, None),
    ];
    for (text, code, id) in rows {
        assert_eq!(one(text).map(|_| ()), Err((id.clone(), *code)), "{text}");
    }
    assert_eq!(parse(b"\xff{}", 10).map(|_| ()).map_err(|found| found.failure.kind), Err(Kind::Parse));
}

#[test]
fn a_batch_keeps_its_good_messages_and_its_order() {
    let text = r#"[{"jsonrpc":"2.0","id":1,"method":"a"}, 5, {"jsonrpc":"2.0","method":"b"}]"#;
    let Ok(Incoming::Batch(items)) = parse(text.as_bytes(), 3) else { panic!("no batch") };
    assert!(matches!(&items[0], Ok(Message::Request(request)) if request.method == "a"));
    assert!(matches!(&items[1], Err(malformed) if malformed.failure.kind == Kind::InvalidRequest));
    assert!(matches!(&items[2], Ok(Message::Notification(_))));
    let refused = parse(text.as_bytes(), 2).map(|_| ()).map_err(|found| found.failure.kind);
    assert_eq!(refused, Err(Kind::InvalidRequest));
}

#[test]
fn nesting_is_bounded_before_anything_recurses() {
    let deep = |levels: usize| {
        let (open, close) = ("[".repeat(levels), "]".repeat(levels));
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"x","params":{{"a":{open}{close}}}}}"#)
    };
    assert!(one(&deep(DEPTH_MAX - 2)).is_ok());
    assert_eq!(one(&deep(DEPTH_MAX - 1)).map(|_| ()), Err((None, -32600)));
    assert_eq!(one(&deep(500_000)).map(|_| ()), Err((None, -32600)));
    assert_eq!(one(&"[".repeat(1_000_000)).map(|_| ()), Err((None, -32600)));
    let brackets_in_text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{}\""}}"#, "[".repeat(1_000));
    assert!(one(&brackets_in_text).is_ok());
}

#[test]
fn a_deep_message_is_readable_by_the_ordinary_parser() {
    let (open, close) = ("[".repeat(DEPTH_MAX), "]".repeat(DEPTH_MAX));
    assert!(serde_json::from_str::<serde_json::Value>(&format!("{open}{close}")).is_ok());
}

#[test]
fn a_response_in_pieces_is_the_same_text_and_shares_what_is_large() {
    let large = Bytes::from(vec![b' '; 2 * ONE_TEXT]);
    for (payload, shared) in [
        (Payload::of_pieces(Bytes::from_static(b"{"), vec![large.clone(), Bytes::from_static(b"}")]), true),
        (Payload::of_pieces(Bytes::from_static(b"{"), vec![Bytes::from_static(b"}")]), false),
        (Payload::empty(), false),
    ] {
        let whole = result(&number(7), &payload);
        assert_eq!(payload.size(), payload.text().len());
        let pieces = result_in_pieces(&number(7), payload);
        assert_eq!(pieces.concat(), whole);
        assert_eq!(pieces.len() > 1, shared);
        assert_eq!(pieces.iter().any(|piece| piece.as_ptr() == large.as_ptr()), shared);
    }
}

#[test]
fn responses_are_written_as_the_schema_has_them() {
    let payload = Payload::from(br#"{"a":1}"#.to_vec());
    assert_eq!(result(&number(1), &payload), br#"{"jsonrpc":"2.0","id":1,"result":{"a":1}}"#);
    let failure = Failure::new(Kind::Parse, "no \"JSON\"");
    assert_eq!(error(None, &failure), br#"{"jsonrpc":"2.0","error":{"code":-32700,"message":"no \"JSON\""}}"#);
    let id = Id::Text("x\"".into());
    let failure = Failure { data: Some(serde_json::json!({"b": 2})), ..Failure::new(Kind::Internal, "m") };
    assert_eq!(
        error(Some(&id), &failure),
        br#"{"jsonrpc":"2.0","id":"x\"","error":{"code":-32603,"message":"m","data":{"b":2}}}"#
    );
    let said = notification("notifications/x", &serde_json::json!({}));
    assert_eq!(said, br#"{"jsonrpc":"2.0","method":"notifications/x","params":{}}"#);
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        ".*".prop_map(Into::into),
        prop_oneof![Just("2.0"), Just("tools/call"), Just("ping")].prop_map(Into::into),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        let key = prop_oneof![
            Just("jsonrpc".to_owned()),
            Just("id".to_owned()),
            Just("method".to_owned()),
            Just("params".to_owned()),
            Just("result".to_owned()),
            ".{0,3}",
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::vec((key, inner), 0..6).prop_map(|pairs| pairs.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn any_bytes_are_a_message_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        let _ = parse(&bytes, 8);
    }

    #[test]
    fn any_json_like_text_is_a_message_or_an_error(text in r#"[\[\]{}",:0-9.eE\\a-z \n-]{0,200}"#) {
        let _ = parse(text.as_bytes(), 8);
    }

    #[test]
    fn valid_json_is_never_a_parse_error(value in json()) {
        let text = value.to_string();
        if let Err(malformed) = parse(text.as_bytes(), 8) {
            prop_assert_eq!(malformed.failure.kind, Kind::InvalidRequest);
        }
    }

    #[test]
    fn the_shape_of_valid_json_is_exact(value in json()) {
        fn depth(value: &serde_json::Value) -> usize {
            match value {
                serde_json::Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
                serde_json::Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or(0),
                _ => 0,
            }
        }
        let items = match &value {
            serde_json::Value::Array(items) => items.len(),
            serde_json::Value::Object(map) => map.len(),
            _ => 0,
        };
        for text in [value.to_string(), format!("{value:#}")] {
            prop_assert_eq!(Shape::of(text.as_bytes()), Shape { depth: depth(&value), items });
        }
    }

    #[test]
    fn an_answer_carries_the_id_it_was_asked_under(id in prop_oneof![
        any::<i64>().prop_map(|value| Id::Integer(value.into())),
        any::<u64>().prop_map(|value| Id::Integer(value.into())),
        any::<String>().prop_map(Id::Text),
    ]) {
        let asked = serde_json::json!({"jsonrpc": "2.0", "id": id, "method": "ping"}).to_string();
        let Ok(Incoming::One(Message::Request(request))) = parse(asked.as_bytes(), 1) else { panic!("refused") };
        prop_assert_eq!(&request.id, &id);
        let answer: serde_json::Value = serde_json::from_slice(&result(&id, &Payload::empty())).expect("JSON");
        prop_assert_eq!(&answer["id"], &serde_json::json!(id));
    }
}
