//! Secrets of a server. A model makes a placeholder, a person sets the value; nobody reads it back.
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
use super::{Error, Page, PageRequest, Service, given, servers};
use crate::crypto::vault::Context;
use crate::db::secrets::{self as rows, Secret};
use crate::db::servers::Server;
use crate::db::{DbError, PageRequest as RowPage};
use crate::domain::caller::Caller;
use crate::domain::ids::{SecretId, ServerId};
use crate::domain::names::SecretName;
use crate::domain::secret::{SecretValue, Secrets};

/// Secrets of one server: each of its calls opens them all.
const SERVER_SECRETS: u64 = 100;

#[derive(Clone, Debug)]
pub struct NewSecret {
    pub key_name: String,
    pub description: String,
    /// None: a placeholder.
    pub value: Option<SecretValue>,
}

/// A secret without its value.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SecretView {
    pub key_name: String,
    pub description: String,
    /// False: a placeholder, which waits for a person.
    pub has_value: bool,
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

    /// Makes a secret: a placeholder, or, for people, with its value.
    ///
    /// # Errors
    /// [`Error::Conflict`] when the server has a secret of this name.
    pub async fn secret_create(&self, caller: &Caller, server: ServerId, new: NewSecret) -> Result<SecretView, Error> {
        let name: SecretName = new.key_name.parse().map_err(|error| Error::name("/key_name", &error))?;
        let description = given::text("/description", &new.description, given::SECRET_DESCRIPTION)?;
        if let Some(value) = &new.value {
            people_only(caller, "set the value of a secret")?;
            given::measured("/value", value.reveal(), given::SECRET_VALUE)?;
        }
        let now = self.clock().now();
        let tx = self.db().begin().await?;
        let server = servers::found(&tx, server).await?;
        if rows::of_server(&tx, server.id, &RowPage::new(1, 1, 1)).await?.total >= SERVER_SECRETS {
            return Err(Error::conflict(format!("a server has at most {SERVER_SECRETS} secrets; delete one first")));
        }
        let secret = Secret {
            id: SecretId::new(),
            server_id: server.id,
            key_name: name.to_string(),
            sealed: new.value.as_ref().map(|value| self.seal(server.id, name.as_str(), value)),
            description,
            created_by: caller.to_string(),
            created_at: now,
            updated_at: now,
        };
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

    /// Sets the value of a secret; calls that begin afterwards get it. For people.
    pub async fn secret_set(
        &self,
        caller: &Caller,
        server: ServerId,
        key_name: &str,
        value: &SecretValue,
    ) -> Result<SecretView, Error> {
        people_only(caller, "set the value of a secret")?;
        given::measured("/value", value.reveal(), given::SECRET_VALUE)?;
        let now = self.clock().now();
        let tx = self.db().begin().await?;
        let server = servers::found(&tx, server).await?;
        let mut secret = rows::by_name(&tx, server.id, key_name).await?.ok_or_else(|| missing(key_name))?;
        let before = told(&secret);
        secret.sealed = Some(self.seal(server.id, key_name, value));
        secret.updated_at = now;
        if !rows::set_sealed(&tx, secret.id, secret.sealed.clone(), now).await? {
            return Err(missing(key_name));
        }
        audit::write(&tx, caller, now, act("secret.set", &server, &secret, Some(before), Some(told(&secret)))).await?;
        tx.commit().await?;
        self.redactor_forget(server.id).await;
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
        Ok(())
    }

    /// The values of a server's secrets, for one call.
    pub(super) async fn secrets_of(&self, server: ServerId) -> Result<Arc<Secrets>, Error> {
        let mut secrets = Secrets::new();
        for secret in rows::with_value(self.db(), server).await? {
            let Some(sealed) = secret.sealed else { continue };
            let row = place(server, &secret.key_name);
            let value = self.vault().open(&context(&row), &sealed)?;
            let value = std::str::from_utf8(&value).map_err(|error| Error::internal("opening a secret", error))?;
            secrets.insert(secret.key_name, SecretValue::new(value.to_owned()));
        }
        Ok(Arc::new(secrets))
    }

    fn seal(&self, server: ServerId, key_name: &str, value: &SecretValue) -> Vec<u8> {
        let row = place(server, key_name);
        self.vault().seal(&context(&row), value.reveal().as_bytes())
    }
}

/// What a value is bound to.
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
    json!({ "key_name": secret.key_name, "description": secret.description, "has_value": secret.sealed.is_some() })
}

fn view(secret: Secret) -> SecretView {
    SecretView {
        has_value: secret.sealed.is_some(),
        key_name: secret.key_name,
        description: secret.description,
        created_by: secret.created_by,
        created_at: secret.created_at,
        updated_at: secret.updated_at,
    }
}
