//! Secrets of a server. A model makes a placeholder, a person sets the value; nobody reads it back.
//!
//! A secret may be bound to a host and a header or a query parameter: then no tool reads it, and the host
//! adds it to the requests that it is bound to. A model may propose the binding of its placeholder; it counts
//! with the value, which a person sets who sees the binding.
//!
//! A value is sealed for its server and its name: a row that is moved to another server, or given
//! another name, does not open.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::audit::{self, Act};
use super::permission::people_only;
use super::redactors::Of;
use super::{Error, Page, PageRequest, Service, given, servers};
use crate::crypto::vault::Context;
use crate::db::secrets::{self as rows, Secret};
use crate::db::servers::Server;
use crate::db::{DbError, PageRequest as RowPage, Tx};
use crate::domain::binding::{Binding, BindingError, BoundSecret, BoundSecrets, GivenBinding};
use crate::domain::caller::Caller;
use crate::domain::ids::{SecretId, ServerId};
use crate::domain::names::SecretName;
use crate::domain::redact::Redactor;
use crate::domain::secret::{SecretValue, Secrets};

#[derive(Clone, Debug)]
pub struct NewSecret {
    pub key_name: String,
    pub description: String,
    /// None: a placeholder.
    pub value: Option<SecretValue>,
    /// None: the tools of the server read it.
    pub binding: Option<GivenBinding>,
}

/// What is none stays as it is.
#[derive(Clone, Debug, Default)]
pub struct SecretChange {
    pub value: Option<SecretValue>,
    /// None inside: bound no longer, so that the tools of the server read it.
    pub binding: Option<Option<GivenBinding>>,
}

/// The secrets of one call.
#[derive(Clone, Debug)]
pub(super) struct Opened {
    /// Those that its guest may read.
    pub(super) secrets: Arc<Secrets>,
    /// Those that its requests carry.
    pub(super) bound: Arc<BoundSecrets>,
    /// Finds all of them.
    pub(super) redactor: Arc<Redactor>,
}

