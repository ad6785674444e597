//! A browser's session: cookies that no page reads, and what keeps pages of strangers from using them.

use std::collections::BTreeMap;

use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Door, Host, PASSWORD, Wishes};

/// A browser with a page of the host open.
pub struct Browser<'a> {
    host: &'a Door,
    /// Value and path of each cookie by its name.
    cookies: BTreeMap<String, (String, String)>,
}

impl<'a> Browser<'a> {
    /// Logs in; answers the browser and what the login set and said.
    pub async fn login(host: &'a Door, headers: &[(&str, &str)]) -> (Self, Vec<String>, Value) {
        let mut browser = Self { host, cookies: BTreeMap::new() };
        let body = json!({"username": "ada", "password": PASSWORD, "session": "cookie"});
        let mut all = browser.of_own_page();
        all.extend(headers.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let all: Vec<_> = all.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let (status, headers, answer) = host.send(Method::POST, "/auth/login", None, &all, Some(&body)).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        let set = browser.keep(&headers);
        (browser, set, answer)
    }

    /// Takes the cookies of an answer; answers them as they were set.
    fn keep(&mut self, headers: &HeaderMap) -> Vec<String> {
        let set: Vec<String> =
            headers.get_all("set-cookie").iter().map(|value| value.to_str().expect("a text").to_owned()).collect();
        for cookie in &set {
            let (pair, attributes) = cookie.split_once("; ").expect("attributes");
            let (name, value) = pair.split_once('=').expect("a value");
            let path = attributes.split("; ").find_map(|one| one.strip_prefix("Path=")).expect("a path");
            if attributes.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), (value.to_owned(), path.to_owned()));
            }
        }
        set
    }

    pub fn cookie(&self, name: &str) -> &str {
        &self.cookies[name].0
    }

    /// The `Cookie` header of a request.
    fn shown(&self, path: &str) -> String {
        let of_path = |(name, (value, own)): (&String, &(String, String))| {
            (own == "/" || own == path).then(|| format!("{name}={value}"))
        };
        self.cookies.iter().filter_map(of_path).collect::<Vec<_>>().join("; ")
    }

    fn of_own_page(&self) -> Vec<(&'static str, String)> {
        vec![("origin", self.host.base.clone()), ("sec-fetch-site", "same-origin".to_owned())]
    }

    /// A request with the cookies and nothing that tells of a page but `headers`.
    pub async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> (StatusCode, Value) {
        let shown = self.shown(path);
        let mut all = vec![("cookie", shown.as_str())];
        all.extend(headers);
        let (status, headers, answer) = self.host.send(method, path, None, &all, body).await;
        self.keep(&headers);
        (status, answer)
    }

    /// A request of the page.
    pub async fn ask(&mut self, method: Method, path: &str, body: Option<&Value>) -> (StatusCode, Value) {
        let mut all = self.of_own_page();
        all.extend(self.cookies.get("mcpbox_csrf").map(|(value, _)| ("x-csrf-token", value.clone())));
        let all: Vec<_> = all.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.send(method, path, &all, body).await
    }
}

