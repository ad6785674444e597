//! Sessions: what an administrator has after logging in.
//!
//! A session has an access token, which opens, and a refresh token, which is exchanged once for the
//! next pair. Both are opaque and the database is asked for them each time: after a logout, a change
//! of the password, an exchange or the end of its time no process of this installation takes one any
//! more. A refresh token that comes a second time is in the hands of two, and ends its session.
//!
//! A browser's session keeps its tokens in cookies, and has a third token that its pages show beside
//! them. What was given to a browser opens nothing as a bearer token, and the other way round.

use std::fmt;
use std::net::IpAddr;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::admins::act;
use super::audit::{self, Act};
use super::{Error, Page, PageRequest, Service};
use crate::crypto::token::{Token, TokenKind};
use crate::db::admin_sessions::{self, Rotation, Session as Row};
use crate::db::admins::{self, Admin};
use crate::db::audit::AuditEntry;
use crate::db::{self, Tx};
use crate::domain::caller::{Caller, Who};
use crate::domain::ids::{AdminId, AuditId, SessionId};
use crate::domain::names::Username;

/// Characters kept of what a program calls itself.
const USER_AGENT_CHARACTERS: usize = 200;

/// How the tokens of a session travel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SessionKind {
    /// In `Authorization`, by a program.
    #[default]
    Bearer,
    /// In cookies, by a browser.
    Cookie,
}

/// What a session is opened with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opening {
    pub kind: SessionKind,
    pub from: Option<IpAddr>,
    /// What the program calls itself; shown to the owner of the session, believed by nobody.
    pub user_agent: Option<String>,
}

/// What a login or an exchange gives, to be shown once.
#[derive(Clone, Debug)]
pub struct SessionTokens {
    pub access: Token,
    pub access_s: u64,
    pub refresh: Token,
    pub refresh_s: u64,
    /// For a browser.
    pub csrf: Option<Token>,
}

/// A login that is in force.
#[derive(Clone, PartialEq, Eq)]
pub struct Session {
    pub id: SessionId,
    pub admin_id: AdminId,
    pub caller: Caller,
    /// When its access token does.
    pub expires_at: DateTime<Utc>,
    csrf_hash: Option<String>,
    user_agent: Option<String>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("id", &self.id).field("caller", &self.caller).finish_non_exhaustive()
    }
}

/// A session, as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct SessionView {
    pub id: SessionId,
    pub kind: SessionKind,
    /// Whether the list was asked for with it.
    pub current: bool,
    pub created_at: DateTime<Utc>,
    /// When its tokens were last exchanged; it was used up to an access token's life later.
    pub refreshed_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    /// Of the login.
    pub from_address: Option<String>,
    pub user_agent: Option<String>,
}

impl Session {
    pub fn kind(&self) -> SessionKind {
        kind(self.csrf_hash.as_deref())
    }

    /// Whether this is what the pages of the session show beside its cookie.
    pub fn has_csrf(&self, token: &Token) -> bool {
        is_csrf(self.csrf_hash.as_deref(), token)
    }
}

fn kind(csrf_hash: Option<&str>) -> SessionKind {
    if csrf_hash.is_some() { SessionKind::Cookie } else { SessionKind::Bearer }
}

/// Digests are compared: the time that it takes tells nothing of the token.
fn is_csrf(csrf_hash: Option<&str>, token: &Token) -> bool {
    token.kind() == TokenKind::Csrf && csrf_hash.is_some_and(|hash| *hash == token.hash())
}

impl Service {
    /// Opens a session.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`], the same for an unknown name and a wrong password;
    /// [`Error::RateLimited`] after too many failures; [`Error::Busy`].
    pub async fn login(&self, opening: Opening, username: &str, password: &str) -> Result<SessionTokens, Error> {
        let from = opening.from;
        let verified = self.password_verified(from, username, password).await?;
        let tx = self.db().begin().await?;
        let now = self.clock().now();
        let Some(admin) = verified else {
            db::audit::insert(&tx, refused(from, username, now)).await?;
            tx.commit().await?;
            return Err(Error::Unauthenticated { message: "the username or the password is wrong".to_owned() });
        };
        let caller = Caller { who: Who::Admin { id: admin.id, username: admin.username.clone() }, from };
        let tokens = self.session_insert(&tx, &admin, opening).await?;
        admins::touch_login(&tx, admin.id, now).await?;
        audit::write(&tx, &caller, now, act("admin.login", admin.id)).await?;
        tx.commit().await?;
        Ok(tokens)
    }