/// A secret without its value.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SecretView {
    pub key_name: String,
    pub description: String,
    /// False: a placeholder, which waits for a person.
    pub has_value: bool,
    /// Where the host adds it; then no tool sees it. Of a placeholder, where it will.
    #[schema(value_type = Option<GivenBinding>)]
    pub binding: Option<Binding>,
    pub created_by: String,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl Service {
    /// The secrets of a server by name.
    pub async fn secret_list(
        &self,
        _caller: &Caller,
        server: ServerId,
        page: PageRequest,
    ) -> Result<Page<SecretView>, Error> {
        let page = page.of_rows(self.limits())?;
        let server = servers::found(self.db(), server).await?;
        Ok(Page::from(rows::of_server(self.db(), server.id, &page).await?).map(view))
    }

    /// Makes a secret: a placeholder, or, for people, with its value. Only people may let a bound secret go
    /// over plain http.
    ///
    /// # Errors
    /// [`Error::Conflict`] when the server has a secret of this name, or another one that is bound to the same.
    pub async fn secret_create(&self, caller: &Caller, server: ServerId, new: NewSecret) -> Result<SecretView, Error> {
        let name: SecretName = new.key_name.parse().map_err(|error| Error::name("/key_name", &error))?;
        let description = given::text("/description", &new.description, given::SECRET_DESCRIPTION)?;
        if let Some(value) = &new.value {
            people_only(caller, "set the value of a secret")?;
            given::measured("/value", value.reveal(), given::SECRET_VALUE)?;
        }
        let binding = new.binding.map(|given| bound(caller, given)).transpose()?;
        if let (Some(binding), Some(value)) = (&binding, &new.value) {
            binding.takes(value).map_err(|rule| Error::invalid("/value", rule))?;
        }
        let now = self.clock().now();
        let tx = self.db().begin().await?;
        let server = servers::found(&tx, server).await?;
        if rows::of_server(&tx, server.id, &RowPage::new(1, 1, 1)).await?.total >= given::SECRETS_OF_ONE as u64 {
            return Err(Error::conflict(format!(
                "a server has at most {} secrets; delete one first",
                given::SECRETS_OF_ONE
            )));
        }
        let secret = Secret {
            id: SecretId::new(),
            server_id: server.id,
            key_name: name.to_string(),
            sealed: new.value.as_ref().map(|value| self.seal(server.id, name.as_str(), value)),
            binding,
            description,
            created_by: caller.to_string(),
            created_at: now,
            updated_at: now,
        };
        alone(&tx, &secret).await?;
        rows::insert(&tx, secret.clone()).await.map_err(|error| match error {
            DbError::Conflict { .. } => {
                Error::conflict(format!("the server `{}` already has a secret `{name}`", server.name))
            }
            other => other.into(),
        })?;
        audit::write(&tx, caller, now, act("secret.create", &server, &secret, None, Some(told(&secret)))).await?;
        tx.commit().await?;
        Ok(view(secret))
    }

    /// Sets the value of a secret, its binding, or both; holds for calls that begin afterwards. For people.
    ///
    /// # Errors
    /// [`Error::Invalid`] when a value cannot be added where the secret is bound to; [`Error::Conflict`] when
    /// another secret of the server is bound to the same.
    pub async fn secret_set(
        &self,
        caller: &Caller,
        server: ServerId,
        key_name: &str,
        change: SecretChange,
    ) -> Result<SecretView, Error> {
        people_only(caller, "set the value or the binding of a secret")?;
        if change.value.is_none() && change.binding.is_none() {
            return Err(Error::invalid("", "give a `value`, a `binding`, or both"));
        }
        if let Some(value) = &change.value {
            given::measured("/value", value.reveal(), given::SECRET_VALUE)?;
        }
        let binding = change.binding.map(|given| given.map(|given| bound(caller, given)).transpose()).transpose()?;
        let now = self.clock().now();
        let tx = self.db().begin().await?;
        let server = servers::found(&tx, server).await?;
        let mut secret = rows::lock(&tx, server.id, key_name).await?.ok_or_else(|| missing(key_name))?;
        let before = told(&secret);
        let was = secret.binding.clone();
        if let Some(binding) = binding {
            secret.binding = binding;
        }
        if let Some(value) = &change.value {
            secret.sealed = Some(self.seal(server.id, key_name, value));
        }
        if let (Some(binding), Some(sealed)) = (&secret.binding, &secret.sealed) {
            let value = self.opened(server.id, key_name, sealed)?;
            let pointer = if change.value.is_some() { "/value" } else { "/binding" };
            binding.takes(&value).map_err(|rule| Error::invalid(pointer, rule))?;
        }
        alone(&tx, &secret).await?;
        secret.updated_at = now;
        if !rows::set(&tx, secret.id, secret.sealed.clone(), secret.binding.clone(), now).await? {
            return Err(missing(key_name));
        }
        let name = if change.value.is_some() { "secret.set" } else { "secret.bind" };
        let mut after = told(&secret);
        after["value_set"] = change.value.is_some().into();
        audit::write(&tx, caller, now, act(name, &server, &secret, Some(before), Some(after))).await?;
        tx.commit().await?;
        self.redactor_forget(server.id).await;
        if secret.binding != was {
            self.grants_changed(server.id, None).await?;
        }
        Ok(view(secret))
    }

    /// Deletes a secret with its value.
    pub async fn secret_delete(&self, caller: &Caller, server: ServerId, key_name: &str) -> Result<(), Error> {
        let now = self.clock().now();
        let tx = self.db().begin().await?;
        let server = servers::found(&tx, server).await?;
        let secret = rows::by_name(&tx, server.id, key_name).await?.ok_or_else(|| missing(key_name))?;
        if !rows::delete(&tx, secret.id).await? {
            return Err(missing(key_name));
        }
        audit::write(&tx, caller, now, act("secret.delete", &server, &secret, Some(told(&secret)), None)).await?;
        tx.commit().await?;
        self.redactor_forget(server.id).await;
        if secret.binding.is_some() {
            self.grants_changed(server.id, None).await?;
        }
        Ok(())
    }

    /// The secrets of a server, for one call.
    pub(super) async fn secrets_of(&self, server: ServerId) -> Result<Opened, Error> {
        let (mut secrets, mut bound) = (Secrets::new(), Vec::new());
        for Secret { key_name, sealed, binding, .. } in rows::with_value(self.db(), server).await? {
            let Some(sealed) = sealed else { continue };
            let value = self.opened(server, &key_name, &sealed)?;
            match binding {
                Some(binding) => bound.push(BoundSecret { key_name, binding, value }),
                None => drop(secrets.insert(key_name, value)),
            }
        }
        let added: Vec<&SecretValue> = bound.iter().map(|secret| &secret.value).collect();
        let all: Vec<&SecretValue> = secrets.values().chain(added.iter().copied()).collect();
        let redactor = self.0.redactors.of(server, Of::All, &all).await;
        let of_bound = self.0.redactors.of(server, Of::Bound, &added).await;
        let bound = BoundSecrets { secrets: bound, redactor: of_bound };
        Ok(Opened { secrets: Arc::new(secrets), bound: Arc::new(bound), redactor })
    }

    fn opened(&self, server: ServerId, key_name: &str, sealed: &[u8]) -> Result<SecretValue, Error> {
        let row = place(server, key_name);
        let value = self.vault().open(&context(&row), sealed)?;
        let value = std::str::from_utf8(&value).map_err(|error| Error::internal("opening a secret", error))?;
        Ok(SecretValue::new(value.to_owned()))
    }

    fn seal(&self, server: ServerId, key_name: &str, value: &SecretValue) -> Vec<u8> {
        let row = place(server, key_name);
        self.vault().seal(&context(&row), value.reveal().as_bytes())
    }
}

