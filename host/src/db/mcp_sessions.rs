//! Sessions of MCP clients of the legacy era: whose each is and what was agreed on. Of an id only the digest
//! is kept; the last use is exact to a minute.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::Query;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QuerySelect as _};

pub use entity::Model as McpSession;
use entity::{Column, Entity};

use super::error::Doing as _;
use super::{Conn, DbError, Texts, Tx};

pub(super) mod entity {
    use sea_orm::entity::prelude::*;

    use super::{DateTime, Texts, Utc};

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "mcp_sessions")]
    pub struct Model {
        /// SHA-256 of the id, in hexadecimal digits.
        #[sea_orm(primary_key, auto_increment = false)]
        pub id_hash: String,
        /// What tells the caller apart from every other.
        pub owner: String,
        /// The one server that the session is for; none: all of them.
        pub scope: Option<String>,
        /// The protocol version that was agreed on.
        pub version: String,
        /// What the client can do, a JSON object.
        pub capabilities: String,
        pub client: Option<String>,
        pub log_level: Option<String>,
        /// Addresses of resources.
        pub subscriptions: Texts,
        pub opened_at: DateTime<Utc>,
        /// When the client said that it is ready to be asked; none: not yet.
        pub initialized_at: Option<DateTime<Utc>>,
        pub used_at: DateTime<Utc>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub async fn insert(tx: &Tx, session: McpSession) -> Result<(), DbError> {
    let done = Entity::insert(entity::ActiveModel::from(session)).exec_without_returning(tx.inner()).await;
    done.map(drop).writing("insert an MCP session", "a session of this digest", "caller")
}

/// The session of this id, if it is this owner's.
pub async fn of_owner(db: &impl Conn, owner: &str, id_hash: &str) -> Result<Option<McpSession>, DbError> {
    let found = Entity::find_by_id(id_hash).filter(Column::Owner.eq(owner)).one(&db.on()).await;
    found.doing("read an MCP session")
}

/// As [`of_owner`]; nobody else changes it before `tx` ends.
pub async fn lock(tx: &Tx, owner: &str, id_hash: &str) -> Result<Option<McpSession>, DbError> {
    let query = Entity::find_by_id(id_hash).filter(Column::Owner.eq(owner)).lock_exclusive();
    query.one(tx.inner()).await.doing("lock an MCP session")
}

/// Notes a use. False when there is no such session any more.
pub async fn touch(tx: &Tx, owner: &str, id_hash: &str, at: DateTime<Utc>) -> Result<bool, DbError> {
    let done = Entity::update_many()
        .col_expr(Column::UsedAt, at.into())
        .filter(Column::IdHash.eq(id_hash))
        .filter(Column::Owner.eq(owner))
        .exec(tx.inner())
        .await;
    Ok(done.doing("note the use of an MCP session")?.rows_affected == 1)
}

/// Notes what the client wants to hear of. False when there is no such session any more.
pub async fn wish(
    tx: &Tx,
    owner: &str,
    id_hash: &str,
    log_level: Option<String>,
    subscriptions: Texts,
) -> Result<bool, DbError> {
    let done = Entity::update_many()
        .col_expr(Column::LogLevel, log_level.into())
        .col_expr(Column::Subscriptions, subscriptions.into())
        .filter(Column::IdHash.eq(id_hash))
        .filter(Column::Owner.eq(owner))
        .exec(tx.inner())
        .await;
    Ok(done.doing("note the wishes of an MCP session")?.rows_affected == 1)
}

/// Notes that the client is ready to be asked. False when there is no such session any more.
pub async fn initialize(tx: &Tx, owner: &str, id_hash: &str, at: DateTime<Utc>) -> Result<bool, DbError> {
    let done = Entity::update_many()
        .col_expr(Column::InitializedAt, Some(at).into())
        .filter(Column::IdHash.eq(id_hash))
        .filter(Column::Owner.eq(owner))
        .exec(tx.inner())
        .await;
    Ok(done.doing("note that the client of an MCP session is ready")?.rows_affected == 1)
}

/// Whether there was one to delete.
pub async fn delete(tx: &Tx, owner: &str, id_hash: &str) -> Result<bool, DbError> {
    let done = Entity::delete_by_id(id_hash).filter(Column::Owner.eq(owner)).exec(tx.inner()).await;
    Ok(done.doing("delete an MCP session")?.rows_affected == 1)
}

/// Deletes all sessions of an owner.
pub async fn delete_of_owner(tx: &Tx, owner: &str) -> Result<u64, DbError> {
    let done = Entity::delete_many().filter(Column::Owner.eq(owner)).exec(tx.inner()).await;
    Ok(done.doing("delete the MCP sessions of a caller")?.rows_affected)
}

/// Deletes up to `limit` sessions that were last used before `before`.
pub async fn delete_unused(tx: &Tx, before: DateTime<Utc>, limit: u64) -> Result<u64, DbError> {
    let mut unused = Query::select();
    unused.column(Column::IdHash).from(Entity).and_where(Column::UsedAt.lt(before)).limit(limit);
    let done = Entity::delete_many().filter(Column::IdHash.in_subquery(unused)).exec(tx.inner()).await;
    Ok(done.doing("delete unused MCP sessions")?.rows_affected)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{at, fresh};
    use super::*;

    fn session(id_hash: &str, used: i64) -> McpSession {
        McpSession {
            id_hash: id_hash.to_owned(),
            owner: "local".to_owned(),
            scope: None,
            version: "2025-11-25".to_owned(),
            capabilities: "{}".to_owned(),
            client: None,
            log_level: None,
            subscriptions: Texts::default(),
            opened_at: at(0),
            initialized_at: None,
            used_at: at(used),
        }
    }

    #[tokio::test]
    async fn a_session_is_found_by_its_owner_alone_and_keeps_what_was_wished() -> Result<(), DbError> {
        let db = fresh().await;
        let tx = db.begin().await?;
        insert(&tx, session("a", 1)).await?;
        assert!(matches!(insert(&tx, session("a", 1)).await, Err(DbError::Conflict { .. })));
        drop(tx);
        let tx = db.begin().await?;
        insert(&tx, session("a", 1)).await?;
        assert!(of_owner(&tx, "operator", "a").await?.is_none() && lock(&tx, "operator", "a").await?.is_none());
        assert_eq!(lock(&tx, "local", "a").await?, Some(session("a", 1)));
        assert!(!touch(&tx, "operator", "a", at(9)).await? && !delete(&tx, "operator", "a").await?);
        let (level, uris) = (Some("info".to_owned()), Texts(vec!["x:1".to_owned()]));
        assert!(!wish(&tx, "operator", "a", level.clone(), uris.clone()).await?);
        assert!(touch(&tx, "local", "a", at(5)).await?);
        assert!(wish(&tx, "local", "a", level.clone(), uris.clone()).await?);
        assert!(!initialize(&tx, "operator", "a", at(9)).await? && initialize(&tx, "local", "a", at(2)).await?);
        let expected =
            McpSession { log_level: level, subscriptions: uris, initialized_at: Some(at(2)), ..session("a", 5) };
        assert_eq!(of_owner(&tx, "local", "a").await?, Some(expected));
        insert(&tx, session("b", 1)).await?;
        assert_eq!(delete_of_owner(&tx, "operator").await?, 0);
        assert!(delete(&tx, "local", "a").await?);
        assert_eq!(of_owner(&tx, "local", "a").await?, None);
        assert_eq!(delete_of_owner(&tx, "local").await?, 1);
        Ok(())
    }

    #[tokio::test]
    async fn unused_sessions_are_deleted_some_at_a_time() -> Result<(), DbError> {
        let db = fresh().await;
        let tx = db.begin().await?;
        for n in 0..5 {
            insert(&tx, session(&n.to_string(), n)).await?;
        }
        let mut counts = Vec::new();
        for _ in 0..3 {
            counts.push(delete_unused(&tx, at(3), 2).await?);
        }
        assert_eq!(counts, [2, 1, 0]);
        assert!(of_owner(&tx, "local", "3").await?.is_some());
        Ok(())
    }
}
