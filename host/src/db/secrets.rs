//! Server secrets: sealed values, which only the vault can open. A placeholder has none yet.

use chrono::{DateTime, Utc};
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _};

pub use entity::Model as Secret;
use entity::{Column, Entity};

use super::error::Doing as _;
use super::page::load;
use super::{Conn, DbError, Page, PageRequest, Tx};
use crate::domain::binding::Binding;
use crate::domain::ids::{SecretId, ServerId};

pub(super) mod entity {
    use sea_orm::entity::prelude::*;

    use super::{Binding, DateTime, SecretId, ServerId, Utc};

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "server_secrets")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: SecretId,
        pub server_id: ServerId,
        pub key_name: String,
        /// None: a placeholder, which waits for a person to set its value.
        pub sealed: Option<Vec<u8>>,
        /// Which requests the host adds it to. None: the tools of the server read it.
        pub binding: Option<Binding>,
        pub description: String,
        pub created_by: String,
        pub created_at: DateTime<Utc>,
        pub updated_at: DateTime<Utc>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// # Errors
/// [`DbError::Conflict`] when the server has a secret of this name, with or without a value.
pub async fn insert(tx: &Tx, secret: Secret) -> Result<(), DbError> {
    let done = Entity::insert(entity::ActiveModel::from(secret)).exec_without_returning(tx.inner()).await;
    done.map(drop).writing("insert a secret", "a secret with this name", "server")
}

pub async fn by_name(db: &impl Conn, server_id: ServerId, key_name: &str) -> Result<Option<Secret>, DbError> {
    let query = Entity::find().filter(Column::ServerId.eq(server_id)).filter(Column::KeyName.eq(key_name));
    query.one(&db.on()).await.doing("read a secret")
}

/// The secret, which no other transaction changes until this one ends.
pub async fn lock(tx: &Tx, server_id: ServerId, key_name: &str) -> Result<Option<Secret>, DbError> {
    let query = Entity::find().filter(Column::ServerId.eq(server_id)).filter(Column::KeyName.eq(key_name));
    query.lock_exclusive().one(tx.inner()).await.doing("lock a secret")
}

/// The secrets of a server by name.
pub async fn of_server(db: &impl Conn, server_id: ServerId, page: &PageRequest) -> Result<Page<Secret>, DbError> {
    let query = Entity::find().filter(Column::ServerId.eq(server_id)).order_by_asc(Column::KeyName);
    load(query, &db.on(), page, "list the secrets of a server").await
}

/// Those of a server's secrets that a call asks for, by name; what the server does not have is left
/// out.
pub async fn named(db: &impl Conn, server_id: ServerId, key_names: &[String]) -> Result<Vec<Secret>, DbError> {
    let query = Entity::find()
        .filter(Column::ServerId.eq(server_id))
        .filter(Column::KeyName.is_in(key_names))
        .order_by_asc(Column::KeyName);
    query.all(&db.on()).await.doing("read the secrets of a call")
}

/// All secrets of a server that have a value, bound or not; as many as one server may have.
pub async fn with_value(db: &impl Conn, server_id: ServerId) -> Result<Vec<Secret>, DbError> {
    let query = Entity::find().filter(Column::ServerId.eq(server_id)).filter(Column::Sealed.is_not_null());
    query.all(&db.on()).await.doing("read the secrets of a call")
}

/// Sets value and binding. Whether there was such a secret. No value makes it a placeholder again.
pub async fn set(
    tx: &Tx,
    id: SecretId,
    sealed: Option<Vec<u8>>,
    binding: Option<Binding>,
    at: DateTime<Utc>,
) -> Result<bool, DbError> {
    let done = Entity::update_many()
        .col_expr(Column::Sealed, sealed.into())
        .col_expr(Column::Binding, binding.into())
        .col_expr(Column::UpdatedAt, at.into())
        .filter(Column::Id.eq(id))
        .exec(tx.inner())
        .await;
    Ok(done.doing("set a secret")?.rows_affected == 1)
}

/// Whether there was such a secret.
pub async fn delete(tx: &Tx, id: SecretId) -> Result<bool, DbError> {
    Ok(Entity::delete_by_id(id).exec(tx.inner()).await.doing("delete a secret")?.rows_affected == 1)
}

