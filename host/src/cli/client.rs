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
        let problem: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        match problem["detail"].as_str().or(problem["title"].as_str()) {
            Some(detail) => bail!("{detail}"),
            None => bail!("the host answered {status}"),
        }
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
        let url = format!("{}{path}", self.base);
        let mut request = self.http.request(method, &url);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.map_err(|error| {
            if error.is_connect() {
                anyhow::anyhow!("no host answers at {}; start one with `mcpbox serve`, or set MCPBOX_URL", self.base)
            } else {
                anyhow::Error::new(error)
            }
        })?;
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
