//! The way out, from a tool through the real host: granted hosts are reached, and nothing else is
//! even dialled.

use std::sync::Arc;

use axum::Router;
use axum::response::Redirect;
use axum::routing::{any, get};
use mcpbox::egress::MappedNetwork;
use mcpbox::limits::Limits;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::Barrier;

use crate::harness::{Admin, Host, Wishes};
use crate::internet::{Site, ip};

/// Asks for one address; answers status and text.
const FETCH: &str = "\
async def main(url: str) -> dict:
    response = await http.get(url)
    return {'status': response.status_code, 'text': response.text, 'headers': dict(response.headers)}
";

const PUBLIC: &str = "93.184.215.14";
const OTHER: &str = "93.184.215.15";

async fn host_with(limits: Limits) -> (Host, Arc<MappedNetwork>) {
    let network = Arc::new(MappedNetwork::new());
    let host = Host::with(Wishes { limits, network: Arc::clone(&network), ..Wishes::default() }).await;
    (host, network)
}

async fn host() -> (Host, Arc<MappedNetwork>) {
    host_with(Wishes::default().limits).await
}

fn hello() -> Router {
    Router::new().route("/", any(|| async { "hello" }))
}

/// The fetching tool on a server that may reach these hosts; answers the server's id.
async fn fetching(admin: &Admin<'_>, hosts: &[&str]) -> String {
    let (server, _) = admin.tool("net", "fetch", FETCH).await;
    for host in hosts {
        admin.allow(&server, host).await;
    }
    server
}

async fn fetched(host: &Host, url: &str) -> Value {
    host.model().done("net__fetch", json!({"url": url})).await
}

async fn denied(host: &Host, url: &str) -> String {
    host.model().failed("net__fetch", json!({"url": url})).await
}

#[tokio::test]
async fn a_granted_host_is_reached_and_another_is_not_dialled() {
    let (host, network) = host().await;
    let site = Site::open(&network, "api.example.com", PUBLIC, hello()).await;
    let other = Site::open(&network, "other.example.com", OTHER, hello()).await;
    let admin = host.admin().await;
    let server = fetching(&admin, &["api.example.com"]).await;
    let answer = fetched(&host, "http://api.example.com/").await;
    assert_eq!((&answer["status"], &answer["text"]), (&json!(200), &json!("hello")));
    assert_eq!(site.got()[0]["host"], "api.example.com");

    let before = (network.resolved(), network.dialled());
    let told = denied(&host, "http://other.example.com/").await;
    assert!(told.contains("mcpbox_request_network_access") && told.contains("host=`other.example.com`"), "{told}");
    assert_eq!((network.resolved(), network.dialled()), before, "nothing was looked up or dialled");
    assert!(other.got().is_empty());

    // What a person closes is closed for the next call.
    let path = format!("/api/servers/{server}/allowed-hosts?host=api.example.com");
    admin.ask(Method::DELETE, &path, None).await;
    let told = denied(&host, "http://api.example.com/").await;
    assert!(told.contains("no grant for http://api.example.com:80"), "{told}");
    assert_eq!(site.got().len(), 1);
}

/// Fault: 15.
#[tokio::test]
async fn a_grant_may_name_a_port_or_everything_below_a_domain() {
    let (host, network) = host().await;
    Site::open(&network, "api.example.com", PUBLIC, hello()).await;
    Site::open(&network, "eu.shop.example", OTHER, hello()).await;
    let admin = host.admin().await;
    fetching(&admin, &["api.example.com:8080", "*.shop.example"]).await;
    assert_eq!(fetched(&host, "http://api.example.com:8080/").await["status"], json!(200));
    assert!(denied(&host, "http://api.example.com/").await.contains("no grant"));
    assert_eq!(fetched(&host, "http://EU.shop.example./").await["status"], json!(200), "in any spelling");
    assert!(denied(&host, "http://shop.example/").await.contains("no grant"));
    assert!(denied(&host, "http://evilshop.example/").await.contains("no grant"));
    let disguised = denied(&host, "http://api.example.com:8080@evil.example/").await;
    assert!(disguised.contains("Invalid") || disguised.contains("no grant"), "{disguised}");
}