#[cfg(test)]
pub(crate) mod testing {
    use super::super::testing::at;
    use super::{Secret, SecretId, ServerId};

    pub(crate) fn placeholder(server_id: ServerId, key_name: &str) -> Secret {
        Secret {
            id: SecretId::new(),
            server_id,
            key_name: key_name.to_owned(),
            sealed: None,
            binding: None,
            description: "for the forecast".to_owned(),
            created_by: "local".to_owned(),
            created_at: at(0),
            updated_at: at(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::servers;
    use super::super::testing::{all, at, fresh, server};
    use super::*;

    #[tokio::test]
    async fn a_placeholder_waits_for_its_value() -> Result<(), DbError> {
        let db = fresh().await;
        let tx = db.begin().await?;
        let (one, two) = (server("one"), server("two"));
        servers::insert(&tx, one.clone()).await?;
        servers::insert(&tx, two.clone()).await?;
        let row = testing::placeholder(one.id, "API_KEY");
        let namesake = testing::placeholder(two.id, "API_KEY");
        insert(&tx, row.clone()).await?;
        insert(&tx, namesake.clone()).await?;
        let binding: Binding = serde_json::from_str(r#"{"host":"api.example.com","query":"key"}"#).expect("a binding");
        assert!(set(&tx, row.id, Some(vec![0, 255, 1]), Some(binding.clone()), at(1)).await?);
        assert!(!set(&tx, SecretId::new(), None, None, at(1)).await?);
        tx.commit().await?;
        let expected =
            Secret { sealed: Some(vec![0, 255, 1]), binding: Some(binding), updated_at: at(1), ..row.clone() };
        assert_eq!(by_name(&*db, one.id, "API_KEY").await?, Some(expected));
        assert_eq!(by_name(&*db, two.id, "API_KEY").await?, Some(namesake));
        let with_a_value: Vec<_> = with_value(&*db, one.id).await?.into_iter().map(|row| row.id).collect();
        assert_eq!(with_a_value, [row.id]);
        assert_eq!(with_value(&*db, two.id).await?, []);
        let tx = db.begin().await?;
        assert!(set(&tx, row.id, None, None, at(2)).await?);
        tx.commit().await?;
        assert_eq!(by_name(&*db, one.id, "API_KEY").await?.map(|row| row.sealed), Some(None));
        Ok(())
    }

    #[tokio::test]
    async fn a_server_has_each_secret_once() -> Result<(), DbError> {
        let db = fresh().await;
        let tx = db.begin().await?;
        let owner = server("one");
        servers::insert(&tx, owner.clone()).await?;
        insert(&tx, testing::placeholder(owner.id, "API_KEY")).await?;
        tx.commit().await?;
        let tx = db.begin().await?;
        let error = insert(&tx, testing::placeholder(owner.id, "API_KEY")).await.expect_err("it is there");
        assert_eq!(error.to_string(), "a secret with this name exists already");
        Ok(())
    }

    #[tokio::test]
    async fn a_call_gets_the_secrets_that_it_names_and_no_others() -> Result<(), DbError> {
        let db = fresh().await;
        let tx = db.begin().await?;
        let (one, two) = (server("one"), server("two"));
        servers::insert(&tx, one.clone()).await?;
        servers::insert(&tx, two.clone()).await?;
        for name in ["C", "A", "B"] {
            insert(&tx, testing::placeholder(one.id, name)).await?;
        }
        insert(&tx, testing::placeholder(two.id, "D")).await?;
        tx.commit().await?;
        let names = |rows: Vec<Secret>| rows.into_iter().map(|row| row.key_name).collect::<Vec<_>>();
        let asked = ["C", "A", "D"].map(str::to_owned);
        assert_eq!(names(named(&*db, one.id, &asked).await?), ["A", "C"]);
        assert_eq!(names(named(&*db, one.id, &[]).await?), [""; 0]);
        assert_eq!(names(of_server(&*db, one.id, &all()).await?.items), ["A", "B", "C"]);
        let tx = db.begin().await?;
        let gone = by_name(&tx, one.id, "A").await?.expect("the secret");
        assert!(delete(&tx, gone.id).await?);
        assert!(!delete(&tx, gone.id).await?);
        tx.commit().await?;
        assert_eq!(names(of_server(&*db, one.id, &all()).await?.items), ["B", "C"]);
        Ok(())
    }
}
