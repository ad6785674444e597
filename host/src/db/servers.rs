//! Servers: groups of tools that share secrets and hosts.

use chrono::{DateTime, Utc};
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _};

pub use entity::Model as Server;
use entity::{Column, Entity};

use super::error::Doing as _;
use super::page::load;
use super::{Conn, DbError, Page, PageRequest, Tx, Whole};
use crate::domain::ids::ServerId;
use crate::domain::tool::ServerStatus;

pub(super) mod entity {
    use sea_orm::entity::prelude::*;

    use super::{DateTime, ServerId, ServerStatus, Utc, Whole};

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "servers")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: ServerId,
        pub name: String,
        pub description: String,
        pub status: ServerStatus,
        /// For tools that set no time of their own.
        pub default_timeout_ms: Option<Whole>,
        pub created_by: String,
        pub created_at: DateTime<Utc>,
        pub updated_at: DateTime<Utc>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// What a person or a model may change of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerChange {
    pub name: String,
    pub description: String,
    pub default_timeout_ms: Option<Whole>,
    pub updated_at: DateTime<Utc>,
}

/// # Errors
/// [`DbError::Conflict`] when the name is taken.
pub async fn insert(tx: &Tx, server: Server) -> Result<(), DbError> {
    let done = Entity::insert(entity::ActiveModel::from(server)).exec_without_returning(tx.inner()).await;
    done.map(drop).writing("insert a server", "a server with this name", "server")
}

pub async fn by_id(db: &impl Conn, id: ServerId) -> Result<Option<Server>, DbError> {
    Entity::find_by_id(id).one(&db.on()).await.doing("read a server")
}

/// The server, which nobody else changes, and to which nobody adds, until the transaction ends.
pub async fn lock(tx: &Tx, id: ServerId) -> Result<Option<Server>, DbError> {
    Entity::find_by_id(id).lock_exclusive().one(tx.inner()).await.doing("lock a server")
}

/// The servers of one page of something else, in no order.
pub async fn by_ids(db: &impl Conn, ids: &[ServerId]) -> Result<Vec<Server>, DbError> {
    Entity::find().filter(Column::Id.is_in(ids.iter().copied())).all(&db.on()).await.doing("read some servers")
}

pub async fn by_name(db: &impl Conn, name: &str) -> Result<Option<Server>, DbError> {
    Entity::find().filter(Column::Name.eq(name)).one(&db.on()).await.doing("read a server")
}

/// All servers by name.
pub async fn list(db: &impl Conn, page: &PageRequest) -> Result<Page<Server>, DbError> {
    load(Entity::find().order_by_asc(Column::Name), &db.on(), page, "list the servers").await
}

/// Those that run, by name.
pub async fn running(db: &impl Conn, page: &PageRequest) -> Result<Page<Server>, DbError> {
    let query = Entity::find().filter(Column::Status.eq(ServerStatus::Running)).order_by_asc(Column::Name);
    load(query, &db.on(), page, "list the running servers").await
}

/// Whether there was such a server.
///
/// # Errors
/// [`DbError::Conflict`] when the new name is taken.
pub async fn update(tx: &Tx, id: ServerId, change: ServerChange) -> Result<bool, DbError> {
    let done = Entity::update_many()
        .col_expr(Column::Name, change.name.into())
        .col_expr(Column::Description, change.description.into())
        .col_expr(Column::DefaultTimeoutMs, change.default_timeout_ms.into())
        .col_expr(Column::UpdatedAt, change.updated_at.into())
        .filter(Column::Id.eq(id))
        .exec(tx.inner())
        .await;
    Ok(done.writing("change a server", "a server with this name", "server")?.rows_affected == 1)
}

/// Whether there was such a server.
pub async fn set_status(tx: &Tx, id: ServerId, status: ServerStatus, at: DateTime<Utc>) -> Result<bool, DbError> {
    let done = Entity::update_many()
        .col_expr(Column::Status, status.into())
        .col_expr(Column::UpdatedAt, at.into())
        .filter(Column::Id.eq(id))
        .exec(tx.inner())
        .await;
    Ok(done.doing("start or stop a server")?.rows_affected == 1)
}