#[tokio::test]
async fn requests_of_one_call_run_side_by_side() {
    let (host, network) = host().await;
    // Nobody is answered before all have come.
    let all = Arc::new(Barrier::new(5));
    let waiting = Router::new().route(
        "/{number}",
        get(move |axum::extract::Path(number): axum::extract::Path<u32>| {
            let all = Arc::clone(&all);
            async move {
                all.wait().await;
                number.to_string()
            }
        }),
    );
    Site::open(&network, "api.example.com", PUBLIC, waiting).await;
    let admin = host.admin().await;
    let source = "\
import asyncio
async def main() -> list[int]:
    responses = await asyncio.gather(*(http.get(f'http://api.example.com/{n}') for n in range(5)))
    return [response.json() for response in responses]
";
    let (server, _) = admin.tool("net", "gather", source).await;
    admin.allow(&server, "api.example.com").await;
    assert_eq!(host.model().done("net__gather", json!({})).await, json!({"result": [0, 1, 2, 3, 4]}));
}

#[tokio::test]
async fn a_redirect_is_answered_and_not_followed() {
    let (host, network) = host().await;
    let target = Site::open(&network, "other.example.com", OTHER, hello()).await;
    let redirecting = Router::new().route("/", get(|| async { Redirect::temporary("http://other.example.com/") }));
    Site::open(&network, "api.example.com", PUBLIC, redirecting).await;
    let admin = host.admin().await;
    let (server, _) = admin.tool("net", "fetch", FETCH).await;
    admin.allow(&server, "api.example.com").await;
    let answer = fetched(&host, "http://api.example.com/").await;
    assert_eq!(answer["status"], json!(307), "{answer}");
    assert_eq!(answer["headers"]["location"], json!("http://other.example.com/"), "{answer}");
    assert!(target.got().is_empty());

    // A tool that follows asks again, and is judged again.
    let following = FETCH.replace("http.get(url)", "http.get(url, follow_redirects=True)");
    admin.another_tool(&server, "follow", &following).await;
    let told = host.model().failed("net__follow", json!({"url": "http://api.example.com/"})).await;
    assert!(told.contains("no grant for http://other.example.com:80"), "{told}");
    assert!(target.got().is_empty());
    admin.allow(&server, "other.example.com").await;
    let answer = host.model().done("net__follow", json!({"url": "http://api.example.com/"})).await;
    assert_eq!((&answer["status"], target.got().len()), (&json!(200), 1), "{answer}");
}

#[tokio::test]
async fn a_private_address_is_reached_only_by_an_approval_of_the_address() {
    let (host, network) = host().await;
    let site = Site::at(&network, "10.1.2.3", hello()).await;
    network.answer("inside.example.com", &[ip("10.1.2.3")]);
    let admin = host.admin().await;
    let server = fetching(&admin, &["inside.example.com"]).await;
    let told = denied(&host, "http://inside.example.com/").await;
    assert!(told.contains("leads to a private address"), "{told}");
    assert!(denied(&host, "http://10.1.2.3/").await.contains("no grant"));
    assert!(network.dialled().is_empty());
    admin.allow(&server, "10.1.2.3").await;
    assert_eq!(fetched(&host, "http://10.1.2.3/").await["text"], json!("hello"));
    assert!(denied(&host, "http://inside.example.com/").await.contains("leads to a private address"));
    assert_eq!(site.got().len(), 1);
}

#[tokio::test]
async fn this_machine_and_the_metadata_of_clouds_are_never_reached() {
    let (host, network) = host().await;
    let (admin, never) = (host.admin().await, ["127.0.0.1", "169.254.169.254", "[::1]", "0.0.0.0", "localhost"]);
    let server = fetching(&admin, &["rebound.example.com", "metadata.example.com"]).await;
    for address in never {
        // Whether a person can approve it or not, it is not reached.
        let path = format!("/api/servers/{server}/allowed-hosts");
        host.send(Method::POST, &path, Some(&admin.token), &[], Some(&json!({"host": address}))).await;
        let told = denied(&host, &format!("http://{address}/latest/meta-data")).await;
        assert!(told.contains("never reaches"), "{address}: {told}");
    }
    network.answer("metadata.example.com", &[ip("169.254.169.254")]);
    assert!(denied(&host, "http://metadata.example.com/").await.contains("never reaches"));
    // The first answer is a public one, the second this machine's.
    Site::at(&network, PUBLIC, hello()).await;
    network.answer_in_turn("rebound.example.com", &[&[ip(PUBLIC)], &[ip("127.0.0.1")]]);
    assert_eq!(fetched(&host, "http://rebound.example.com/").await["status"], json!(200));
    assert!(denied(&host, "http://rebound.example.com/").await.contains("never reaches"));
    assert!(network.dialled().iter().all(|address| address.ip() == ip(PUBLIC)), "{:?}", network.dialled());
}

