//! Sessions of MCP clients of the legacy era, as they outlive a process: whose each is, what was agreed on,
//! what its client wants to hear of. A session that nobody used for its time is not there any more.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value};

use super::{Error, Service};
use crate::db::Texts;
use crate::db::mcp_sessions::{self as rows, McpSession as Row};
use crate::domain::caller::Caller;
use crate::domain::digest::Digest;

/// Rows deleted in one transaction.
const AT_ONCE: u64 = 500;

/// A session. Its id is as good as a key and is kept by the client alone.
#[derive(Clone, Debug, PartialEq)]
pub struct McpSession {
    /// The one server that it is for; none: all of them.
    pub scope: Option<String>,
    pub version: String,
    pub capabilities: Map<String, Value>,
    pub client: Option<String>,
    /// Whether the client said that it is ready to be asked.
    pub is_initialized: bool,
    pub wishes: McpWishes,
}

/// What a client wants to hear of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct McpWishes {
    pub log_level: Option<String>,
    /// Addresses of resources.
    pub subscriptions: Vec<String>,
}

/// One thing that a client wants to hear of, or wants to hear of no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum McpWish {
    /// From this seriousness on.
    LogLevel(String),
    Subscribe(String),
    Unsubscribe(String),
}

impl McpWishes {
    /// The same, and one more thing that was wished. Of `most` resources at most.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it wants to hear of more.
    pub fn and(mut self, wish: McpWish, most: u64) -> Result<Self, Error> {
        match wish {
            McpWish::LogLevel(level) => self.log_level = Some(level),
            McpWish::Subscribe(uri) if self.subscriptions.contains(&uri) => {}
            McpWish::Subscribe(_) if self.subscriptions.len() as u64 >= most => {
                let message = format!(
                    "this session is subscribed to {} resources and no more may be (MCPBOX_SESSION_SUBSCRIPTIONS); \
                     unsubscribe from one first",
                    self.subscriptions.len()
                );
                return Err(Error::invalid("/uri", message));
            }
            McpWish::Subscribe(uri) => self.subscriptions.push(uri),
            McpWish::Unsubscribe(uri) => self.subscriptions.retain(|known| *known != uri),
        }
        Ok(self)
    }
}

impl Service {
    /// Keeps a new session.
    pub async fn mcp_session_keep(&self, caller: &Caller, id: &str, session: McpSession) -> Result<(), Error> {
        let now = self.clock().now();
        let capabilities = serde_json::to_string(&session.capabilities);
        let row = Row {
            id_hash: hash(id),
            owner: caller.principal(),
            scope: session.scope,
            version: session.version,
            capabilities: capabilities.map_err(|error| Error::internal("writing what a client can do", error))?,
            client: session.client,
            log_level: session.wishes.log_level,
            subscriptions: Texts(session.wishes.subscriptions),
            opened_at: now,
            initialized_at: None,
            used_at: now,
        };
        let tx = self.db().begin_rows().await?;
        rows::insert(&tx, row).await?;
        Ok(tx.commit().await?)
    }

    /// The session of this id, if it is this caller's and was used within its time; the use is noted.
    pub async fn mcp_session_use(&self, caller: &Caller, id: &str) -> Result<Option<McpSession>, Error> {
        let (owner, id_hash, now) = (caller.principal(), hash(id), self.clock().now());
        // Most ids that are not known are not known here either, and cost no turn to write.
        let found = rows::of_owner(self.db(), &owner, &id_hash).await?;
        let Some(row) = found.filter(|row| row.used_at > self.mcp_session_end_of_use(now)) else { return Ok(None) };
        let tx = self.db().begin_rows().await?;
        let is_there = rows::touch(&tx, &owner, &id_hash, now).await?;
        tx.commit().await?;
        if !is_there {
            return Ok(None);
        }
        let capabilities = serde_json::from_str(&row.capabilities);
        Ok(Some(McpSession {
            scope: row.scope,
            version: row.version,
            capabilities: capabilities.map_err(|error| Error::internal("reading what a client can do", error))?,
            client: row.client,
            is_initialized: row.initialized_at.is_some(),
            wishes: McpWishes { log_level: row.log_level, subscriptions: row.subscriptions.0 },
        }))
    }

