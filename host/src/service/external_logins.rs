//! How external sources let us in: by a secret of the server, or by a login that a person made there.
//!
//! Tokens and logins under way are sealed for their source and their column. They are opened for a
//! request to the source and for one to its authorization server, and are in no answer, log or error.

use chrono::TimeDelta;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::external_mcp_sources::{self as sources, SourceView, act, missing};
use super::permission::people_only;
use super::{Error, Service, audit};
use crate::crypto::vault::Context;
use crate::db::external_mcp_sources::{self as rows, ExternalSource};
use crate::db::secrets;
use crate::domain::caller::Caller;
use crate::domain::digest::Digest;
use crate::domain::ids::SourceId;
use crate::domain::secret::SecretValue;
use crate::domain::source::{SourceAuth, SourceStatus};
use crate::upstream::{Access, LoginWish, UpstreamError};

/// How long a person may take to log in there.
const LOGIN_TIME: TimeDelta = TimeDelta::minutes(15);

/// Where a person goes to log in, and what comes back from there.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LoginView {
    pub source_id: SourceId,
    pub authorization_url: String,
    pub state: String,
    /// Seconds in which the login must be finished.
    pub expires_in: i64,
}

/// What came back from there.
#[derive(Clone, Debug)]
pub struct LoginAnswer {
    pub state: String,
    pub code: SecretValue,
    /// The issuer, where the authorization server says it (RFC 9207).
    pub iss: Option<String>,
}

impl Service {
    /// Begins a login at a source; one that was begun before is forgotten. For people.
    ///
    /// # Errors
    /// [`Error::Conflict`] when the source wants none; [`Error::SourceFailed`] when its authorization server
    /// is not found, or refuses the client.
    pub async fn source_login_start(&self, caller: &Caller, id: SourceId, wish: LoginWish) -> Result<LoginView, Error> {
        people_only(caller, "log in at an external source")?;
        let source = sources::found(self.db(), id).await?;
        asked(&source)?;
        if source.auth_type != SourceAuth::Oauth {
            return Err(Error::conflict("this source wants no login; set its auth_type to oauth first"));
        }
        let access = self.access(&source, None).await?;
        let started = self.upstream().login_start(&access, wish).await?;
        let now = self.clock().now();
        let tx = self.db().begin().await?;
        let mut source = rows::lock(&tx, id).await?.ok_or_else(|| missing(id))?;
        source.oauth_flow = Some(self.vault().seal(&context(&id.to_string(), "oauth_flow"), &started.flow));
        source.oauth_state = Some(state_digest(&started.state));
        source.oauth_begun_at = Some(now);
        source.updated_at = now;
        rows::update(&tx, source).await?;
        audit::write(&tx, caller, now, act("source.login_start", id, None, None)).await?;
        tx.commit().await?;
        Ok(LoginView {
            source_id: id,
            authorization_url: started.url,
            state: started.state,
            expires_in: LOGIN_TIME.num_seconds(),
        })
    }

    /// Ends a login: what came back becomes tokens, which are kept. For people.
    ///
    /// # Errors
    /// [`Error::NotFound`] when no login waits for this; [`Error::SourceFailed`] when it is refused there.
    pub async fn source_login_finish(&self, caller: &Caller, answer: LoginAnswer) -> Result<SourceView, Error> {
        people_only(caller, "log in at an external source")?;
        let none = || Error::not_found("login", "under way", "begin it again: it was not begun here, or took too long");
        let source = rows::by_state(self.db(), &state_digest(&answer.state)).await?.ok_or_else(none)?;
        let (Some(flow), Some(begun)) = (&source.oauth_flow, source.oauth_begun_at) else { return Err(none()) };
        if self.clock().now() - begun > LOGIN_TIME {
            return Err(none());
        }
        let id = source.id;
        let flow = self.vault().open(&context(&id.to_string(), "oauth_flow"), flow)?;
        let access = self.access(&source, None).await?;
        let login = self.upstream().login_finish(&access, &flow, &answer.code, answer.iss.as_deref()).await?;
        let now = self.clock().now();
        let tx = self.db().begin().await?;
        let mut source = rows::lock(&tx, id).await?.ok_or_else(|| missing(id))?;
        if source.oauth_state != Some(state_digest(&answer.state)) {
            return Err(none());
        }
        source.oauth_tokens = Some(self.vault().seal(&context(&id.to_string(), "oauth_tokens"), &login.tokens));
        (source.oauth_flow, source.oauth_state, source.oauth_begun_at) = (None, None, None);
        (source.oauth_client_id, source.oauth_issuer) = (Some(login.client.id), login.client.issuer);
        if source.status == SourceStatus::Error {
            (source.status, source.problem) = (SourceStatus::Active, None);
        }
        source.updated_at = now;
        let after = json!({ "oauth_client_id": source.oauth_client_id, "oauth_issuer": source.oauth_issuer });
        rows::update(&tx, source).await?;
        audit::write(&tx, caller, now, act("source.login", id, None, Some(after))).await?;
        tx.commit().await?;
        self.upstream().forget(id);
        self.source_get(caller, id).await
    }