#[tokio::test]
async fn a_browser_has_its_tokens_in_cookies_that_no_page_reads() {
    let host = Host::start().await;
    host.admin().await;
    let (mut browser, set, answer) = Browser::login(&host, &[]).await;
    assert_eq!((&answer["token_type"], &answer["expires_in"]), (&json!("cookie"), &json!(900)));
    assert_eq!(answer["csrf_token"], json!(browser.cookie("mcpbox_csrf")));
    assert!(answer.get("access_token").is_none() && answer.get("refresh_token").is_none(), "{answer}");
    let attributes: Vec<_> = set
        .iter()
        .map(|cookie| {
            let (pair, attributes) = cookie.split_once("; ").expect("attributes");
            (pair.split('=').next().expect("a name"), attributes)
        })
        .collect();
    assert_eq!(
        attributes,
        [
            ("mcpbox_session", "Path=/; Max-Age=900; SameSite=Strict; HttpOnly"),
            ("mcpbox_refresh", "Path=/auth/refresh; Max-Age=604800; SameSite=Strict; HttpOnly"),
            ("mcpbox_csrf", "Path=/; Max-Age=604800; SameSite=Strict"),
        ]
    );
    let (status, me) = browser.ask(Method::GET, "/auth/me", None).await;
    assert_eq!((status, &me["username"]), (StatusCode::OK, &json!("ada")));
    let (status, made) = browser.ask(Method::POST, "/api/servers", Some(&json!({"name": "weather"}))).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let (_, listed) = browser.ask(Method::GET, "/auth/sessions", None).await;
    assert_eq!((&listed["items"][0]["kind"], &listed["items"][0]["current"]), (&json!("cookie"), &json!(true)));
    let before = browser.cookies.clone();
    let (status, _) = browser.ask(Method::POST, "/auth/logout", None).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    assert!(browser.cookies.is_empty(), "a logout takes the cookies back");
    browser.cookies = before;
    assert_eq!(browser.ask(Method::GET, "/auth/me", None).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(browser.ask(Method::POST, "/auth/refresh", None).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_browser_refreshes_by_its_cookie_and_a_stolen_one_ends_the_session() {
    let host = Host::start().await;
    host.admin().await;
    let (mut browser, ..) = Browser::login(&host, &[]).await;
    let (stolen, csrf) = (browser.cookies.clone(), browser.cookie("mcpbox_csrf").to_owned());
    host.clock.turn(chrono::TimeDelta::minutes(15));
    assert_eq!(browser.ask(Method::GET, "/auth/me", None).await.0, StatusCode::UNAUTHORIZED);
    let (status, answer) = browser.ask(Method::POST, "/auth/refresh", None).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!((&answer["token_type"], browser.cookie("mcpbox_csrf")), (&json!("cookie"), csrf.as_str()));
    assert_eq!(browser.ask(Method::GET, "/auth/me", None).await.0, StatusCode::OK);
    let mut thief = Browser { host: &host, cookies: stolen };
    assert_eq!(thief.ask(Method::POST, "/auth/refresh", None).await.0, StatusCode::UNAUTHORIZED);
    assert!(thief.cookies.is_empty(), "a refused cookie is taken back");
    assert_eq!(browser.ask(Method::GET, "/auth/me", None).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_page_of_a_stranger_changes_nothing_with_the_cookie() {
    let host = Host::start().await;
    host.admin().await;
    let (mut browser, ..) = Browser::login(&host, &[]).await;
    let (mut other, ..) = Browser::login(&host, &[]).await;
    let (csrf, foreign) = (browser.cookie("mcpbox_csrf").to_owned(), other.cookie("mcpbox_csrf").to_owned());
    let own = host.base.clone();
    let body = json!({"name": "weather"});
    for headers in [
        &[][..],
        &[("x-csrf-token", csrf.as_str())],
        &[("origin", own.as_str())],
        &[("origin", own.as_str()), ("x-csrf-token", "")],
        &[("origin", own.as_str()), ("x-csrf-token", "mbx_csrf_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")],
        &[("origin", own.as_str()), ("x-csrf-token", foreign.as_str())],
        &[("origin", own.as_str()), ("x-csrf-token", csrf.as_str()), ("x-csrf-token", csrf.as_str())],
        &[("origin", "https://evil.example"), ("x-csrf-token", csrf.as_str())],
        &[("origin", "http://127.0.0.1:1"), ("x-csrf-token", csrf.as_str())],
        &[("origin", "null"), ("x-csrf-token", csrf.as_str())],
        &[("sec-fetch-site", "cross-site"), ("x-csrf-token", csrf.as_str())],
        &[("sec-fetch-site", "same-site"), ("origin", own.as_str()), ("x-csrf-token", csrf.as_str())],
    ] {
        for path in ["/api/servers", "/auth/refresh"] {
            let body = (path == "/api/servers").then_some(&body);
            let (status, problem) = browser.send(Method::POST, path, headers, body).await;
            assert_eq!(
                (status.as_u16(), &problem["type"]),
                (403, &json!("/problems/cross-site")),
                "{path} {headers:?}"
            );
        }
    }
    for headers in [[("origin", "https://evil.example")], [("sec-fetch-site", "same-site")]] {
        assert_eq!(browser.send(Method::GET, "/api/servers", &headers, None).await.0, StatusCode::FORBIDDEN);
    }
    let (status, listed) = browser.send(Method::GET, "/api/servers", &[], None).await;
    assert_eq!((status, &listed["total"]), (StatusCode::OK, &json!(0)));
    let right = [("origin", own.as_str()), ("x-csrf-token", csrf.as_str())];
    assert_eq!(browser.send(Method::POST, "/api/servers", &right, Some(&body)).await.0, StatusCode::CREATED);
    assert_eq!(other.ask(Method::POST, "/auth/refresh", None).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_page_of_a_stranger_logs_nobody_in() {
    let host = Host::start().await;
    host.admin().await;
    let body = json!({"username": "ada", "password": PASSWORD, "session": "cookie"});
    for headers in [&[][..], &[("origin", "https://evil.example")], &[("sec-fetch-site", "same-site")]] {
        let (status, answered, _) = host.send(Method::POST, "/auth/login", None, headers, Some(&body)).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{headers:?}");
        assert!(!answered.contains_key("set-cookie"));
    }
    let body = json!({"username": "ada", "password": PASSWORD, "session": "both"});
    let (status, ..) = host.send(Method::POST, "/auth/login", None, &[], Some(&body)).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn authorization_alone_decides_when_a_cookie_comes_too() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let (browser, ..) = Browser::login(&host, &[]).await;
    let cookie = [("cookie", browser.shown("/"))];
    let cookie: Vec<_> = cookie.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let body = json!({"name": "weather"});
    let wrong = "mbx_at_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let (status, ..) = host.send(Method::GET, "/auth/me", Some(wrong), &cookie, None).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    let (status, ..) = host.send(Method::POST, "/api/servers", Some(&admin.token), &cookie, Some(&body)).await;
    assert_eq!(status, StatusCode::CREATED, "a program needs no CSRF token");
    let as_bearer = browser.cookie("mcpbox_session");
    let (status, ..) = host.send(Method::GET, "/auth/me", Some(as_bearer), &[], None).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED, "what a browser was given is no bearer token");
    let as_cookie = format!("mcpbox_session={}", admin.token);
    let (status, ..) = host.send(Method::GET, "/auth/me", None, &[("cookie", &as_cookie)], None).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    let twice = format!("{}; mcpbox_session=x", browser.shown("/"));
    let (status, ..) = host.send(Method::GET, "/auth/me", None, &[("cookie", &twice)], None).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_cookie_does_not_open_mcp() {
    let host = Host::start().await;
    host.admin().await;
    let (browser, ..) = Browser::login(&host, &[]).await;
    let shown = browser.shown("/");
    let headers = [
        ("cookie", shown.as_str()),
        ("x-forwarded-for", "203.0.113.7"),
        ("accept", "application/json, text/event-stream"),
    ];
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    let (status, ..) = host.send(Method::POST, "/mcp", None, &headers, Some(&body)).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_new_password_leaves_the_browser_that_set_it_logged_in() {
    let host = Host::start().await;
    host.admin().await;
    let (mut browser, ..) = Browser::login(&host, &[]).await;
    let (mut other, ..) = Browser::login(&host, &[]).await;
    let before = browser.cookie("mcpbox_csrf").to_owned();
    let change = json!({"current_password": PASSWORD, "new_password": "a new long password"});
    let (status, answer) = browser.ask(Method::POST, "/auth/change-password", Some(&change)).await;
    assert_eq!((status, &answer["token_type"]), (StatusCode::OK, &json!("cookie")), "{answer}");
    assert_ne!(before, browser.cookie("mcpbox_csrf"));
    assert_eq!(browser.ask(Method::POST, "/auth/refresh", None).await.0, StatusCode::OK);
    assert_eq!(other.ask(Method::GET, "/auth/me", None).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(other.ask(Method::POST, "/auth/refresh", None).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn cookies_are_for_tls_only_when_the_page_came_that_way() {
    let is_secure = |set: &[String]| {
        let secure = set.iter().filter(|cookie| cookie.ends_with("; Secure")).count();
        assert!(secure == 0 || secure == set.len(), "{set:?}");
        secure == 3
    };
    let tls = [("x-forwarded-proto", "https")];
    for (proxies, secure_cookies, headers, secure) in [
        ("127.0.0.1", false, &tls[..], true),
        ("127.0.0.1", false, &[], false),
        ("10.0.0.1", false, &tls, false),
        ("", true, &[], true),
    ] {
        let host = Host::with(Wishes { proxies, secure_cookies, ..Wishes::default() }).await;
        host.admin().await;
        let (_, set, _) = Browser::login(&host, headers).await;
        assert_eq!(is_secure(&set), secure, "{proxies} {secure_cookies} {headers:?}");
    }
}
