//! Administrators: the people who decide.
//!
//! The first account is made with the setup code, which only who sees the screen or the data folder
//! of this installation knows; further ones by the operator. A password is kept as a slow hash, and
//! is compared within bounds: so many at the same time, so many failures in a minute.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use utoipa::ToSchema;

use super::apart::{apart, turn};
use super::audit::{self, Act};
use super::lockout::{Attempt, Lockout};
use super::sessions::{Session, SessionTokens};
use super::{Error, Service};
use crate::crypto::password::{self, PasswordError};
use crate::crypto::setup_code::SetupCode;
use crate::db::admins::{self, Admin};
use crate::db::{Lock, Tx, admin_sessions};
use crate::domain::caller::{Caller, Who};
use crate::domain::ids::AdminId;
use crate::domain::names::Username;
use crate::limits::Limits;

/// What keeps guessing slow.
pub(super) struct Passwords {
    lockout: Lockout,
    hashing: Arc<Semaphore>,
}

/// An account, as people see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct AdminView {
    pub id: AdminId,
    pub username: String,
    pub created_at: DateTime<Utc>,
    pub last_login_at: Option<DateTime<Utc>>,
}

impl From<Admin> for AdminView {
    fn from(admin: Admin) -> Self {
        let Admin { id, username, created_at, last_login_at, .. } = admin;
        Self { id, username, created_at, last_login_at }
    }
}

impl Passwords {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            lockout: Lockout::new(limits.logins_per_minute),
            hashing: Arc::new(Semaphore::new(Limits::size(limits.passwords_at_once))),
        }
    }
}

impl Service {
    /// Whether the first account is still to be made.
    pub async fn setup_required(&self) -> Result<bool, Error> {
        Ok(admins::count(self.db()).await? == 0)
    }

    /// The setup code, made when there is none, as long as there is no account; with an account
    /// there is no code, and none is left on the disk.
    ///
    /// # Errors
    /// When its file cannot be made, read or removed, or others can read it.
    pub async fn setup_code_open(&self) -> Result<Option<SetupCode>, Error> {
        if !self.setup_required().await? {
            self.setup_code_remove().await?;
            return Ok(None);
        }
        let file = self.0.parts.setup_code_file.clone();
        let code = tokio::task::spawn_blocking(move || SetupCode::load_or_create(&file)).await;
        let code = code.map_err(|error| Error::internal("reading the setup code", error))?;
        code.map(Some).map_err(|error| Error::internal("reading the setup code", error))
    }

