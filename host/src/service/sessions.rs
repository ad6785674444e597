//! Sessions: what an administrator has after logging in.
//!
//! The token is opaque and the database is asked for it at every request: after a logout, a change
//! of the password or the end of its time no process of this installation takes it any more.

use std::fmt;
use std::net::IpAddr;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use super::admins::act;
use super::audit;
use super::{Error, Service};
use crate::crypto::token::{Token, TokenKind};
use crate::db::admin_sessions::{self, Session as Row};
use crate::db::admins::{self, Admin};
use crate::db::audit::AuditEntry;
use crate::db::{self, Tx};
use crate::domain::caller::{Caller, Who};
use crate::domain::ids::{AdminId, AuditId, SessionId};
use crate::domain::names::Username;

/// What a login gives (the fields are those of RFC 6749, section 5.1). Shown once; its `Debug`
/// shows nothing.
#[derive(Clone, Serialize)]
pub struct AccessToken {
    pub access_token: String,
    pub token_type: &'static str,
    /// Seconds.
    pub expires_in: u64,
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken(…)")
    }
}

/// A login that is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub id: SessionId,
    pub admin_id: AdminId,
    pub caller: Caller,
    pub expires_at: DateTime<Utc>,
}

impl Service {
    /// Opens a session.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`], the same for an unknown name and a wrong password;
    /// [`Error::RateLimited`] after too many failures; [`Error::Busy`].
    pub async fn login(&self, from: Option<IpAddr>, username: &str, password: &str) -> Result<AccessToken, Error> {
        let verified = self.password_verified(from, username, password).await?;
        let tx = self.db().begin().await?;
        let now = self.clock().now();
        let Some(admin) = verified else {
            db::audit::insert(&tx, refused(from, username, now)).await?;
            tx.commit().await?;
            return Err(Error::Unauthenticated { message: "the username or the password is wrong".to_owned() });
        };
        let caller = Caller { who: Who::Admin { id: admin.id, username: admin.username.clone() }, from };
        let token = self.session_insert(&tx, &admin, from).await?;
        admins::touch_login(&tx, admin.id, now).await?;
        audit::write(&tx, &caller, now, act("admin.login", admin.id)).await?;
        tx.commit().await?;
        Ok(token)
    }

    /// A new session of an account with the password that `admin` has.
    pub(super) async fn session_insert(
        &self,
        tx: &Tx,
        admin: &Admin,
        from: Option<IpAddr>,
    ) -> Result<AccessToken, Error> {
        let token = Token::new(TokenKind::Access);
        let now = self.clock().now();
        let expires_in = self.limits().access_token_s;
        let row = Row {
            id: SessionId::new(),
            admin_id: admin.id,
            token_hash: token.hash(),
            password_version: admin.password_version,
            created_at: now,
            expires_at: now + TimeDelta::seconds(i64::try_from(expires_in).unwrap_or(i64::MAX)),
            revoked_at: None,
            from_address: from.map(|from| from.to_canonical().to_string()),
        };
        admin_sessions::insert(tx, row).await?;
        Ok(AccessToken { access_token: token.reveal().to_owned(), token_type: "bearer", expires_in })
    }

    /// The session that a token opens; `from` is where it is shown now.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`], whatever the reason.
    pub async fn session_of(&self, token: &Token, from: Option<IpAddr>) -> Result<Session, Error> {
        let found = admin_sessions::by_token_hash(self.db(), &token.hash()).await?;
        let now = self.clock().now();
        match found.filter(|(session, admin)| session.is_valid(admin, now)) {
            Some((session, admin)) => Ok(Session {
                id: session.id,
                admin_id: admin.id,
                caller: Caller { who: Who::Admin { id: admin.id, username: admin.username }, from },
                expires_at: session.expires_at,
            }),
            None => Err(Error::Unauthenticated {
                message: "the access token is unknown, expired or revoked; log in again".to_owned(),
            }),
        }
    }

    /// Ends a session.
    pub async fn session_end(&self, session: &Session) -> Result<(), Error> {
        let tx = self.db().begin().await?;
        let now = self.clock().now();
        if admin_sessions::revoke(&tx, session.id, now).await? {
            let id = session.admin_id;
            audit::write(&tx, &session.caller, now, act("admin.logout", id)).await?;
            tx.commit().await?;
        }
        Ok(())
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
