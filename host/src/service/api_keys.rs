//! API keys: what MCP clients on other machines show. A key opens MCP, never the API.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::audit::{self, Act};
use super::permission::people_only;
use super::{Error, Page, PageRequest, Service};
use crate::crypto::token::{Token, TokenKind};
use crate::db::api_keys::{self, ApiKey};
use crate::db::{DbError, Tx, mcp_sessions};
use crate::domain::caller::{Caller, Who};
use crate::domain::ids::ApiKeyId;
use crate::domain::names::ApiKeyName;

/// How exact the note of a key's last use is.
const NOTED_EVERY: TimeDelta = TimeDelta::minutes(1);

/// When each key's use was last noted by this process.
#[derive(Default)]
pub(super) struct Noted(Mutex<HashMap<ApiKeyId, DateTime<Utc>>>);

impl Noted {
    /// Whether it is time to note the use of a key; if so, the next time is a minute off.
    fn is_due(&self, id: ApiKeyId, now: DateTime<Utc>) -> bool {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.get(&id).is_some_and(|at| *at <= now && now - *at < NOTED_EVERY) {
            return false;
        }
        noted.insert(id, now);
        true
    }
}

/// A key, as people see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ApiKeyView {
    pub id: ApiKeyId,
    pub name: String,
    /// The first characters, to tell keys apart.
    pub prefix: String,
    pub created_by: String,
    pub created_at: DateTime<Utc>,
    /// To the minute.
    pub last_used_at: Option<DateTime<Utc>>,
    pub revoked_at: Option<DateTime<Utc>>,
}

/// A key that was just made. The key itself is shown this once.
#[derive(Clone, Serialize, ToSchema)]
pub struct NewApiKey {
    #[serde(flatten)]
    pub view: ApiKeyView,
    pub key: String,
}

/// Does not show the key.
impl fmt::Debug for NewApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewApiKey").field("view", &self.view).finish_non_exhaustive()
    }
}

impl From<ApiKey> for ApiKeyView {
    fn from(key: ApiKey) -> Self {
        let ApiKey { id, name, prefix, created_by, created_at, last_used_at, revoked_at, .. } = key;
        Self { id, name, prefix, created_by, created_at, last_used_at, revoked_at }
    }
}

impl Service {
    /// Makes a key.
    ///
    /// # Errors
    /// [`Error::Forbidden`] but for people; [`Error::Conflict`] when the name was given before, also
    /// to a key that is revoked.
    pub async fn api_key_create(&self, caller: &Caller, name: &str) -> Result<NewApiKey, Error> {
        people_only(caller, "see or change API keys")?;
        let name: ApiKeyName = name.parse().map_err(|error| Error::name("/name", &error))?;
        let token = Token::new(TokenKind::ApiKey);
        let key = ApiKey {
            id: ApiKeyId::new(),
            name: name.as_str().to_owned(),
            key_hash: token.hash(),
            prefix: token.prefix().to_owned(),
            created_by: caller.to_string(),
            created_at: self.clock().now(),
            last_used_at: None,
            revoked_at: None,
        };
        let tx = self.db().begin().await?;
        api_keys::insert(&tx, key.clone()).await?;
        let after = Some(json!({"name": &key.name}));
        audit::write(&tx, caller, key.created_at, Act { after, ..act("api_key.create", key.id) }).await?;
        tx.commit().await?;
        Ok(NewApiKey { view: key.into(), key: token.reveal().to_owned() })
    }

    /// All keys by name, revoked ones too.
    ///
    /// # Errors
    /// [`Error::Forbidden`] but for people.
    pub async fn api_key_list(&self, caller: &Caller, page: PageRequest) -> Result<Page<ApiKeyView>, Error> {
        people_only(caller, "see or change API keys")?;
        let page = page.of_rows(self.limits())?;
        Ok(Page::from(api_keys::list(self.db(), &page).await?).map(ApiKeyView::from))
    }

    /// Takes a key back: the next request that shows it is refused, and its MCP sessions are over.
    ///
    /// # Errors
    /// [`Error::Forbidden`] but for people; [`Error::NotFound`]; [`Error::Conflict`] when it is
    /// revoked already.
    pub async fn api_key_revoke(&self, caller: &Caller, id: ApiKeyId) -> Result<ApiKeyView, Error> {
        people_only(caller, "see or change API keys")?;
        let tx = self.db().begin().await?;
        let key = api_keys::by_id(&tx, id).await?;
        let key = key.ok_or_else(|| Error::not_found("API key", id.to_string(), "list the keys"))?;
        self.api_key_end(tx, caller, key).await
    }

    /// The same for the key of this name.
    ///
    /// # Errors
    /// See [`Self::api_key_revoke`].
    pub async fn api_key_revoke_named(&self, caller: &Caller, name: &str) -> Result<ApiKeyView, Error> {
        people_only(caller, "see or change API keys")?;
        let tx = self.db().begin().await?;
        let key = api_keys::by_name(&tx, name).await?;
        let key = key.ok_or_else(|| Error::not_found("API key", name, "list the keys"))?;
        self.api_key_end(tx, caller, key).await
    }

    async fn api_key_end(&self, tx: Tx, caller: &Caller, key: ApiKey) -> Result<ApiKeyView, Error> {
        let now = self.clock().now();
        if !api_keys::revoke(&tx, key.id, now).await? {
            return Err(Error::conflict(format!("the API key `{}` is revoked already", key.name)));
        }
        let its = Caller { who: Who::ApiKey { id: key.id, name: key.name.clone() }, from: None };
        mcp_sessions::delete_of_owner(&tx, &its.principal()).await?;
        audit::write(&tx, caller, now, act("api_key.revoke", key.id)).await?;
        tx.commit().await?;
        Ok(ApiKey { revoked_at: Some(now), ..key }.into())
    }

    /// Whose key this is; `from` is where it is shown now.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`], whatever the reason.
    pub async fn caller_of_key(&self, token: &Token, from: Option<IpAddr>) -> Result<Caller, Error> {
        let found = api_keys::by_hash(self.db(), &token.hash()).await?;
        let Some(key) = found.filter(|key| key.revoked_at.is_none()) else {
            return Err(Error::Unauthenticated { message: "the API key is unknown or revoked".to_owned() });
        };
        let now = self.clock().now();
        if self.0.noted.is_due(key.id, now) {
            self.api_key_note(key.id, now).await;
        }
        Ok(Caller { who: Who::ApiKey { id: key.id, name: key.name }, from })
    }

    /// Notes a use. A call does not fail because this does.
    async fn api_key_note(&self, id: ApiKeyId, at: DateTime<Utc>) {
        let noted = async {
            let tx = self.db().begin().await?;
            api_keys::touch(&tx, id, at).await?;
            tx.commit().await
        };
        let noted: Result<(), DbError> = noted.await;
        if let Err(error) = noted {
            tracing::warn!(error = &error as &dyn std::error::Error, "the use of an API key could not be noted");
        }
    }
}

/// Something done to a key.
fn act(name: &'static str, id: ApiKeyId) -> Act {
    Act { name, object_kind: "api_key", object_id: id.to_string(), before: None, after: None }
}