/// A binding as this caller may give it.
fn bound(caller: &Caller, given: GivenBinding) -> Result<Binding, Error> {
    if given.plain_http {
        people_only(caller, "let a secret go over plain http")?;
    }
    given.try_into().map_err(|BindingError { member, rule }| Error::invalid(format!("/binding/{member}"), rule))
}

/// Refuses a binding by which one request would have to carry two values in one place.
async fn alone(tx: &Tx, secret: &Secret) -> Result<(), Error> {
    let (Some(binding), Some(_)) = (&secret.binding, &secret.sealed) else { return Ok(()) };
    let others = rows::with_value(tx, secret.server_id).await?;
    let other = others.iter().filter(|other| other.id != secret.id).find(|other| {
        let theirs = other.binding.as_ref();
        theirs.is_some_and(|theirs| theirs.collides(binding))
    });
    match other {
        Some(other) => Err(Error::conflict(format!(
            "the secret `{}` is bound to the same {} of the same host; bind this one elsewhere, or delete that one",
            other.key_name,
            binding.place().words()
        ))),
        None => Ok(()),
    }
}

/// What a value is sealed for.
fn place(server: ServerId, key_name: &str) -> String {
    format!("{server}/{key_name}")
}

fn context(row: &str) -> Context<'_> {
    Context { table: "server_secrets", row, column: "sealed" }
}

fn missing(key_name: &str) -> Error {
    Error::not_found("secret", key_name, "list the secrets of the server")
}

fn act(name: &'static str, server: &Server, secret: &Secret, before: Option<Value>, after: Option<Value>) -> Act {
    Act { name, object_kind: "secret", object_id: place(server.id, &secret.key_name), before, after }
}

/// A secret in the words of the audit log: never its value.
fn told(secret: &Secret) -> Value {
    json!({
        "key_name": secret.key_name,
        "description": secret.description,
        "has_value": secret.sealed.is_some(),
        "binding": secret.binding,
    })
}

pub(super) fn view(secret: Secret) -> SecretView {
    SecretView {
        has_value: secret.sealed.is_some(),
        key_name: secret.key_name,
        binding: secret.binding,
        description: secret.description,
        created_by: secret.created_by,
        created_at: secret.created_at,
        updated_at: secret.updated_at,
    }
}
