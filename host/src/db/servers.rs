//! Servers: groups of tools that share secrets and hosts.

use chrono::{DateTime, Utc};
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _};

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

pub async fn by_name(db: &impl Conn, name: &str) -> Result<Option<Server>, DbError> {
    Entity::find().filter(Column::Name.eq(name)).one(&db.on()).await.doing("read a server")
}

/// All servers by name.
pub async fn list(db: &impl Conn, page: &PageRequest) -> Result<Page<Server>, DbError> {
    load(Entity::find().order_by_asc(Column::Name), &db.on(), page, "list the servers").await
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
