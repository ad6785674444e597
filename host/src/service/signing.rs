//! The key with which this installation signs what it exports. Of its own and sealed in the database, so that
//! others know it by one fingerprint whatever becomes of the encryption key: it is sealed anew when that is
//! another one, and travels with a backup.

use chrono::{DateTime, Utc};

use super::audit::{self, Act};
use super::{Error, Service};
use crate::crypto::signature::Signer;
use crate::crypto::vault::{Context, Vault, VaultError};
use crate::db::Database;
use crate::db::signing_keys::{self as rows, SigningKey};
use crate::domain::caller::Caller;

const PURPOSE: &str = "export";
const CELL: Context<'_> = Context { table: "signing_keys", row: PURPOSE, column: "sealed" };

impl Service {
    /// The key of this installation, if it signed something.
    ///
    /// # Errors
    /// [`Error::Conflict`] when it was sealed with an encryption key that is not given.
    pub(super) async fn signer_known(&self) -> Result<Option<Signer>, Error> {
        known(self.db(), self.vault()).await
    }

    /// The key of this installation; made now if there is none yet.
    ///
    /// # Errors
    /// As [`signer_known`](Self::signer_known).
    pub(super) async fn signer(&self, caller: &Caller) -> Result<Signer, Error> {
        own(self.db(), self.vault(), caller, self.clock().now()).await
    }
}

async fn known(db: &Database, vault: &Vault) -> Result<Option<Signer>, Error> {
    let Some(row) = rows::get(db, PURPOSE).await? else { return Ok(None) };
    let signer = opened(vault, &row.sealed)?;
    if !vault.is_current(&row.sealed) {
        let tx = db.begin().await?;
        rows::reseal(&tx, SigningKey { sealed: vault.seal(&CELL, &*signer.secret()), ..row }).await?;
        tx.commit().await?;
    }
    Ok(Some(signer))
}

async fn own(db: &Database, vault: &Vault, caller: &Caller, now: DateTime<Utc>) -> Result<Signer, Error> {
    if let Some(signer) = known(db, vault).await? {
        return Ok(signer);
    }
    let made = Signer::generate();
    let sealed = vault.seal(&CELL, &*made.secret());
    let tx = db.begin().await?;
    rows::insert(&tx, SigningKey { purpose: PURPOSE.to_owned(), sealed, created_at: now }).await?;
    let kept = rows::get(&tx, PURPOSE).await?.ok_or_else(|| Error::internal("keeping a signing key", "it is gone"))?;
    let signer = opened(vault, &kept.sealed)?;
    // Another process may have been first.
    if signer.fingerprint() == made.fingerprint() {
        let object_id = signer.fingerprint().to_string();
        let act = Act { name: "signing_key.create", object_kind: "signing_key", object_id, before: None, after: None };
        audit::write(&tx, caller, now, act).await?;
    }
    tx.commit().await?;
    Ok(signer)
}

fn opened(vault: &Vault, sealed: &[u8]) -> Result<Signer, Error> {
    let secret = vault.open(&CELL, sealed).map_err(|error| match error {
        VaultError::UnknownKey => Error::conflict(
            "the key that signs exports was sealed with another encryption key; start MCPbox with the key that its \
             database was made with",
        ),
        other => other.into(),
    })?;
    Signer::of(&secret).ok_or_else(|| Error::internal("reading a signing key", "it has another length"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::key::MasterKey;
    use crate::db::testing::{at, fresh};

    #[tokio::test]
    async fn the_key_is_made_once_and_stays_when_the_encryption_key_becomes_another_one() -> Result<(), Error> {
        let db = fresh().await;
        let (old, new) = (MasterKey::generate(), MasterKey::generate());
        let caller = Caller::operator();
        let before = Vault::new(&old, &[]);
        assert!(known(&db, &before).await?.is_none());
        let fingerprint = own(&db, &before, &caller, at(0)).await?.fingerprint();
        assert_eq!(own(&db, &before, &caller, at(1)).await?.fingerprint(), fingerprint);

        let without = known(&db, &Vault::new(&new, &[])).await.expect_err("nothing opens it");
        assert!(without.to_string().contains("another encryption key"), "{without}");
        let rotated = Vault::new(&new, &[old]);
        assert_eq!(own(&db, &rotated, &caller, at(2)).await?.fingerprint(), fingerprint);
        // From now on the old key is not needed.
        let known = known(&db, &Vault::new(&new, &[])).await?.expect("it is there");
        assert_eq!(known.fingerprint(), fingerprint);
        Ok(())
    }
}