    /// How a source is reached now, with what lets us in.
    ///
    /// # Errors
    /// [`Error::Conflict`] when it is not asked, or what lets us in is missing; [`Error::SourceFailed`] when
    /// a person has to log in there again.
    pub(super) async fn source_access(&self, source: &ExternalSource) -> Result<Access, Error> {
        asked(source)?;
        let credential = match source.auth_type {
            SourceAuth::None => None,
            SourceAuth::Bearer => {
                let value = self.secret_for(source).await?;
                Some(bearer(&value))
            }
            SourceAuth::Header => {
                let name = source.auth_header_name.clone().unwrap_or_default();
                Some((name, self.secret_for(source).await?))
            }
            SourceAuth::Oauth => Some(bearer(&self.token_for(source, None).await?)),
        };
        self.access(source, credential).await
    }

    /// The same after the source refused what let us in, if there is something newer.
    ///
    /// # Errors
    /// As [`source_access`](Self::source_access).
    pub(super) async fn source_access_renewed(&self, source: &ExternalSource, old: &Access) -> Result<Access, Error> {
        if source.auth_type != SourceAuth::Oauth {
            return Err(UpstreamError::Unauthorized { status: 401 }.into());
        }
        let refused = old.credential.as_ref().map(|(_, value)| value);
        let token = self.token_for(source, refused).await?;
        self.access(source, Some(bearer(&token))).await
    }

    async fn access(
        &self,
        source: &ExternalSource,
        credential: Option<(String, SecretValue)>,
    ) -> Result<Access, Error> {
        let server = sources::server_of(self.db(), source).await?;
        Ok(Access {
            id: source.id,
            name: format!("{}.{}", server.name, source.name),
            url: source.url.clone(),
            transport: source.transport_type,
            reach: Access::reach_of(&source.url, source.private_network),
            credential,
        })
    }

    async fn secret_for(&self, source: &ExternalSource) -> Result<SecretValue, Error> {
        let name = source.auth_secret_name.as_deref().unwrap_or_default();
        let named = secrets::by_name(self.db(), source.server_id, name).await?;
        let value = match named.filter(|secret| secret.sealed.is_some()) {
            Some(_) => self.secrets_of(source.server_id).await?.secrets.get(name).cloned(),
            None => None,
        };
        value.ok_or_else(|| {
            Error::conflict(format!(
                "the source `{}` is let in by the secret `{name}` of its server, which has no value or is bound to a \
                 host; a person sets it, and binds it to none",
                source.name
            ))
        })
    }

    /// The access token for a source; a new one when the old one expires, or is the one that was `refused`.
    async fn token_for(&self, source: &ExternalSource, refused: Option<&SecretValue>) -> Result<SecretValue, Error> {
        let access = self.access(source, None).await?;
        let _turn = self.upstream().login_turn(&access).await;
        // Whoever had the turn before may have done it.
        let source = sources::found(self.db(), source.id).await?;
        let id = source.id.to_string();
        let login = || Error::SourceFailed {
            message: format!("nobody has logged in at the source `{}` yet; a person does", source.name),
        };
        let sealed = source.oauth_tokens.as_deref().ok_or_else(login)?;
        let kept = self.vault().open(&context(&id, "oauth_tokens"), sealed)?;
        let mut token = self.upstream().login_token(&access, &kept, false).await?;
        if token.renewed.is_none() && refused.is_some_and(|refused| *refused == bearer(&token.value).1) {
            token = self.upstream().login_token(&access, &kept, true).await?;
        }
        if let Some(renewed) = token.renewed {
            let tx = self.db().begin().await?;
            let mut row = rows::lock(&tx, source.id).await?.ok_or_else(|| missing(source.id))?;
            // A person may have logged in or out meanwhile; that counts.
            if row.oauth_tokens == source.oauth_tokens {
                row.oauth_tokens = Some(self.vault().seal(&context(&id, "oauth_tokens"), &renewed));
                rows::update(&tx, row).await?;
                tx.commit().await?;
            }
        }
        Ok(token.value)
    }
}

/// Lets those pass that are asked.
fn asked(source: &ExternalSource) -> Result<(), Error> {
    match (source.status, source.approved_at) {
        (SourceStatus::Disabled, None) => Err(Error::conflict(format!(
            "a person has to allow the source `{}` first: its address {}, and what lets us in there",
            source.name, source.url
        ))),
        (SourceStatus::Disabled, Some(_)) => {
            Err(Error::conflict(format!("the source `{}` is switched off; a person switches it on", source.name)))
        }
        _ => Ok(()),
    }
}

fn bearer(token: &SecretValue) -> (String, SecretValue) {
    ("authorization".to_owned(), SecretValue::new(format!("Bearer {}", token.reveal())))
}

fn state_digest(state: &str) -> String {
    Digest::of(state.as_bytes()).to_string()
}

fn context<'a>(row: &'a str, column: &'a str) -> Context<'a> {
    Context { table: "external_mcp_sources", row, column }
}
