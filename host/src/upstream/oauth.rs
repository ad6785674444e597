//! Logging in at a source by OAuth 2.1: a person is sent to its authorization server, and comes back with
//! a code that becomes tokens. PKCE with S256, the resource named in every request, dynamic registration
//! or a client id that is a document or was given.
//!
//! What this hands over to be kept ([`LoginStarted::flow`], [`Login::tokens`]) holds secrets: it is for
//! sealed cells only. Errors never repeat a code, a verifier, a token or a client's secret.

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use hyper::http;
use rmcp::transport::auth::{
    AuthError, AuthorizationManager, AuthorizationRequest, AuthorizationSession, CredentialStore as _,
    InMemoryCredentialStore, InMemoryStateStore, OAuthClientConfig, OAuthHttpClient, OAuthHttpClientFuture,
    OAuthHttpRequest, StateStore as _, StoredAuthorizationState, StoredCredentials,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use super::{Access, Upstream, UpstreamError, shown};
use crate::domain::redact::Redactor;
use crate::domain::secret::SecretValue;
use crate::egress::{Egress, OutboundRequest, Reach};

/// Of one answer of an authorization server.
const ANSWER_BYTES: usize = 1 << 20;
/// A token is exchanged for the next one so long before it expires.
const EARLY: TimeDelta = TimeDelta::seconds(30);

/// What a person says about a login.
#[derive(Clone, Debug, Default)]
pub struct LoginWish {
    /// Where the authorization server sends the browser back to.
    pub redirect_uri: String,
    /// Empty: what the source asks for.
    pub scopes: Vec<String>,
    /// Of a client that was registered there by hand.
    pub client_id: Option<String>,
    pub client_secret: Option<SecretValue>,
    /// The address of a client-id metadata document.
    pub client_metadata_url: Option<String>,
}

/// A login that was begun.
#[derive(Clone, Debug)]
pub struct LoginStarted {
    /// Where the person goes now.
    pub url: String,
    /// Comes back with the code.
    pub state: String,
    /// To be kept until then, sealed.
    pub flow: Vec<u8>,
}

/// A login that came to its end.
#[derive(Clone, Debug)]
pub struct Login {
    /// To be kept, sealed.
    pub tokens: Vec<u8>,
    pub client: Client,
}

/// As whom we are known there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    pub id: String,
    pub issuer: Option<String>,
}

/// A token for the next requests.
#[derive(Clone, Debug)]
pub struct Token {
    pub value: SecretValue,
    /// The tokens as they are to be kept from now on, sealed; none when they stay as they are.
    pub renewed: Option<Vec<u8>>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Known {
    client_id: String,
    client_secret: Option<String>,
    redirect_uri: String,
}

#[derive(Serialize, Deserialize)]
struct Flow {
    known: Known,
    state: StoredAuthorizationState,
}

#[derive(Serialize, Deserialize)]
struct Tokens {
    known: Known,
    credentials: StoredCredentials,
    /// None: it was not said.
    expires_at: Option<DateTime<Utc>>,
}

impl Upstream {
    /// Begins a login.
    ///
    /// # Errors
    /// When the source has no authorization server that is reached, or that one refuses the client.
    pub async fn login_start(&self, access: &Access, wish: LoginWish) -> Result<LoginStarted, UpstreamError> {
        self.within(self.started(access, wish)).await
    }

    /// Ends a login: exchanges the code for tokens.
    ///
    /// # Errors
    /// When the authorization server refuses it, or is not the one that the login began with.
    pub async fn login_finish(
        &self,
        access: &Access,
        flow: &[u8],
        code: &SecretValue,
        issuer: Option<&str>,
    ) -> Result<Login, UpstreamError> {
        self.within(self.finished(access, flow, code, issuer)).await
    }

    /// The token for the next requests: the one that is kept, or the next one when that expires, or when it
    /// was `refused`.
    ///
    /// # Errors
    /// [`UpstreamError::Unauthorized`] when a person has to log in again.
    pub async fn login_token(&self, access: &Access, tokens: &[u8], refused: bool) -> Result<Token, UpstreamError> {
        let kept: Tokens = read(tokens)?;
        let expires = kept.expires_at.is_some_and(|at| self.0.clock.now() + EARLY >= at);
        let value = access_token(&kept.credentials)?;
        if !expires && !refused {
            return Ok(Token { value, renewed: None });
        }
        self.within(self.renewed(access, kept)).await
    }

    async fn within<T>(&self, work: impl Future<Output = Result<T, UpstreamError>>) -> Result<T, UpstreamError> {
        let time = self.0.bounds.time;
        tokio::time::timeout(time, work).await.unwrap_or_else(|_| {
            Err(UpstreamError::TimedOut(format!("no answer to the login within {} ms", time.as_millis())))
        })
    }

