//! Calls of MCP clients that became tasks: whose each is, where it stands, and, sealed, what was asked, answered
//! and returned.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::Query;
use sea_orm::{ColumnTrait as _, EntityTrait as _, PaginatorTrait as _, QueryFilter as _, QuerySelect as _};

pub use entity::Model as Task;
use entity::{Column, Entity};

use super::error::Doing as _;
use super::{Conn, DbError, Tx};
use crate::domain::ids::TaskId;
use crate::domain::task::TaskStatus;

pub(super) mod entity {
    use sea_orm::entity::prelude::*;

    use super::{DateTime, TaskId, TaskStatus, Utc};

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "tasks")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: TaskId,
        /// What tells the caller apart from every other.
        pub owner: String,
        pub tool_name: String,
        pub status: TaskStatus,
        /// Sealed.
        pub content: Vec<u8>,
        pub created_at: DateTime<Utc>,
        /// When its status or its questions last changed.
        pub updated_at: DateTime<Utc>,
        /// Until then the process that runs it is believed to be there.
        pub alive_until: DateTime<Utc>,
        /// Later than that for as long as it runs.
        pub expires_at: DateTime<Utc>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub async fn insert(tx: &Tx, task: Task) -> Result<(), DbError> {
    let done = Entity::insert(entity::ActiveModel::from(task)).exec_without_returning(tx.inner()).await;
    done.map(drop).writing("insert a task", "a task of this id", "caller")
}

/// How many this owner has that have not expired.
pub async fn count(db: &impl Conn, owner: &str, now: DateTime<Utc>) -> Result<u64, DbError> {
    let query = Entity::find().filter(Column::Owner.eq(owner)).filter(Column::ExpiresAt.gt(now));
    query.count(&db.on()).await.doing("count the tasks of a caller")
}

/// The task of this id, if it is this owner's.
pub async fn of_owner(db: &impl Conn, owner: &str, id: TaskId) -> Result<Option<Task>, DbError> {
    Entity::find_by_id(id).filter(Column::Owner.eq(owner)).one(&db.on()).await.doing("read a task")
}

/// As [`of_owner`]; nobody else changes it before `tx` ends.
pub async fn lock(tx: &Tx, owner: &str, id: TaskId) -> Result<Option<Task>, DbError> {
    let query = Entity::find_by_id(id).filter(Column::Owner.eq(owner)).lock_exclusive();
    query.one(tx.inner()).await.doing("lock a task")
}

/// Writes what of a task can change.
pub async fn update(tx: &Tx, task: Task) -> Result<(), DbError> {
    let done = Entity::update_many()
        .col_expr(Column::Status, task.status.into())
        .col_expr(Column::Content, task.content.into())
        .col_expr(Column::UpdatedAt, task.updated_at.into())
        .col_expr(Column::AliveUntil, task.alive_until.into())
        .col_expr(Column::ExpiresAt, task.expires_at.into())
        .filter(Column::Id.eq(task.id))
        .filter(Column::Owner.eq(task.owner))
        .exec(tx.inner())
        .await;
    done.map(drop).doing("change a task")
}

/// Deletes up to `limit` tasks that have expired.
pub async fn delete_expired(tx: &Tx, now: DateTime<Utc>, limit: u64) -> Result<u64, DbError> {
    let mut expired = Query::select();
    expired.column(Column::Id).from(Entity).and_where(Column::ExpiresAt.lte(now)).limit(limit);
    let done = Entity::delete_many().filter(Column::Id.in_subquery(expired)).exec(tx.inner()).await;
    Ok(done.doing("delete expired tasks")?.rows_affected)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{at, fresh};
    use super::*;

    fn task(owner: &str, expires: i64) -> Task {
        Task {
            id: TaskId::new(),
            owner: owner.to_owned(),
            tool_name: "s__t".to_owned(),
            status: TaskStatus::Working,
            content: vec![0, 1, 255],
            created_at: at(0),
            updated_at: at(0),
            alive_until: at(30),
            expires_at: at(expires),
        }
    }

    #[tokio::test]
    async fn a_task_is_its_owners_alone_and_is_changed_in_place() -> Result<(), DbError> {
        let db = fresh().await;
        let tx = db.begin().await?;
        let made = task("local", 60);
        insert(&tx, made.clone()).await?;
        assert!(of_owner(&tx, "operator", made.id).await?.is_none());
        let changed = Task {
            status: TaskStatus::Completed,
            content: Vec::new(),
            updated_at: at(5),
            alive_until: at(6),
            expires_at: at(66),
            ..made.clone()
        };
        update(&tx, Task { owner: "operator".to_owned(), ..changed.clone() }).await?;
        assert_eq!(lock(&tx, "local", made.id).await?, Some(made.clone()));
        update(&tx, changed.clone()).await?;
        assert_eq!(of_owner(&tx, "local", made.id).await?, Some(changed));
        Ok(())
    }

    #[tokio::test]
    async fn expired_tasks_count_no_more_and_are_deleted_some_at_a_time() -> Result<(), DbError> {
        let db = fresh().await;
        let tx = db.begin().await?;
        for expires in 1..=5 {
            insert(&tx, task("local", expires)).await?;
        }
        assert_eq!((count(&tx, "local", at(3)).await?, count(&tx, "operator", at(3)).await?), (2, 0));
        let mut counts = Vec::new();
        for _ in 0..3 {
            counts.push(delete_expired(&tx, at(3), 2).await?);
        }
        assert_eq!((counts, count(&tx, "local", at(0)).await?), (vec![2, 1, 0], 2));
        Ok(())
    }
}
