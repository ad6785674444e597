//! Requests and sleeps of async tools, against the host of the tests.
#![allow(clippy::expect_used, reason = "a test says what it expects by failing")]

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use mcpbox_sdk::http::{self, Error};
use mcpbox_sdk::testing::{Host, response};
use mcpbox_sdk::{log, progress, secrets, task, time};

fn echo() -> Host {
    Host::new().on_request(|request| Ok(response(200, format!("{} {}", request.method, request.url))))
}

#[test]
fn a_request_is_put_together() {
    let host = echo();
    let answer = host.run(|| {
        http::put("http://a.example/x")
            .query("q", "ä /")
            .query("n", 1)
            .bearer("t")
            .json(&[1, 2])
            .timeout(Duration::from_secs(2))
            .send_blocking()
    });
    let answer = answer.expect("a response");
    assert_eq!(answer.text(), Ok("PUT http://a.example/x?q=%C3%A4%20%2F&n=1"));
    let request = host.requests().pop().expect("a request");
    let headers = [("authorization", "Bearer t"), ("content-type", "application/json")];
    assert_eq!(request.headers, headers.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!((request.body.as_deref(), request.timeout_ms), (Some(&b"[1,2]"[..]), Some(2_000)));
}

#[test]
fn a_body_that_is_no_json_is_told_when_it_is_sent() {
    let keys = std::collections::BTreeMap::from([((1, 2), 3)]);
    let told = echo().run(|| http::post("http://a.example/").json(&keys).send_blocking());
    assert!(matches!(&told, Err(Error::Invalid(why)) if why.contains("key must be a string")), "{told:?}");
}

#[test]
fn outputs_come_in_the_order_of_the_requests() {
    let urls = ["http://a.example/", "http://b.example/", "http://c.example/"];
    let host = echo();
    let answers = host.run(|| task::block_on(task::join_all(urls.map(|url| http::get(url).send()))));
    let texts: Vec<_> = answers.into_iter().map(|answer| answer.expect("a response").into_bytes()).collect();
    assert_eq!(texts, urls.map(|url| format!("GET {url}").into_bytes()));
    assert_eq!(host.requests().len(), 3);
}

#[test]
fn a_response_is_read() {
    let host = Host::new().on_request(|_| Ok(response(404, "[1,2]")));
    let answer = host.run(|| http::delete("http://a.example/").send_blocking()).expect("a response");
    assert_eq!((answer.status(), answer.is_success(), answer.header("x")), (404, false, None));
    assert_eq!(answer.json::<Vec<u8>>().expect("JSON"), [1, 2]);
    let told = answer.error_for_status().expect_err("no success").to_string();
    assert_eq!(told, "the server answered 404: [1,2]");
}

#[test]
fn sleeps_run_side_by_side() {
    let order = Rc::new(RefCell::new(Vec::new()));
    let nap = |name: &'static str, ms| {
        let order = Rc::clone(&order);
        async move {
            time::sleep(Duration::from_millis(ms)).await;
            order.borrow_mut().push(name);
        }
    };
    let passed = Host::new().run(|| {
        let began = time::monotonic();
        task::block_on(task::join_all([nap("long", 30), nap("short", 10), nap("none", 0)]));
        time::monotonic() - began
    });
    assert_eq!(*order.borrow(), ["none", "short", "long"]);
    assert_eq!(passed, Duration::from_millis(30));
}

#[test]
fn what_takes_too_long_is_given_up() {
    let host = Host::new();
    let long = async {
        time::sleep(Duration::from_secs(5)).await;
        1
    };
    let (early, late) = host.run(|| {
        task::block_on(async {
            let early = time::timeout(Duration::from_secs(1), long).await;
            (early, time::timeout(Duration::from_secs(1), std::future::ready(2)).await)
        })
    });
    assert_eq!((early, late), (None, Some(2)));
}

#[test]
fn a_blocking_request_works_within_an_async_one() {
    let answer = echo().run(|| {
        task::block_on(async {
            let outer = http::get("http://a.example/").send();
            let inner = http::get("http://b.example/").send_blocking();
            (outer.await, inner)
        })
    });
    assert!(answer.0.is_ok() && answer.1.is_ok(), "{answer:?}");
}

#[test]
#[should_panic(expected = "something that will never happen")]
fn waiting_for_nothing_is_a_panic_and_no_endless_loop() {
    task::block_on(std::future::pending::<()>());
}

#[test]
fn outside_of_a_host_it_is_said_that_there_is_none() {
    let told = http::get("http://a.example/").send_blocking().expect_err("no host");
    assert!(told.to_string().contains("mcpbox_sdk::testing::Host"), "{told}");
    assert_eq!((secrets::get("A"), secrets::names()), (None, vec![]));
    log::info!("a line on the console");
    progress::report(1.0, None, None);
    let denied = Host::new().run(|| http::get("http://a.example/").send_blocking());
    assert!(matches!(denied, Err(Error::Denied(_))), "{denied:?}");
}

#[test]
fn a_host_ends_with_its_run() {
    let host = Host::new().secret("A", "a");
    assert_eq!(host.run(|| secrets::get("A")).as_deref(), Some("a"));
    assert_eq!(secrets::get("A"), None);
    let inner = host.run(|| Host::new().run(|| secrets::get("A")));
    assert_eq!(inner, None, "the inner host is another one");
}