    async fn started(&self, access: &Access, wish: LoginWish) -> Result<LoginStarted, UpstreamError> {
        let secret = wish.client_secret.as_ref().map(|secret| secret.reveal().to_owned());
        let hidden = Redactor::new(secret.iter().map(String::as_str));
        let states = InMemoryStateStore::new();
        let mut manager = self.manager(access, &hidden).await?;
        manager.set_state_store(states.clone());
        let redirect_uri = wish.redirect_uri.clone();
        let kind = if redirect_uri.starts_with("https://") { "web" } else { "native" };
        let mut request =
            AuthorizationRequest::new(&redirect_uri).with_client_name("MCPbox").with_application_type(kind);
        request = match wish.scopes.is_empty() {
            true => request.with_initial_scope_selection(),
            false => request.with_scopes(wish.scopes),
        };
        if let Some(id) = wish.client_id {
            request = request.with_preregistered_client(id);
        }
        if let Some(secret) = &secret {
            request = request.with_client_secret(secret);
        }
        if let Some(url) = wish.client_metadata_url {
            request = request.with_client_metadata_url(url);
        }
        let registered = Arc::new(Registered::default());
        let session = AuthorizationSession::new(manager, request);
        let session = REGISTERED.scope(Arc::clone(&registered), session).await;
        let session = session.map_err(|(_, error)| told(&error, &hidden))?;
        let url = session.get_authorization_url().to_owned();
        let parsed = Url::parse(&url).map_err(|_| UpstreamError::Failed("its login page has no address".to_owned()))?;
        if !matches!(parsed.scheme(), "https" | "http") {
            return Err(UpstreamError::Failed("its login page is at no https address".to_owned()));
        }
        let state = parsed.query_pairs().find(|(name, _)| name == "state").map(|(_, value)| value.into_owned());
        let state = state.ok_or_else(|| UpstreamError::Failed("its login page takes no state".to_owned()))?;
        let kept = states.load(&state).await.ok().flatten();
        let kept = kept.ok_or_else(|| UpstreamError::Failed("the login could not be begun".to_owned()))?;
        let (client_id, _) = session.get_credentials().await.map_err(|error| told(&error, &hidden))?;
        let client_secret = secret.or_else(|| registered.take());
        let flow = Flow { known: Known { client_id, client_secret, redirect_uri }, state: kept };
        Ok(LoginStarted { url, state, flow: written(&flow)? })
    }

    async fn finished(
        &self,
        access: &Access,
        flow: &[u8],
        code: &SecretValue,
        issuer: Option<&str>,
    ) -> Result<Login, UpstreamError> {
        let Flow { known, state } = read(flow)?;
        let secrets = [code.reveal(), &state.pkce_verifier, known.client_secret.as_deref().unwrap_or_default()];
        let hidden = Redactor::new(secrets.into_iter().filter(|secret| !secret.is_empty()));
        let (states, credentials) = (InMemoryStateStore::new(), InMemoryCredentialStore::new());
        let csrf = state.csrf_token.clone();
        states.save(&csrf, state).await.map_err(|error| told(&error, &hidden))?;
        let mut manager = self.manager(access, &hidden).await?;
        manager.set_state_store(states);
        manager.set_credential_store(credentials.clone());
        manager.configure_client(known.config()).map_err(|error| told(&error, &hidden))?;
        let exchanged = manager.exchange_code_for_token_with_issuer(code.reveal(), &csrf, issuer).await;
        exchanged.map_err(|error| told(&error, &hidden))?;
        let stored = credentials.load().await.ok().flatten();
        let stored = stored.ok_or_else(|| UpstreamError::Failed("it gave no token".to_owned()))?;
        let client = Client { id: known.client_id.clone(), issuer: stored.issuer.clone() };
        let tokens = self.tokens(known, stored)?;
        Ok(Login { tokens: written(&tokens)?, client })
    }

    async fn renewed(&self, access: &Access, kept: Tokens) -> Result<Token, UpstreamError> {
        let again = UpstreamError::Unauthorized { status: 401 };
        let token = access_token(&kept.credentials)?;
        let secrets = [token.reveal(), kept.known.client_secret.as_deref().unwrap_or_default()];
        let hidden = Redactor::new(secrets.into_iter().filter(|secret| !secret.is_empty()));
        let credentials = InMemoryCredentialStore::new();
        let mut manager = self.manager(access, &hidden).await?;
        credentials.save(kept.credentials).await.map_err(|error| told(&error, &hidden))?;
        manager.set_credential_store(credentials.clone());
        // Sees to it that the tokens go to the server that gave them.
        match manager.initialize_from_store().await {
            Ok(true) => {}
            Ok(false) => return Err(again),
            Err(error) => return Err(told(&error, &hidden)),
        }
        manager.configure_client(kept.known.config()).map_err(|error| told(&error, &hidden))?;
        match manager.refresh_token().await {
            Ok(_) => {}
            Err(AuthError::AuthorizationRequired | AuthError::TokenRefreshRejected(_)) => return Err(again),
            Err(error) => return Err(told(&error, &hidden)),
        }
        let stored = credentials.load().await.ok().flatten().ok_or(again)?;
        let value = access_token(&stored)?;
        Ok(Token { value, renewed: Some(written(&self.tokens(kept.known, stored)?)?) })
    }

