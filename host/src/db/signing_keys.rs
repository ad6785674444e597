//! The keys with which this installation signs, sealed; only the vault opens them. One for each purpose, made
//! when it is first needed.

use chrono::{DateTime, Utc};
use sea_orm::EntityTrait as _;
use sea_orm::sea_query::OnConflict;

pub use entity::Model as SigningKey;
use entity::{Column, Entity};

use super::error::Doing as _;
use super::{Conn, DbError, Tx};

pub(super) mod entity {
    use sea_orm::entity::prelude::*;

    use super::{DateTime, Utc};

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "signing_keys")]
    pub struct Model {
        /// What it signs.
        #[sea_orm(primary_key, auto_increment = false)]
        pub purpose: String,
        pub sealed: Vec<u8>,
        pub created_at: DateTime<Utc>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub async fn get(db: &impl Conn, purpose: &str) -> Result<Option<SigningKey>, DbError> {
    Entity::find_by_id(purpose.to_owned()).one(&db.on()).await.doing("read a signing key")
}

/// Keeps a key, unless there is one for its purpose.
pub async fn insert(tx: &Tx, key: SigningKey) -> Result<(), DbError> {
    let first = OnConflict::column(Column::Purpose).do_nothing_on([Column::Purpose]).to_owned();
    let row = entity::ActiveModel::from(key);
    let done = Entity::insert(row).on_conflict(first).exec_without_returning(tx.inner()).await;
    match done {
        // Somebody else was first.
        Err(sea_orm::DbErr::RecordNotInserted) => Ok(()),
        other => other.map(drop).doing("keep a signing key"),
    }
}

/// Keeps the same key in another seal.
pub async fn reseal(tx: &Tx, key: SigningKey) -> Result<(), DbError> {
    let again = OnConflict::column(Column::Purpose).update_column(Column::Sealed).to_owned();
    let row = entity::ActiveModel::from(key);
    let done = Entity::insert(row).on_conflict(again).exec_without_returning(tx.inner()).await;
    done.map(drop).doing("seal a signing key anew")
}

#[cfg(test)]
mod tests {
    use super::super::testing::{at, fresh};
    use super::*;

    fn key(sealed: &[u8]) -> SigningKey {
        SigningKey { purpose: "export".to_owned(), sealed: sealed.to_owned(), created_at: at(0) }
    }

    #[tokio::test]
    async fn the_first_key_stays_and_is_sealed_anew() -> Result<(), DbError> {
        let db = fresh().await;
        let tx = db.begin().await?;
        insert(&tx, key(b"first")).await?;
        insert(&tx, key(b"second")).await?;
        assert_eq!(get(&tx, "export").await?, Some(key(b"first")));
        reseal(&tx, key(b"third")).await?;
        tx.commit().await?;
        assert_eq!(get(&*db, "export").await?, Some(key(b"third")));
        assert_eq!(get(&*db, "other").await?, None);
        Ok(())
    }
}
