//! The audit log: who changed what, when and from where. Rows are only ever added.

use chrono::{DateTime, Utc};
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _};

pub use entity::Model as AuditEntry;
use entity::{Column, Entity};

use super::error::Doing as _;
use super::page::load;
use super::{Conn, DbError, Page, PageRequest, Tx};
use crate::domain::ids::AuditId;

pub(super) mod entity {
    use sea_orm::entity::prelude::*;

    use super::{AuditId, DateTime, Utc};

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "audit")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: AuditId,
        pub at: DateTime<Utc>,
        /// As `Caller` prints itself.
        pub actor: String,
        /// For example `tool.approve`.
        pub action: String,
        pub object_kind: String,
        pub object_id: String,
        /// JSON, without secrets.
        pub before: Option<String>,
        /// JSON, without secrets.
        pub after: Option<String>,
        pub from_address: Option<String>,
        pub request_id: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Belongs in the transaction of the change that it tells of.
pub async fn insert(tx: &Tx, entry: AuditEntry) -> Result<(), DbError> {
    let done = Entity::insert(entity::ActiveModel::from(entry)).exec_without_returning(tx.inner()).await;
    done.map(drop).writing("write to the audit log", "an audit row", "object")
}

/// Everything, newest first.
pub async fn list(db: &impl Conn, page: &PageRequest) -> Result<Page<AuditEntry>, DbError> {
    load(Entity::find().order_by_desc(Column::Id), &db.on(), page, "read the audit log").await
}

/// What happened to one thing, newest first.
pub async fn of_object(
    db: &impl Conn,
    object_kind: &str,
    object_id: &str,
    page: &PageRequest,
) -> Result<Page<AuditEntry>, DbError> {
    let query = Entity::find()
        .filter(Column::ObjectKind.eq(object_kind))
        .filter(Column::ObjectId.eq(object_id))
        .order_by_desc(Column::Id);
    load(query, &db.on(), page, "read the audit log").await
}

#[cfg(test)]
mod tests {
    use super::super::testing::{all, at, fresh};
    use super::*;

    fn entry(object_id: &str) -> AuditEntry {
        AuditEntry {
            id: AuditId::new(),
            at: at(0),
            actor: "admin:ada".to_owned(),
            action: "tool.approve".to_owned(),
            object_kind: "tool".to_owned(),
            object_id: object_id.to_owned(),
            before: None,
            after: Some(r#"{"status":"approved"}"#.to_owned()),
            from_address: Some("127.0.0.1".to_owned()),
            request_id: None,
        }
    }

    #[tokio::test]
    async fn what_happened_is_read_newest_first() -> Result<(), DbError> {
        let db = fresh().await;
        let rows = ["a", "b", "a"].map(entry);
        let tx = db.begin().await?;
        for row in rows.clone() {
            insert(&tx, row).await?;
        }
        let [first, second, third] = rows;
        let again = insert(&tx, first.clone()).await;
        assert!(matches!(again, Err(DbError::Conflict { .. })));
        drop(tx);
        let tx = db.begin().await?;
        for row in [&first, &second, &third] {
            insert(&tx, row.clone()).await?;
        }
        tx.commit().await?;
        assert_eq!(of_object(&*db, "tool", "a", &all()).await?.items, [third.clone(), first.clone()]);
        assert_eq!(of_object(&*db, "server", "a", &all()).await?.total, 0);
        assert_eq!(list(&*db, &PageRequest::new(1, 2, 100)).await?.items, [third, second]);
        assert_eq!(list(&*db, &PageRequest::new(2, 2, 100)).await?.items, [first]);
        Ok(())
    }

    #[tokio::test]
    async fn a_change_that_is_undone_leaves_no_trace_of_itself() -> Result<(), DbError> {
        let db = fresh().await;
        let tx = db.begin().await?;
        insert(&tx, entry("a")).await?;
        drop(tx);
        assert_eq!(list(&*db, &all()).await?.total, 0);
        Ok(())
    }
}