    /// A manager that knows the authorization server of a source.
    async fn manager(&self, access: &Access, hidden: &Redactor) -> Result<AuthorizationManager, UpstreamError> {
        let http =
            Arc::new(Http { egress: self.0.egress.for_call(), reach: access.reach.clone(), time: self.0.bounds.time });
        let manager = AuthorizationManager::new_with_oauth_http_client(access.url.as_str(), http).await;
        let mut manager = manager.map_err(|error| told(&error, hidden))?;
        let found = manager.resolve_metadata().await.map_err(|error| told(&error, hidden))?;
        manager.set_metadata(found.metadata);
        Ok(manager)
    }

    fn tokens(&self, known: Known, credentials: StoredCredentials) -> Result<Tokens, UpstreamError> {
        let lives = response(&credentials).and_then(|token| token.get("expires_in").and_then(Value::as_i64));
        let lives = lives.and_then(TimeDelta::try_seconds);
        let expires_at = lives.and_then(|lives| self.0.clock.now().checked_add_signed(lives));
        access_token(&credentials)?;
        Ok(Tokens { known, credentials, expires_at })
    }
}

impl Known {
    fn config(&self) -> OAuthClientConfig {
        let config = OAuthClientConfig::new(&self.client_id, &self.redirect_uri);
        match &self.client_secret {
            Some(secret) => config.with_client_secret(secret),
            None => config,
        }
    }
}

/// The secret that a registration gave, which the library keeps to itself.
#[derive(Default)]
struct Registered(std::sync::Mutex<Option<String>>);

tokio::task_local! {
    static REGISTERED: Arc<Registered>;
}

impl Registered {
    fn hear(&self, body: &[u8]) {
        #[derive(Deserialize)]
        struct Answer {
            client_id: Option<String>,
            client_secret: Option<String>,
        }
        if let Ok(Answer { client_id: Some(_), client_secret: Some(secret) }) = serde_json::from_slice(body)
            && !secret.is_empty()
        {
            *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(secret);
        }
    }

    fn take(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take()
    }
}

/// The way out of the library's own requests.
struct Http {
    egress: Egress,
    reach: Reach,
    time: std::time::Duration,
}

impl OAuthHttpClient for Http {
    /// Redirects are handed back, whatever the request says of them.
    fn execute(&self, request: OAuthHttpRequest) -> OAuthHttpClientFuture<'_> {
        Box::pin(async move {
            let (head, body) = request.request.into_parts();
            let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
            let headers = head.headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
            let request = OutboundRequest {
                method: head.method.to_string(),
                url: head.uri.to_string(),
                headers,
                body: (!body.is_empty()).then(|| Bytes::from(body)),
                timeout: None,
            };
            let arrival = self.egress.send_named(&self.reach, request, self.time, ANSWER_BYTES).await?;
            let mut response = http::Response::builder().status(arrival.status);
            for (name, value) in &arrival.headers {
                response = response.header(name, value);
            }
            let body = arrival.body.whole().await?;
            let _ = REGISTERED.try_with(|registered| registered.hear(&body));
            Ok(response.body(body)?)
        })
    }
}

fn response(credentials: &StoredCredentials) -> Option<Value> {
    serde_json::to_value(credentials.token_response.as_ref()?).ok()
}

fn access_token(credentials: &StoredCredentials) -> Result<SecretValue, UpstreamError> {
    let token = response(credentials).and_then(|token| Some(token.get("access_token")?.as_str()?.to_owned()));
    token.map(SecretValue::new).ok_or(UpstreamError::Unauthorized { status: 401 })
}

fn written(value: &impl Serialize) -> Result<Vec<u8>, UpstreamError> {
    serde_json::to_vec(value).map_err(|_| UpstreamError::Failed("the login cannot be kept".to_owned()))
}

fn read<T: serde::de::DeserializeOwned>(kept: &[u8]) -> Result<T, UpstreamError> {
    serde_json::from_slice(kept).map_err(|_| UpstreamError::Unauthorized { status: 401 })
}

/// The library's error, as far as it may be repeated.
fn told(error: &AuthError, hidden: &Redactor) -> UpstreamError {
    let mut text = error.to_string();
    if let AuthError::DiscoveryRequestFailed { source, .. } = error {
        text = format!("{text}: {source}");
    }
    UpstreamError::Failed(format!("the login failed: {}", shown(&hidden.apply(&text))))
}

impl Access {
    /// The reach of a source at `url`; `near`: a person said that it is on this machine or in its networks.
    pub fn reach_of(url: &str, near: bool) -> Reach {
        match near {
            true => Reach::with(url).unwrap_or_else(|_| Reach::public()),
            false => Reach::public(),
        }
    }
}
