//! API keys; of a key only the digest and its first characters are kept.

use chrono::{DateTime, Utc};
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _};

pub use entity::Model as ApiKey;
use entity::{Column, Entity};

use super::error::Doing as _;
use super::page::load;
use super::{Conn, DbError, Page, PageRequest, Tx};
use crate::domain::ids::ApiKeyId;

pub(super) mod entity {
    use sea_orm::entity::prelude::*;

    use super::{ApiKeyId, DateTime, Utc};

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "api_keys")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: ApiKeyId,
        pub name: String,
        /// SHA-256 of the key, in hexadecimal digits.
        pub key_hash: String,
        /// The first characters, shown in lists.
        pub prefix: String,
        pub created_by: String,
        pub created_at: DateTime<Utc>,
        pub last_used_at: Option<DateTime<Utc>>,
        pub revoked_at: Option<DateTime<Utc>>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// # Errors
/// [`DbError::Conflict`] when the name is taken, also by a revoked key: a name in the audit log
/// stands for one key.
pub async fn insert(tx: &Tx, key: ApiKey) -> Result<(), DbError> {
    let done = Entity::insert(entity::ActiveModel::from(key)).exec_without_returning(tx.inner()).await;
    done.map(drop).writing("insert an API key", "an API key with this name", "administrator")
}

/// The key with this hash, revoked or not.
pub async fn by_hash(db: &impl Conn, key_hash: &str) -> Result<Option<ApiKey>, DbError> {
    Entity::find().filter(Column::KeyHash.eq(key_hash)).one(&db.on()).await.doing("read an API key")
}

pub async fn by_name(db: &impl Conn, name: &str) -> Result<Option<ApiKey>, DbError> {
    Entity::find().filter(Column::Name.eq(name)).one(&db.on()).await.doing("read an API key")
}

pub async fn by_id(db: &impl Conn, id: ApiKeyId) -> Result<Option<ApiKey>, DbError> {
    Entity::find_by_id(id).one(&db.on()).await.doing("read an API key")
}

/// All keys by name, revoked ones too.
pub async fn list(db: &impl Conn, page: &PageRequest) -> Result<Page<ApiKey>, DbError> {
    load(Entity::find().order_by_asc(Column::Name), &db.on(), page, "list the API keys").await
}

/// Whether the key was in force.
pub async fn revoke(tx: &Tx, id: ApiKeyId, at: DateTime<Utc>) -> Result<bool, DbError> {
    let done = Entity::update_many()
        .col_expr(Column::RevokedAt, at.into())
        .filter(Column::Id.eq(id))
        .filter(Column::RevokedAt.is_null())
        .exec(tx.inner())
        .await;
    Ok(done.doing("revoke an API key")?.rows_affected == 1)
}

/// Notes that the key was used. It costs a transaction: whoever calls this does so now and then, not
/// for each request.
pub async fn touch(tx: &Tx, id: ApiKeyId, at: DateTime<Utc>) -> Result<bool, DbError> {
    let done =
        Entity::update_many().col_expr(Column::LastUsedAt, at.into()).filter(Column::Id.eq(id)).exec(tx.inner()).await;
    Ok(done.doing("note the use of an API key")?.rows_affected == 1)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{all, at, fresh};
    use super::*;

    fn key(name: &str, key_hash: &str) -> ApiKey {
        ApiKey {
            id: ApiKeyId::new(),
            name: name.to_owned(),
            key_hash: key_hash.to_owned(),
            prefix: "mbx_key_abcdef".to_owned(),
            created_by: "operator".to_owned(),
            created_at: at(0),
            last_used_at: None,
            revoked_at: None,
        }
    }

    #[tokio::test]
    async fn a_key_is_found_by_its_hash_and_noted_when_used() -> Result<(), DbError> {
        let db = fresh().await;
        let row = key("laptop", "h1");
        let tx = db.begin().await?;
        insert(&tx, row.clone()).await?;
        insert(&tx, key("desktop", "h2")).await?;
        assert!(touch(&tx, row.id, at(5)).await?);
        assert!(!touch(&tx, ApiKeyId::new(), at(5)).await?);
        assert!(revoke(&tx, row.id, at(6)).await?);
        assert!(!revoke(&tx, row.id, at(7)).await?);
        tx.commit().await?;
        let expected = ApiKey { last_used_at: Some(at(5)), revoked_at: Some(at(6)), ..row };
        assert_eq!(by_hash(&*db, "h1").await?.as_ref(), Some(&expected));
        assert_eq!(by_id(&*db, row.id).await?.as_ref(), Some(&expected));
        assert_eq!(by_name(&*db, "laptop").await?, Some(expected));
        assert_eq!(by_hash(&*db, "h3").await?, None);
        let names: Vec<_> = list(&*db, &all()).await?.items.into_iter().map(|key| key.name).collect();
        assert_eq!(names, ["desktop", "laptop"]);
        Ok(())
    }

    #[tokio::test]
    async fn name_and_hash_are_given_once() -> Result<(), DbError> {
        let db = fresh().await;
        let tx = db.begin().await?;
        insert(&tx, key("laptop", "h1")).await?;
        tx.commit().await?;
        for again in [key("laptop", "h2"), key("desktop", "h1")] {
            let tx = db.begin().await?;
            assert!(matches!(insert(&tx, again).await, Err(DbError::Conflict { .. })));
        }
        Ok(())
    }
}