/// Holds: http_body_bytes, http_header_bytes.
#[tokio::test]
async fn a_response_over_the_limit_fails_that_request() {
    let limits = Limits { http_body_bytes: 10_000, http_header_bytes: 2_000, ..Wishes::default().limits };
    let (host, network) = host_with(limits).await;
    let sizes = Router::new()
        .route(
            "/body/{size}",
            get(|axum::extract::Path(size): axum::extract::Path<usize>| async move { "x".repeat(size) }),
        )
        .route(
            "/head/{size}",
            get(|axum::extract::Path(size): axum::extract::Path<usize>| async move { [("x-long", "x".repeat(size))] }),
        )
        .route("/send", any(|body: String| async move { body.len().to_string() }));
    Site::open(&network, "api.example.com", PUBLIC, sizes).await;
    let admin = host.admin().await;
    let server = fetching(&admin, &["api.example.com"]).await;
    assert_eq!(fetched(&host, "http://api.example.com/body/10000").await["status"], json!(200));
    let told = denied(&host, "http://api.example.com/body/10001").await;
    assert!(told.contains("TooLarge") && told.contains("10000"), "{told}");
    assert_eq!(fetched(&host, "http://api.example.com/head/1000").await["status"], json!(200));
    let told = denied(&host, "http://api.example.com/head/3000").await;
    assert!(told.contains("TooLarge") && told.contains("2000"), "{told}");

    let source = "async def main(size: int):\n    return (await http.post('http://api.example.com/send', content=b'x' * size)).json()\n";
    admin.another_tool(&server, "send", source).await;
    assert_eq!(host.model().call("net__send", json!({"size": 10_000})).await["content"][0]["text"], json!("10000"));
    let told = host.model().failed("net__send", json!({"size": 10_001})).await;
    assert!(told.contains("TooLarge"), "{told}");
}

/// Holds: http_time_ms.
#[tokio::test]
async fn a_server_that_does_not_answer_ends_that_request_by_its_time() {
    let (host, network) = host_with(Limits { http_time_ms: 200, ..Wishes::default().limits }).await;
    let silent = Router::new().route("/", get(std::future::pending::<()>));
    Site::open(&network, "silent.example.com", PUBLIC, silent).await;
    network.answer("unanswered.example.com", &[ip(OTHER)]);
    network.silence(ip(OTHER));
    network.silence_name("unnamed.example.com");
    let admin = host.admin().await;
    let source = "\
async def main(url: str) -> str:
    try:
        await http.get(url)
    except http.TimedOut as error:
        return str(error)
";
    let (server, _) = admin.tool("net", "fetch", source).await;
    for name in ["silent.example.com", "unanswered.example.com", "unnamed.example.com"] {
        admin.allow(&server, name).await;
        let answer = fetched(&host, &format!("http://{name}/")).await;
        assert!(answer["result"].as_str().is_some_and(|text| text.contains("within 200 ms")), "{answer}");
    }
}

/// Holds: http_in_flight, call_http_requests.
#[tokio::test]
async fn no_more_requests_than_the_limit_run_at_the_same_time_or_are_started() {
    let limits = Limits { http_in_flight: 2, call_http_requests: 6, http_time_ms: 1_000, ..Wishes::default().limits };
    let (host, network) = host_with(limits).await;
    // Answers pairs: a request without its partner waits for ever.
    let answer_pairs = |of: usize| {
        let pair = Arc::new(Barrier::new(of));
        get(move || {
            let pair = Arc::clone(&pair);
            async move {
                pair.wait().await;
                "together"
            }
        })
    };
    let router = Router::new().route("/two", answer_pairs(2)).route("/three", answer_pairs(3));
    Site::open(&network, "api.example.com", PUBLIC, router).await;
    let admin = host.admin().await;
    let source = "\
import asyncio
async def main(path: str, count: int) -> list[str]:
    one = lambda: http.get('http://api.example.com' + path)
    done = await asyncio.gather(*(one() for _ in range(count)), return_exceptions=True)
    return [getattr(each, 'text', type(each).__name__) for each in done]
";
    let (server, _) = admin.tool("net", "gather", source).await;
    admin.allow(&server, "api.example.com").await;
    let run = async |path: &str, count: u32| {
        host.model().done("net__gather", json!({"path": path, "count": count})).await["result"].clone()
    };
    assert_eq!(run("/two", 4).await, json!(["together", "together", "together", "together"]));
    assert_eq!(run("/three", 3).await.as_array().map(|all| all.contains(&json!("TimedOut"))), Some(true));
    let answers = run("/two", 8).await;
    let refused = answers.as_array().expect("a list").iter().filter(|answer| **answer == json!("TooLarge")).count();
    assert_eq!(refused, 2, "{answers}");
}
