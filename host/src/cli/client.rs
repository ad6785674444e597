//! Speaks HTTP to a running host.

use anyhow::{Context as _, bail};
use clap::Args;
use reqwest::{Method, StatusCode};
use serde_json::Value;

/// Which host to speak to.
#[derive(Args, Clone)]
pub(super) struct Target {
    /// Address of the running host.
    #[arg(long, env = "MCPBOX_URL", default_value = "http://127.0.0.1:8000", value_name = "URL")]
    url: String,
}

/// One connection to a host, with a token or without.
pub(super) struct Client {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
}

impl Client {
    pub(super) fn new(target: &Target, token: Option<String>) -> anyhow::Result<Self> {
        // Another component of this process may have chosen a provider already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .context("making an HTTP client")?;
        Ok(Self { http, base: target.url.trim_end_matches('/').to_owned(), token })
    }

    /// Sends a request and reads the JSON of the answer.
    ///
    /// # Errors
    /// When there is no answer, or it is not a success; with the words of the host.
    pub(super) async fn json(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let response = self.send(method, path, body, &[]).await?;
        let (status, text) = response;
        if status.is_success() {
            return if text.is_empty() {
                Ok(Value::Null)
            } else {
                serde_json::from_str(&text).context("the host's answer is not JSON")
            };
        }
        Err(refused(status, &text))
    }

    /// Sends a JSON file as it is and reads the JSON of the answer.
    ///
    /// # Errors
    /// As [`json`](Self::json).
    pub(super) async fn bytes(&self, method: Method, path: &str, bytes: Vec<u8>) -> anyhow::Result<Value> {
        let request = self.request(method, path).header("content-type", "application/json").body(bytes);
        let response = self.answer(request).await?;
        let status = response.status();
        let text = response.text().await.context("reading the host's answer")?;
        if !status.is_success() {
            return Err(refused(status, &text));
        }
        serde_json::from_str(&text).context("the host's answer is not JSON")
    }

    /// Sends a component and hears of each step; answers what came of it.
    ///
    /// # Errors
    /// When there is no answer, or it is not a success; with the words of the host.
    pub(super) async fn upload(
        &self,
        method: Method,
        path: &str,
        bytes: Vec<u8>,
        mut told: impl FnMut(&Value),
    ) -> anyhow::Result<Value> {
        let request = self.request(method, path).header("content-type", "application/wasm");
        let mut response = self.answer(request.header("accept", "text/event-stream").body(bytes)).await?;
        let status = response.status();
        if !status.is_success() {
            return Err(refused(status, &response.text().await.context("reading the host's answer")?));
        }
        let mut heard = Vec::new();
        while let Some(chunk) = response.chunk().await.context("reading the host's answer")? {
            heard.extend_from_slice(&chunk);
            while let Some(end) = heard.windows(2).position(|pair| pair == b"\n\n") {
                let event: Vec<u8> = heard.drain(..end + 2).collect();
                let event = String::from_utf8(event).context("reading the host's answer")?;
                let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
                let data = field("data:").unwrap_or("null");
                match field("event:") {
                    Some("step") => told(&serde_json::from_str(data).unwrap_or(Value::Null)),
                    Some("result") => return serde_json::from_str(data).context("the host's answer is not JSON"),
                    Some("problem") => return Err(refused(status, data)),
                    _ => {}
                }
            }
        }
        bail!("the host's answer broke off")
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> anyhow::Result<reqwest::Response> {
        request.send().await.map_err(|error| {
            if error.is_connect() {
                anyhow::anyhow!("no host answers at {}; start one with `mcpbox serve`, or set MCPBOX_URL", self.base)
            } else {
                anyhow::Error::new(error)
            }
        })
    }

    /// Sends a request and reads the answer as text, whatever its status.
    ///
    /// # Errors
    /// When there is no answer.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> anyhow::Result<(StatusCode, String)> {
        let mut request = self.request(method, path);
        if let Some(body) = body {
            request = request.json(body);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.answer(request).await?;
        let status = response.status();
        Ok((status, response.text().await.context("reading the host's answer")?))
    }

    /// The same host with an administrator's token.
    ///
    /// # Errors
    /// When the name or the password is wrong.
    pub(super) async fn login(self, username: &str, password: &str) -> anyhow::Result<Self> {
        let body = serde_json::json!({"username": username, "password": password});
        let answer = self.json(Method::POST, "/auth/login", Some(&body)).await?;
        let token = answer["access_token"].as_str().context("the host gave no token")?.to_owned();
        Ok(Self { token: Some(token), ..self })
    }

    /// Ends the administrator's token.
    pub(super) async fn logout(&self) {
        if let Err(error) = self.json(Method::POST, "/auth/logout", None).await {
            eprintln!("mcpbox: the login could not be ended: {error:#}");
        }
    }
}

/// A refusal in the host's words.
fn refused(status: StatusCode, text: &str) -> anyhow::Error {
    let problem: Value = serde_json::from_str(text).unwrap_or(Value::Null);
    match problem["detail"].as_str().or(problem["title"].as_str()) {
        Some(detail) => anyhow::anyhow!("{detail}"),
        None => anyhow::anyhow!("the host answered {status}"),
    }
}