/// Deletes a server with its tools, their versions, its secrets and its requests; the execution log
/// stays. Whether there was one.
pub async fn delete(tx: &Tx, id: ServerId) -> Result<bool, DbError> {
    Ok(Entity::delete_by_id(id).exec(tx.inner()).await.doing("delete a server")?.rows_affected == 1)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{all, at, fresh, furnish, server};
    use super::super::{blobs, network_requests, secrets, tools, versions};
    use super::*;

    #[tokio::test]
    async fn a_server_is_found_as_it_was_inserted() -> Result<(), DbError> {
        let db = fresh().await;
        let row = Server { default_timeout_ms: None, ..server("weather") };
        let tx = db.begin().await?;
        insert(&tx, row.clone()).await?;
        tx.commit().await?;
        assert_eq!(by_id(&*db, row.id).await?.as_ref(), Some(&row));
        assert_eq!(by_name(&*db, "weather").await?, Some(row));
        assert_eq!(by_name(&*db, "Weather").await?, None);
        assert_eq!(by_id(&*db, ServerId::new()).await?, None);
        Ok(())
    }

    #[tokio::test]
    async fn a_name_is_given_once() -> Result<(), DbError> {
        let db = fresh().await;
        let tx = db.begin().await?;
        insert(&tx, server("weather")).await?;
        let other = server("traffic");
        insert(&tx, other.clone()).await?;
        tx.commit().await?;
        let tx = db.begin().await?;
        let error = insert(&tx, server("weather")).await.expect_err("the name is taken");
        assert_eq!(error.to_string(), "a server with this name exists already");
        drop(tx);
        let tx = db.begin().await?;
        let change = ServerChange {
            name: "weather".to_owned(),
            description: String::new(),
            default_timeout_ms: None,
            updated_at: at(1),
        };
        assert!(matches!(update(&tx, other.id, change).await, Err(DbError::Conflict { .. })));
        Ok(())
    }

    #[tokio::test]
    async fn a_change_touches_one_server() -> Result<(), DbError> {
        let db = fresh().await;
        let (one, two) = (server("one"), server("two"));
        let tx = db.begin().await?;
        insert(&tx, one.clone()).await?;
        insert(&tx, two.clone()).await?;
        let change = ServerChange {
            name: "three".to_owned(),
            description: "new".to_owned(),
            default_timeout_ms: None,
            updated_at: at(1),
        };
        assert!(update(&tx, one.id, change.clone()).await?);
        assert!(set_status(&tx, one.id, ServerStatus::Stopped, at(2)).await?);
        assert!(!update(&tx, ServerId::new(), change).await?);
        assert!(!set_status(&tx, ServerId::new(), ServerStatus::Stopped, at(2)).await?);
        tx.commit().await?;
        let expected = Server {
            name: "three".to_owned(),
            description: "new".to_owned(),
            default_timeout_ms: None,
            status: ServerStatus::Stopped,
            updated_at: at(2),
            ..one.clone()
        };
        assert_eq!(by_id(&*db, one.id).await?, Some(expected));
        assert_eq!(by_id(&*db, two.id).await?, Some(two));
        Ok(())
    }

    #[tokio::test]
    async fn pages_follow_the_names_byte_by_byte() -> Result<(), DbError> {
        let db = fresh().await;
        let tx = db.begin().await?;
        for name in ["b", "a_b", "aa", "a1", "ab", "a"] {
            insert(&tx, server(name)).await?;
        }
        tx.commit().await?;
        let mut names = Vec::new();
        for number in 1..=4 {
            let page = list(&*db, &PageRequest::new(number, 2, 100)).await?;
            assert_eq!((page.total, page.page, page.page_size, page.pages()), (6, number, 2, 3));
            names.extend(page.items.into_iter().map(|server| server.name));
        }
        assert_eq!(names, ["a", "a1", "a_b", "aa", "ab", "b"]);
        let far = list(&*db, &PageRequest::new(u64::MAX, 100, 100)).await?;
        assert!(far.items.is_empty());
        Ok(())
    }

    #[tokio::test]
    async fn a_server_takes_along_what_it_owns() -> Result<(), DbError> {
        let db = fresh().await;
        let tx = db.begin().await?;
        let (server, tool, version) = furnish(&tx, "weather", "forecast").await;
        let (_, other_tool, other_version) = furnish(&tx, "traffic", "jams").await;
        let secret = secrets::testing::placeholder(server.id, "API_KEY");
        secrets::insert(&tx, secret.clone()).await?;
        network_requests::insert(&tx, network_requests::testing::pending(server.id, None, "example.com", None)).await?;
        tx.commit().await?;
        let tx = db.begin().await?;
        assert!(delete(&tx, server.id).await?);
        assert!(!delete(&tx, server.id).await?);
        tx.commit().await?;
        assert_eq!(by_id(&*db, server.id).await?, None);
        assert_eq!(tools::by_id(&*db, tool.id).await?, None);
        assert_eq!(versions::by_id(&*db, version.id).await?, None);
        assert_eq!(secrets::by_name(&*db, server.id, "API_KEY").await?, None);
        assert_eq!(network_requests::of_server(&*db, server.id, None, &all()).await?.total, 0);
        // Blobs are shared, and neighbours stay.
        assert!(blobs::get(&*db, version.source_digest).await?.is_some());
        assert_eq!(tools::by_id(&*db, other_tool.id).await?, Some(other_tool));
        assert_eq!(versions::by_id(&*db, other_version.id).await?, Some(other_version));
        Ok(())
    }
}