    /// A new session of an account with the password that `admin` has.
    pub(super) async fn session_insert(
        &self,
        tx: &Tx,
        admin: &Admin,
        opening: Opening,
    ) -> Result<SessionTokens, Error> {
        let Opening { kind, from, user_agent } = opening;
        let (access, refresh) = (Token::new(TokenKind::Access), Token::new(TokenKind::Refresh));
        let csrf = (kind == SessionKind::Cookie).then(|| Token::new(TokenKind::Csrf));
        let now = self.clock().now();
        let (access_s, refresh_s) = self.lives(now, now);
        let row = Row {
            id: SessionId::new(),
            admin_id: admin.id,
            access_hash: access.hash(),
            access_expires_at: later(now, access_s),
            refresh_family_hash: refresh.family_hash(),
            refresh_hash: refresh.hash(),
            csrf_hash: csrf.as_ref().map(Token::hash),
            password_version: admin.password_version,
            created_at: now,
            refreshed_at: now,
            expires_at: later(now, refresh_s),
            revoked_at: None,
            from_address: from.map(|from| from.to_canonical().to_string()),
            user_agent: user_agent.map(|text| text.chars().take(USER_AGENT_CHARACTERS).collect()),
        };
        admin_sessions::insert(tx, row).await?;
        Ok(SessionTokens { access, access_s, refresh, refresh_s, csrf })
    }

    /// The lives of the tokens of a session of `created_at` from `now` on, in seconds.
    fn lives(&self, created_at: DateTime<Utc>, now: DateTime<Utc>) -> (u64, u64) {
        let limits = self.limits();
        let rest = (later(created_at, limits.admin_session_s) - now).num_seconds();
        let rest = u64::try_from(rest).unwrap_or_default();
        (limits.access_token_s.min(rest), limits.refresh_token_s.min(rest))
    }

    /// Exchanges a refresh token for the next pair; both tokens of before open nothing from now on.
    /// A browser's session needs `csrf`, what its page showed; a program's has none.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] when the token is unknown, was used, or its session has ended;
    /// [`Error::CrossSite`] without the right `csrf`; [`Error::RateLimited`] after too many failures.
    pub async fn session_refresh(
        &self,
        from: Option<IpAddr>,
        token: &str,
        csrf: Option<&Token>,
    ) -> Result<SessionTokens, Error> {
        let attempt = self.attempt(from, None)?;
        let token: Option<Token> = token.parse().ok().filter(|token: &Token| token.kind() == TokenKind::Refresh);
        let Some(token) = token else { return Err(ended()) };
        let tx = self.db().begin().await?;
        // Who knows the family once had a token of it: that is no guess, and not counted.
        let found = admin_sessions::by_refresh_family(&tx, &token.family_hash()).await;
        if !matches!(found, Ok(None)) {
            self.attempt_take_back(attempt);
        }
        let now = self.clock().now();
        let Some((row, _)) = found?.filter(|(row, admin)| row.is_open(admin, now)) else { return Err(ended()) };
        if row.refresh_hash != token.hash() {
            return self.session_reused(tx, from, &row, now).await;
        }
        if row.csrf_hash.is_some() != csrf.is_some() {
            return Err(ended());
        }
        if csrf.is_some_and(|csrf| !is_csrf(row.csrf_hash.as_deref(), csrf)) {
            return Err(Error::cross_site("`X-CSRF-Token` is not that of this session"));
        }
        let (access, refresh) = (Token::new(TokenKind::Access), token.next());
        let (access_s, refresh_s) = self.lives(row.created_at, now);
        let to = Rotation {
            access_hash: access.hash(),
            access_expires_at: later(now, access_s),
            refresh_hash: refresh.hash(),
            refreshed_at: now,
            expires_at: later(now, refresh_s),
        };
        if !admin_sessions::rotate(&tx, row.id, &row.refresh_hash, to).await? {
            // Somebody was first: a logout, or the same token.
            return match admin_sessions::by_refresh_family(&tx, &row.refresh_family_hash).await? {
                Some((row, admin)) if row.is_open(&admin, now) => self.session_reused(tx, from, &row, now).await,
                _ => Err(ended()),
            };
        }
        tx.commit().await?;
        Ok(SessionTokens { access, access_s, refresh, refresh_s, csrf: csrf.cloned() })
    }

    /// Ends a session one of whose refresh tokens came a second time: two have it, and nothing tells
    /// which one is its owner.
    async fn session_reused<T>(&self, tx: Tx, from: Option<IpAddr>, row: &Row, now: DateTime<Utc>) -> Result<T, Error> {
        admin_sessions::revoke(&tx, row.admin_id, row.id, now).await?;
        let entry = AuditEntry {
            id: AuditId::new(),
            at: now,
            actor: "nobody".to_owned(),
            action: "session.refresh_reused".to_owned(),
            object_kind: "session".to_owned(),
            object_id: row.id.to_string(),
            before: None,
            after: Some(json!({"admin_id": row.admin_id, "revoked": true}).to_string()),
            from_address: from.map(|from| from.to_canonical().to_string()),
            request_id: None,
        };
        db::audit::insert(&tx, entry).await?;
        tx.commit().await?;
        tracing::warn!(
            security_event = "refresh_token_reused",
            session_id = %row.id,
            admin_id = %row.admin_id,
            from = from.map(tracing::field::display),
            "a refresh token came a second time; its session was ended"
        );
        Err(ended())
    }

