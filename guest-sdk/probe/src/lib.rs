//! Tools that use one part of the SDK each, for the tests of the host.

use std::time::Duration;

use mcpbox_sdk::{Content, Error, Result, Role, ToolResult, http, log, progress, random, secrets, task, time, tool};

/// Panics with a message.
#[tool]
fn panic(message: String) {
    panic!("{message}");
}

/// Adds to the greatest number that there is.
#[tool]
fn overflow(numbers: Vec<u8>) -> u8 {
    numbers[7]
}

/// Fails.
#[tool]
fn fail(message: String, #[default] arguments: bool) -> Result<()> {
    if arguments { Err(Error::invalid_arguments(message)) } else { Err(Error::new(message).context("as asked")) }
}

/// Fails with a type of the standard library.
#[tool]
fn parse(number: &str) -> Result<i32, std::num::ParseIntError> {
    number.parse()
}

/// Answers every kind of content.
#[tool]
fn kinds() -> ToolResult {
    ToolResult::new([
        Content::text("a text").for_role(Role::User).with_priority(0.5),
        Content::image([1, 2, 3], "image/png"),
        Content::audio([4, 5, 6], "audio/wav"),
        Content::link("https://a.example/x", "x"),
        Content::resource_text("mem:one", "text/plain", "one"),
        Content::resource_bytes("mem:two", "application/octet-stream", [7]),
    ])
}

/// Writes a line of each level.
#[tool]
fn lines() {
    log::debug!("{}", 1);
    log::info!("two");
    log::warning!("three");
    log::error!("four");
}

/// Tells its progress.
#[tool]
fn steps(count: u32) {
    for step in 1..=count {
        progress::report(step.into(), Some(count.into()), Some("a step"));
    }
}

/// Names of the secrets, and the length of one.
#[tool]
fn secret_length(name: &str) -> Result<(Vec<String>, usize)> {
    Ok((secrets::names(), secrets::require(name)?.len()))
}

/// Fetches all of them side by side; answers for each its status or its error.
#[tool]
async fn gather(urls: Vec<String>) -> Vec<Result<u16, String>> {
    let requests = urls.into_iter().map(|url| async move {
        http::get(url).send().await.map(|response| response.status()).map_err(|error| error.to_string())
    });
    task::join_all(requests).await
}

/// Posts JSON without being async, and answers the JSON that came.
#[tool]
fn post(url: String, value: String) -> Result<String> {
    let response = http::post(url).json(&[value]).send_blocking()?;
    Ok(response.error_for_status()?.json::<Vec<String>>()?.concat())
}

/// Gives up on a request after a while; answers whether it did.
#[tool]
async fn impatient(url: String, wait_ms: u64) -> bool {
    time::timeout(Duration::from_millis(wait_ms), http::get(url).send()).await.is_none()
}

/// Sleeps twenty times at the same time; answers for how many milliseconds.
#[tool]
async fn nap(time_ms: u64) -> u64 {
    let began = time::monotonic();
    task::join_all((0..20).map(|_| time::sleep(Duration::from_millis(time_ms)))).await;
    (time::monotonic() - began).as_millis() as u64
}

/// The year that it may be, and whether two random numbers differ.
#[tool]
fn chance() -> (u64, bool) {
    let seconds = time::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |time| time.as_secs());
    (1970 + seconds / 31_556_952, random::number() != random::number())
}

/// Waits for what never comes.
#[tool]
async fn forever() {
    std::future::pending::<()>().await;
}

mcpbox_sdk::tools!(
    panic,
    overflow,
    fail,
    parse,
    kinds,
    lines,
    steps,
    secret_length,
    gather,
    post,
    impatient,
    nap,
    chance,
    forever,
);