    async fn setup_code_remove(&self) -> Result<(), Error> {
        match tokio::fs::remove_file(&self.0.parts.setup_code_file).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::internal("removing the setup code", error))
            }
            _ => Ok(()),
        }
    }

    /// Makes the first account.
    ///
    /// # Errors
    /// [`Error::Conflict`] when there is an account, [`Error::Forbidden`] with a wrong code,
    /// [`Error::Invalid`] for a name or password against the rules, [`Error::RateLimited`] after too
    /// many wrong codes.
    pub async fn admin_setup(
        &self,
        from: Option<IpAddr>,
        username: &str,
        password: &str,
        setup_code: &str,
    ) -> Result<AdminView, Error> {
        let Some(code) = self.setup_code_open().await? else { return Err(setup_done()) };
        let attempt = self.attempt(from, None)?;
        if !code.matches(setup_code) {
            let message = "the setup code is wrong; it is printed at the start and kept in the data folder";
            return Err(Error::forbidden(message));
        }
        self.attempt_take_back(attempt);
        let admin = self.new_admin(username, password).await?;
        let caller = Caller { who: Who::Admin { id: admin.id, username: admin.username.clone() }, from };
        let tx = self.db().begin().await?;
        tx.lock(Lock::FirstAdmin).await?;
        if admins::count(&tx).await? > 0 {
            return Err(setup_done());
        }
        self.admin_insert(tx, &caller, "admin.setup", admin).await
    }

    /// Makes an account.
    ///
    /// # Errors
    /// [`Error::Forbidden`] but for the operator; [`Error::Conflict`] when the name is taken;
    /// [`Error::Invalid`] for a name or password against the rules.
    pub async fn admin_create(&self, caller: &Caller, username: &str, password: &str) -> Result<AdminView, Error> {
        if caller.who != Who::Operator {
            return Err(Error::forbidden("accounts are made at the command line of this host"));
        }
        let admin = self.new_admin(username, password).await?;
        let tx = self.db().begin().await?;
        // Whoever makes the first account by the setup code counts under this lock.
        tx.lock(Lock::FirstAdmin).await?;
        self.admin_insert(tx, caller, "admin.create", admin).await
    }

    async fn new_admin(&self, username: &str, password: &str) -> Result<Admin, Error> {
        let username: Username = username.parse().map_err(|error| Error::name("/username", &error))?;
        let password_hash = self.password_hash("/password", password).await?;
        Ok(Admin {
            id: AdminId::new(),
            username: username.as_str().to_owned(),
            password_hash,
            is_active: true,
            password_version: 1,
            last_login_at: None,
            created_at: self.clock().now(),
        })
    }

    async fn admin_insert(
        &self,
        tx: Tx,
        caller: &Caller,
        action: &'static str,
        admin: Admin,
    ) -> Result<AdminView, Error> {
        admins::insert(&tx, admin.clone()).await?;
        let after = json!({"username": &admin.username});
        audit::write(&tx, caller, admin.created_at, Act { after: Some(after), ..act(action, admin.id) }).await?;
        tx.commit().await?;
        // The account is there; a code that stays behind opens nothing and goes at the next start.
        if let Err(error) = self.setup_code_remove().await {
            tracing::warn!(error = &error as &dyn std::error::Error, "the setup code could not be removed");
        }
        Ok(admin.into())
    }

    /// The account of a caller.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for callers without one.
    pub async fn admin_own(&self, caller: &Caller) -> Result<AdminView, Error> {
        Ok(self.own_account(caller).await?.into())
    }

    async fn own_account(&self, caller: &Caller) -> Result<Admin, Error> {
        let Who::Admin { id, username } = &caller.who else {
            return Err(Error::forbidden("only an administrator has an account"));
        };
        admins::by_id(self.db(), *id).await?.ok_or_else(|| Error::not_found("administrator", username, ""))
    }

    /// Changes the password of the session's account, ends all its sessions and opens a new one like
    /// this.
    ///
    /// # Errors
    /// [`Error::Forbidden`] when `current` is wrong; [`Error::RateLimited`] after too many wrong ones;
    /// [`Error::Invalid`] for a new password against the rules.
    pub async fn password_change(&self, session: &Session, current: &str, new: &str) -> Result<SessionTokens, Error> {
        let caller = &session.caller;
        let Admin { username, .. } = self.own_account(caller).await?;
        password::check_password(new).map_err(|error| password_error("/new_password", error))?;
        let Some(admin) = self.password_verified(caller.from, &username, current).await? else {
            return Err(Error::forbidden("the current password is wrong"));
        };
        let password_hash = self.password_hash("/new_password", new).await?;
        let tx = self.db().begin().await?;
        // Of two changes at the same time the second was asked for with a password that is no more.
        if !admins::set_password(&tx, admin.id, admin.password_version, password_hash).await? {
            return Err(Error::conflict("the password was changed meanwhile"));
        }
        let now = self.clock().now();
        admin_sessions::revoke_of_admin(&tx, admin.id, now).await?;
        audit::write(&tx, caller, now, act("admin.password", admin.id)).await?;
        let admin = Admin { password_version: admin.password_version + 1, ..admin };
        let tokens = self.session_insert(&tx, &admin, Self::opening_like(session)).await?;
        tx.commit().await?;
        Ok(tokens)
    }

    /// The account whose name and password these are; none when there is no such account, it is
    /// closed, or the password is another one, which takes the same time.
    ///
    /// # Errors
    /// [`Error::RateLimited`] after too many failures, [`Error::Busy`] when too many are compared.
    pub(super) async fn password_verified(
        &self,
        from: Option<IpAddr>,
        username: &str,
        password: &str,
    ) -> Result<Option<Admin>, Error> {
        // In turn first: an attempt that waits for others has not failed yet.
        let turn = self.hashing_turn().await?;
        let attempt = self.attempt(from, Some(username))?;
        let verified = self.verified_in_turn(turn, username, password).await;
        // What broke here tells nothing about the password.
        if !matches!(verified, Ok(None)) {
            self.attempt_take_back(attempt);
        }
        verified
    }

    async fn verified_in_turn(
        &self,
        turn: OwnedSemaphorePermit,
        username: &str,
        password: &str,
    ) -> Result<Option<Admin>, Error> {
        let admin = match username.parse::<Username>() {
            Ok(name) => admins::by_username(self.db(), name.as_str()).await?,
            Err(_) => None,
        };
        let admin = admin.filter(|admin| admin.is_active);
        let (given, stored) = (password.to_owned(), admin.as_ref().map(|admin| admin.password_hash.clone()));
        let right = apart("hashing a password", turn, move || password::verify(&given, stored.as_deref())).await?;
        let right = right.map_err(|error| Error::internal("comparing a password", error))?;
        Ok(admin.filter(|_| right))
    }

    /// Begins something that fails unless it is taken back.
    ///
    /// # Errors
    /// [`Error::RateLimited`] after too many failures of the address or for the name.
    pub(super) fn attempt(&self, from: Option<IpAddr>, username: Option<&str>) -> Result<Attempt, Error> {
        self.0.passwords.lockout.begin(self.clock().now(), from, username)
    }

    pub(super) fn attempt_take_back(&self, attempt: Attempt) {
        self.0.passwords.lockout.take_back(attempt);
    }

    async fn password_hash(&self, pointer: &'static str, password: &str) -> Result<String, Error> {
        let turn = self.hashing_turn().await?;
        let password = password.to_owned();
        let hash = apart("hashing a password", turn, move || password::hash(&password)).await?;
        hash.map_err(|error| password_error(pointer, error))
    }

    pub(super) async fn hashing_turn(&self) -> Result<OwnedSemaphorePermit, Error> {
        let wait = Duration::from_millis(self.limits().password_wait_ms);
        turn(&self.0.passwords.hashing, wait, "too many passwords are being compared; try again soon").await
    }
}

/// Something done to an account, or by logging in with it.
pub(super) fn act(name: &'static str, id: AdminId) -> Act {
    Act { name, object_kind: "admin", object_id: id.to_string(), before: None, after: None }
}

fn setup_done() -> Error {
    Error::conflict("there is an administrator already; log in, or make another one with `mcpbox admin create`")
}

fn password_error(pointer: &str, error: PasswordError) -> Error {
    match error {
        PasswordError::Length { .. } => Error::invalid(pointer, error.to_string()),
        other => Error::internal("hashing a password", other),
    }
}