    /// The session that an access token opens, when it travels as it was given; `from` is where it is
    /// shown now.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`], whatever the reason.
    pub async fn session_of(
        &self,
        token: &Token,
        travels: SessionKind,
        from: Option<IpAddr>,
    ) -> Result<Session, Error> {
        let found = admin_sessions::by_access_hash(self.db(), &token.hash()).await?;
        let now = self.clock().now();
        let found = found.filter(|(row, admin)| row.is_valid(admin, now) && kind(row.csrf_hash.as_deref()) == travels);
        match found {
            Some((row, admin)) => Ok(Session {
                id: row.id,
                admin_id: admin.id,
                caller: Caller { who: Who::Admin { id: admin.id, username: admin.username }, from },
                expires_at: row.access_expires_at,
                csrf_hash: row.csrf_hash,
                user_agent: row.user_agent,
            }),
            None => Err(Error::Unauthenticated {
                message: "the access token is unknown, expired or revoked; refresh it, or log in again".to_owned(),
            }),
        }
    }

    /// What a session that takes the place of `session` is opened with.
    pub(super) fn opening_like(session: &Session) -> Opening {
        Opening { kind: session.kind(), from: session.caller.from, user_agent: session.user_agent.clone() }
    }

    /// The open sessions of the account, newest first.
    pub async fn session_list(&self, session: &Session, page: PageRequest) -> Result<Page<SessionView>, Error> {
        let page = page.of_rows(self.limits())?;
        let rows = admin_sessions::open_of_admin(self.db(), session.admin_id, self.clock().now(), &page).await?;
        Ok(Page::from(rows).map(|row| SessionView {
            current: row.id == session.id,
            kind: kind(row.csrf_hash.as_deref()),
            id: row.id,
            created_at: row.created_at,
            refreshed_at: row.refreshed_at,
            expires_at: row.expires_at,
            from_address: row.from_address,
            user_agent: row.user_agent,
        }))
    }

    /// Ends one of the account's sessions, this one too.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the account has no such open session.
    pub async fn session_revoke(&self, session: &Session, id: SessionId) -> Result<(), Error> {
        let tx = self.db().begin().await?;
        let now = self.clock().now();
        if !admin_sessions::revoke(&tx, session.admin_id, id, now).await? {
            return Err(Error::not_found("open session", id.to_string(), "list the sessions"));
        }
        let revoked = Act {
            name: "session.revoke",
            object_kind: "session",
            object_id: id.to_string(),
            before: None,
            after: None,
        };
        audit::write(&tx, &session.caller, now, revoked).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Ends this session.
    pub async fn session_end(&self, session: &Session) -> Result<(), Error> {
        let tx = self.db().begin().await?;
        let now = self.clock().now();
        if admin_sessions::revoke(&tx, session.admin_id, session.id, now).await? {
            let id = session.admin_id;
            audit::write(&tx, &session.caller, now, act("admin.logout", id)).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    /// Deletes up to `limit` sessions that have expired, and says how many. Revoked ones stay until
    /// then, so that their tokens are known for what they were.
    pub async fn sessions_sweep(&self, limit: u64) -> Result<u64, Error> {
        let tx = self.db().begin().await?;
        let deleted = admin_sessions::delete_expired(&tx, self.clock().now(), limit).await?;
        tx.commit().await?;
        Ok(deleted)
    }
}

fn later(at: DateTime<Utc>, seconds: u64) -> DateTime<Utc> {
    at + TimeDelta::seconds(i64::try_from(seconds).unwrap_or(i64::MAX))
}

fn ended() -> Error {
    Error::Unauthenticated {
        message: "the refresh token is unknown, expired or was used, or its session has ended; log in again".to_owned(),
    }
}

/// The audit row of a failed login: nobody was recognised. What was typed as a name is kept only when
/// it could be one, because people type passwords there.
fn refused(from: Option<IpAddr>, username: &str, at: DateTime<Utc>) -> AuditEntry {
    AuditEntry {
        id: AuditId::new(),
        at,
        actor: "nobody".to_owned(),
        action: "admin.login_refused".to_owned(),
        object_kind: "username".to_owned(),
        object_id: username.parse::<Username>().map(|name| name.to_string()).unwrap_or_default(),
        before: None,
        after: None,
        from_address: from.map(|from| from.to_canonical().to_string()),
        request_id: None,
    }
}
