//! Whatever stands in an address, the host answers as its document says and never fails: the harness holds each
//! answer to the document, and here many are asked for.

use std::fmt::Write as _;

use mcpbox::api::{Access, ROUTES};
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use reqwest::Method;

use crate::conforms::resolved;
use crate::harness::Host;

/// Addresses that are made up for each route.
const EACH: usize = 24;

/// Values that are nearly right, and others.
fn values() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        Just("01990000-0000-7000-8000-000000000001".to_owned()),
        any::<i128>().prop_map(|number| number.to_string()),
        (-2_i64..3).prop_map(|number| number.to_string()),
        (0_u64..4).prop_map(|less| (u64::MAX - less).to_string()),
        (0_i64..4).prop_map(|less| (i64::MAX - less).to_string()),
        "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](Z|[+-][0-9]{2}:[0-9]{2})",
        "[+-]?[0-9]{1,6}-12-31T23:59:60Z",
        "(live|latest|running|approved|pending|1h|7d|returned|true|false|null)",
        "[a-z_]{1,12}",
        "\\PC{0,12}",
        proptest::collection::vec(any::<char>(), 0..6).prop_map(|all| all.into_iter().collect()),
        (190_usize..210).prop_map(|many| "ä".repeat(many)),
        Just("%".to_owned()),
        Just("\0".to_owned()),
    ]
}

/// As it stands in an address; some are left as they are where an address can hold them.
fn encoded(text: &str, raw: bool) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || (raw && byte.is_ascii_graphic() && !b"/?#\"<>\\^`{|}".contains(&byte)) {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("a text takes everything");
        }
    }
    out
}

#[tokio::test]
async fn no_address_makes_the_host_fail_or_say_what_is_not_in_the_document() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let mut runner = TestRunner::deterministic();
    let mut next = || {
        let (text, raw) = (values(), any::<bool>()).new_tree(&mut runner).expect("a value").current();
        (encoded(&text, raw), raw)
    };
    let mut asked = 0;
    for route in ROUTES.iter().filter(|route| route.access == Access::Admin && route.method == "GET") {
        let item = &mcpbox::api::openapi::document()["paths"][route.path];
        let parameters = resolved(&item["get"])["parameters"].as_array().into_iter().flatten();
        let names: Vec<&str> =
            parameters.filter(|one| one["in"] == "query").filter_map(|one| one["name"].as_str()).collect();
        for _ in 0..EACH {
            let filled = route.path.split('/').map(|part| match part.starts_with('{') {
                true => Some(next().0).filter(|text| !text.is_empty()).unwrap_or_else(|| "x".to_owned()),
                false => part.to_owned(),
            });
            let mut address = filled.collect::<Vec<_>>().join("/");
            for (at, name) in names.iter().chain([&"unknown"]).enumerate() {
                let (value, raw) = next();
                // Most are left out, so that the others are looked at.
                if raw && (asked + at) % 3 == 0 {
                    let _ = write!(address, "{}{name}={value}", if address.contains('?') { '&' } else { '?' });
                }
            }
            let (status, _, answer) = host.send(Method::GET, &address, Some(&admin.token), &[], None).await;
            assert!(!status.is_server_error(), "{address}: {status} {answer}");
            asked += 1;
        }
    }
    assert!(asked > 700, "the table was walked: {asked}");
}