    /// Notes one thing more that a client wants to hear of, and answers all that it does. None when the session has
    /// ended.
    ///
    /// # Errors
    /// See [`McpWishes::and`].
    pub async fn mcp_session_wish(&self, caller: &Caller, id: &str, wish: McpWish) -> Result<Option<McpWishes>, Error> {
        let (owner, id_hash) = (caller.principal(), hash(id));
        let tx = self.db().begin_rows().await?;
        let Some(row) = rows::lock(&tx, &owner, &id_hash).await? else { return Ok(None) };
        let before = McpWishes { log_level: row.log_level, subscriptions: row.subscriptions.0 };
        let wishes = before.and(wish, self.limits().session_subscriptions)?;
        let McpWishes { log_level, subscriptions } = wishes.clone();
        rows::wish(&tx, &owner, &id_hash, log_level, Texts(subscriptions)).await?;
        tx.commit().await?;
        Ok(Some(wishes))
    }

    /// Notes that a client is ready to be asked, for every process.
    pub async fn mcp_session_initialize(&self, caller: &Caller, id: &str) -> Result<(), Error> {
        let tx = self.db().begin_rows().await?;
        rows::initialize(&tx, &caller.principal(), &hash(id), self.clock().now()).await?;
        Ok(tx.commit().await?)
    }

    /// Whether the client of a session said, to any process, that it is ready to be asked.
    pub async fn mcp_session_is_initialized(&self, caller: &Caller, id: &str) -> Result<bool, Error> {
        let found = rows::of_owner(self.db(), &caller.principal(), &hash(id)).await?;
        Ok(found.is_some_and(|row| row.initialized_at.is_some()))
    }

    /// Ends a session, for every process. False when there was none.
    pub async fn mcp_session_end(&self, caller: &Caller, id: &str) -> Result<bool, Error> {
        let tx = self.db().begin_rows().await?;
        let was_there = rows::delete(&tx, &caller.principal(), &hash(id)).await?;
        tx.commit().await?;
        Ok(was_there)
    }

    /// Deletes some sessions that nobody used for their time, and says how many.
    pub(super) async fn mcp_sessions_sweep(&self) -> Result<u64, Error> {
        let tx = self.db().begin_rows().await?;
        let before = self.mcp_session_end_of_use(self.clock().now());
        let deleted = rows::delete_unused(&tx, before, AT_ONCE).await?;
        tx.commit().await?;
        Ok(deleted)
    }

    /// Sessions that were not used since are over.
    fn mcp_session_end_of_use(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        let idle = i64::try_from(self.limits().session_idle_s).ok().and_then(TimeDelta::try_seconds);
        now.checked_sub_signed(idle.unwrap_or(TimeDelta::MAX)).unwrap_or(DateTime::<Utc>::MIN_UTC)
    }
}

fn hash(id: &str) -> String {
    Digest::of(id.as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Holds: session_subscriptions.
    #[test]
    fn a_wish_changes_one_thing_and_the_resources_of_a_session_are_bounded() {
        let wished = |wishes: McpWishes, wish| wishes.and(wish, 2);
        let subscribe = |uri: &str| McpWish::Subscribe(uri.to_owned());
        let mut wishes = McpWishes::default();
        for wish in [McpWish::LogLevel("info".to_owned()), subscribe("x:1"), subscribe("x:2"), subscribe("x:1")] {
            wishes = wished(wishes, wish).expect("there is room");
        }
        assert_eq!((wishes.log_level.as_deref(), wishes.subscriptions.len()), (Some("info"), 2));
        let refused = wished(wishes.clone(), subscribe("x:3")).expect_err("no more may be");
        assert!(refused.to_string().contains("MCPBOX_SESSION_SUBSCRIPTIONS"), "{refused}");
        let wishes = wished(wishes, McpWish::Unsubscribe("x:1".to_owned())).expect("it is taken back");
        let wishes = wished(wishes, subscribe("x:3")).expect("there is room again");
        assert_eq!(wishes.subscriptions, ["x:2", "x:3"]);
    }
}
