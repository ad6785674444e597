//! The person of the harness: an administrator at the API.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::Door;

/// A person at the API.
pub struct Admin<'a> {
    pub host: &'a Door,
    pub token: String,
}

impl Admin<'_> {
    /// Sends a request that must succeed.
    pub async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let (status, _, answer) = self.host.send(method, path, Some(&self.token), &[], body.as_ref()).await;
        assert!(status.is_success(), "{path}: {status} {answer}");
        answer
    }

    /// Sends a request that must be refused.
    pub async fn refused(&self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let (status, _, answer) = self.host.send(method, path, Some(&self.token), &[], body.as_ref()).await;
        assert!(!status.is_success(), "{path}: {status} {answer}");
        (status, answer)
    }

    /// A server and an approved tool on it; answers their ids.
    pub async fn tool(&self, server: &str, tool: &str, source: &str) -> (String, String) {
        let (server_id, tool_id) = self.host.model().make(server, tool, source).await;
        self.approve(&tool_id).await;
        (server_id, tool_id)
    }

    /// A further approved tool on a server; answers its id.
    pub async fn another_tool(&self, server_id: &str, tool: &str, source: &str) -> String {
        let path = format!("/api/servers/{server_id}/tools");
        let made = self.ask(Method::POST, &path, Some(json!({"name": tool, "python_code": source}))).await;
        let tool_id = made["id"].as_str().expect("an id").to_owned();
        self.approve(&tool_id).await;
        tool_id
    }

    /// Sends a component; answers status and answer.
    pub async fn upload(&self, method: Method, path: &str, bytes: Vec<u8>) -> (StatusCode, Value) {
        let headers = [("content-type", "application/wasm")];
        self.host.send_bytes(method, path, &self.token, &headers, bytes).await
    }

    /// A component on a server, as a draft; answers what the host says of it.
    pub async fn component(&self, server: &str, name: &str, bytes: Vec<u8>) -> Value {
        let (status, made) =
            self.upload(Method::POST, &format!("/api/servers/{server}/components?name={name}"), bytes).await;
        assert_eq!(status, StatusCode::CREATED, "{made}");
        made
    }

    /// An empty server; answers its id.
    pub async fn server(&self, name: &str) -> String {
        let made = self.ask(Method::POST, "/api/servers", Some(json!({"name": name}))).await;
        made["id"].as_str().expect("an id").to_owned()
    }

    /// Lets every Python tool import further modules of the standard library.
    pub async fn open_modules(&self, modules: &[&str]) {
        let change = json!({"add_modules": modules});
        self.ask(Method::PATCH, "/api/settings/modules", Some(change)).await;
    }

    /// Opens a host to all tools of a server.
    pub async fn allow(&self, server: &str, host: &str) {
        let path = format!("/api/servers/{server}/allowed-hosts");
        self.ask(Method::POST, &path, Some(json!({"host": host}))).await;
    }

    /// Sets a secret of a server.
    pub async fn secret(&self, server: &str, name: &str, value: &str) {
        let path = format!("/api/servers/{server}/secrets");
        self.ask(Method::POST, &path, Some(json!({"key_name": name, "value": value}))).await;
    }

    pub async fn approve(&self, tool: &str) {
        let path = format!("/api/approvals/tools/{tool}/action");
        self.ask(Method::POST, &path, Some(json!({"action": "approve"}))).await;
    }
}
