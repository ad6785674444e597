//! The authorization server of the peers: OAuth 2.1 with PKCE, registration, resource indicators, tokens
//! that expire and are exchanged for the next ones.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::peer::Shared;

/// What a peer knows of logins.
pub struct Login {
    base: String,
    /// Whether a login is wanted at all.
    pub required: Mutex<bool>,
    /// Whether ids that are documents are taken.
    pub documents: Mutex<bool>,
    /// Codes that were given out: their challenge and redirect.
    codes: Mutex<HashMap<String, (String, String)>>,
    /// Tokens that are good now.
    good: Mutex<Vec<String>>,
    /// What may still be exchanged.
    refresh: Mutex<Vec<String>>,
    count: AtomicU64,
    /// Everything that was asked of `/token` and `/register`.
    pub asked: Mutex<Vec<Value>>,
}

impl Login {
    pub fn new(base: String) -> Self {
        Self {
            base,
            required: Mutex::new(false),
            documents: Mutex::new(false),
            codes: Mutex::default(),
            good: Mutex::default(),
            refresh: Mutex::default(),
            count: AtomicU64::new(0),
            asked: Mutex::default(),
        }
    }

    pub fn lets_in(&self, authorization: &str) -> bool {
        let token = authorization.strip_prefix("Bearer ").unwrap_or_default();
        !*self.required.lock().expect("lock") || self.good.lock().expect("lock").iter().any(|good| good == token)
    }

    pub fn challenge(&self) -> String {
        format!("Bearer resource_metadata=\"{}/.well-known/oauth-protected-resource/mcp\"", self.base)
    }

    /// What a person does at the login page: agrees. Answers the code that the browser brings back.
    pub fn agree(&self, page: &str) -> String {
        let page = Url::parse(page).expect("an address");
        let given: HashMap<String, String> = page.query_pairs().into_owned().collect();
        assert_eq!(given["response_type"], "code");
        assert_eq!(given["code_challenge_method"], "S256");
        assert_eq!(given["resource"], format!("{}/mcp", self.base), "{page}");
        let code = format!("code-{}-of-the-person", self.next());
        let kept = (given["code_challenge"].clone(), given["redirect_uri"].clone());
        self.codes.lock().expect("lock").insert(code.clone(), kept);
        code
    }

    /// Takes every token back that was given; what is exchanged for the next ones stays.
    pub fn expire(&self) {
        self.good.lock().expect("lock").clear();
    }

    /// Takes the rest back too.
    pub fn revoke(&self) {
        self.expire();
        self.refresh.lock().expect("lock").clear();
    }

    pub fn tokens(&self) -> Vec<String> {
        self.good.lock().expect("lock").clone()
    }

    fn next(&self) -> u64 {
        self.count.fetch_add(1, Ordering::Relaxed)
    }

    fn given(&self) -> Value {
        let number = self.next();
        let (access, refresh) = (format!("access-token-{number}"), format!("refresh-token-{number}"));
        self.good.lock().expect("lock").push(access.clone());
        self.refresh.lock().expect("lock").push(refresh.clone());
        json!({"access_token": access, "refresh_token": refresh, "token_type": "Bearer", "expires_in": 600})
    }
}

pub fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/.well-known/oauth-protected-resource", get(resource))
        .route("/.well-known/oauth-protected-resource/mcp", get(resource))
        .route("/.well-known/oauth-authorization-server", get(server))
        .route("/register", post(register))
        .route("/token", post(token))
}

type App = State<Arc<Shared>>;

async fn resource(State(shared): App) -> Json<Value> {
    let base = &shared.login.base;
    Json(json!({"resource": format!("{base}/mcp"), "authorization_servers": [base], "scopes_supported": ["tools"]}))
}

async fn server(State(shared): App) -> Json<Value> {
    let base = &shared.login.base;
    Json(json!({
        "issuer": base,
        "authorization_endpoint": format!("{base}/authorize"),
        "token_endpoint": format!("{base}/token"),
        "registration_endpoint": format!("{base}/register"),
        "response_types_supported": ["code"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["none"],
        "client_id_metadata_document_supported": *shared.login.documents.lock().expect("lock"),
    }))
}

async fn register(State(shared): App, Json(body): Json<Value>) -> Response {
    shared.login.asked.lock().expect("lock").push(body.clone());
    let id = format!("client-{}", shared.login.next());
    let answer = json!({"client_id": id, "redirect_uris": body["redirect_uris"], "client_name": body["client_name"]});
    (StatusCode::CREATED, Json(answer)).into_response()
}

async fn token(State(shared): App, body: Bytes) -> Response {
    let login = &shared.login;
    let form: HashMap<String, String> = url::form_urlencoded::parse(&body).into_owned().collect();
    login.asked.lock().expect("lock").push(json!(form));
    let no = || (StatusCode::BAD_REQUEST, Json(json!({"error": "invalid_grant"}))).into_response();
    if form.get("resource") != Some(&format!("{}/mcp", login.base)) {
        return no();
    }
    match form["grant_type"].as_str() {
        "authorization_code" => {
            let Some((challenge, redirect)) = login.codes.lock().expect("lock").remove(&form["code"]) else {
                return no();
            };
            let verified = URL_SAFE_NO_PAD.encode(Sha256::digest(form["code_verifier"].as_bytes()));
            if verified != challenge || form["redirect_uri"] != redirect {
                return no();
            }
            Json(login.given()).into_response()
        }
        "refresh_token" => {
            let mut refresh = login.refresh.lock().expect("lock");
            let Some(at) = refresh.iter().position(|one| *one == form["refresh_token"]) else { return no() };
            refresh.remove(at);
            drop(refresh);
            Json(login.given()).into_response()
        }
        _ => no(),
    }
}
