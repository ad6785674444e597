//! Tools, and which of their versions is called.

use chrono::{DateTime, Utc};
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _, Value};

pub use entity::Model as Tool;
use entity::{Column, Entity};

use super::error::Doing as _;
use super::page::load;
use super::servers::{self, Server};
use super::versions::{self, Located, Version};
use super::{Conn, DbError, Page, PageRequest, Tx};
use crate::domain::digest::Digest;
use crate::domain::ids::{ServerId, ToolId, VersionId};
use crate::domain::tool::ServerStatus;

pub(super) mod entity {
    use sea_orm::entity::prelude::*;

    use super::{DateTime, Digest, ServerId, ToolId, Utc, VersionId};

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "tools")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: ToolId,
        pub server_id: ServerId,
        pub name: String,
        pub enabled: bool,
        /// The number of the newest version.
        pub latest_version: i32,
        /// The approved version that is called.
        pub live_version_id: Option<VersionId>,
        /// The digest that was approved.
        pub live_digest: Option<Digest>,
        pub approved_at: Option<DateTime<Utc>>,
        pub approved_by: Option<String>,
        pub created_by: String,
        pub created_at: DateTime<Utc>,
        pub updated_at: DateTime<Utc>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {
        #[sea_orm(
            belongs_to = "super::servers::entity::Entity",
            from = "Column::ServerId",
            to = "super::servers::entity::Column::Id"
        )]
        Server,
        #[sea_orm(
            belongs_to = "super::versions::entity::Entity",
            from = "Column::LiveVersionId",
            to = "super::versions::entity::Column::Id"
        )]
        LiveVersion,
    }

    impl Related<super::servers::entity::Entity> for Entity {
        fn to() -> RelationDef {
            Relation::Server.def()
        }
    }

    impl Related<super::versions::entity::Entity> for Entity {
        fn to() -> RelationDef {
            Relation::LiveVersion.def()
        }
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// What a person or a model may change of a tool without a new version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolChange {
    pub name: String,
    pub enabled: bool,
    pub latest_version: i32,
    pub updated_at: DateTime<Utc>,
}

/// An approval in force: which version is called, and what was approved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Live {
    pub version_id: VersionId,
    pub digest: Digest,
    pub approved_at: DateTime<Utc>,
    pub approved_by: String,
}

/// What a gateway name leads to, whether or not it may be called now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callable {
    pub server: Server,
    pub tool: Tool,
    /// None: no version is approved.
    pub live: Option<Version>,
}

/// # Errors
/// [`DbError::Conflict`] when the server has a tool of this name.
pub async fn insert(tx: &Tx, tool: Tool) -> Result<(), DbError> {
    let done = Entity::insert(entity::ActiveModel::from(tool)).exec_without_returning(tx.inner()).await;
    done.map(drop).writing("insert a tool", "a tool with this name", "server")
}

pub async fn by_id(db: &impl Conn, id: ToolId) -> Result<Option<Tool>, DbError> {
    Entity::find_by_id(id).one(&db.on()).await.doing("read a tool")
}

/// The tool, which no other transaction changes until this one ends.
pub async fn lock(tx: &Tx, id: ToolId) -> Result<Option<Tool>, DbError> {
    Entity::find_by_id(id).lock_exclusive().one(tx.inner()).await.doing("lock a tool")
}

pub async fn by_name(db: &impl Conn, server_id: ServerId, name: &str) -> Result<Option<Tool>, DbError> {
    let query = Entity::find().filter(Column::ServerId.eq(server_id)).filter(Column::Name.eq(name));
    query.one(&db.on()).await.doing("read a tool")
}

/// The tools of a server by name.
pub async fn of_server(db: &impl Conn, server_id: ServerId, page: &PageRequest) -> Result<Page<Tool>, DbError> {
    let query = Entity::find().filter(Column::ServerId.eq(server_id)).order_by_asc(Column::Name);
    load(query, &db.on(), page, "list the tools of a server").await
}

/// Everything that MCP clients are offered, by server name and tool name: enabled tools of running
/// servers with their live version.
pub async fn live(db: &impl Conn, page: &PageRequest) -> Result<Page<Located>, DbError> {
    let query = Entity::find()
        .find_also_related(servers::entity::Entity)
        .find_also_related(versions::entity::Entity)
        .filter(servers::entity::Column::Status.eq(ServerStatus::Running))
        .filter(Column::Enabled.eq(true))
        .filter(versions::entity::Column::Id.is_not_null())
        .order_by_asc(servers::entity::Column::Name)
        .order_by_asc(Column::Name);
    let Page { items, total, page, page_size } = load(query, &db.on(), page, "list the live tools").await?;
    // The filters turn both left joins into inner ones, so nothing is dropped here.
    let items = items
        .into_iter()
        .filter_map(|(tool, server, version)| Some(Located { server: server?, tool, version: version? }))
        .collect();
    Ok(Page { items, total, page, page_size })
}

/// The tool behind two names, in one query.
pub async fn callable(db: &impl Conn, server_name: &str, tool_name: &str) -> Result<Option<Callable>, DbError> {
    let query = Entity::find()
        .find_also_related(servers::entity::Entity)
        .find_also_related(versions::entity::Entity)
        .filter(servers::entity::Column::Name.eq(server_name))
        .filter(Column::Name.eq(tool_name));
    let row = query.one(&db.on()).await.doing("look a tool up for a call")?;
    Ok(row.and_then(|(tool, server, live)| Some(Callable { server: server?, tool, live })))
}

/// Whether there was such a tool.
///
/// # Errors
/// [`DbError::Conflict`] when the new name is taken.
pub async fn update(tx: &Tx, id: ToolId, change: ToolChange) -> Result<bool, DbError> {
    let done = Entity::update_many()
        .col_expr(Column::Name, change.name.into())
        .col_expr(Column::Enabled, change.enabled.into())
        .col_expr(Column::LatestVersion, change.latest_version.into())
        .col_expr(Column::UpdatedAt, change.updated_at.into())
        .filter(Column::Id.eq(id))
        .exec(tx.inner())
        .await;
    Ok(done.writing("change a tool", "a tool with this name", "server")?.rows_affected == 1)
}

/// Makes a version the one that is called, or none. Whether there was such a tool.
pub async fn set_live(tx: &Tx, id: ToolId, live: Option<Live>, at: DateTime<Utc>) -> Result<bool, DbError> {
    let (version_id, digest, approved_at, approved_by) = match live {
        Some(live) => (Some(live.version_id), Some(live.digest), Some(live.approved_at), Some(live.approved_by)),
        None => (None, None, None, None),
    };
    let done = Entity::update_many()
        .col_expr(Column::LiveVersionId, Value::from(version_id).into())
        .col_expr(Column::LiveDigest, Value::from(digest).into())
        .col_expr(Column::ApprovedAt, Value::from(approved_at).into())
        .col_expr(Column::ApprovedBy, Value::from(approved_by).into())
        .col_expr(Column::UpdatedAt, at.into())
        .filter(Column::Id.eq(id))
        .exec(tx.inner())
        .await;
    Ok(done.doing("set a tool's live version")?.rows_affected == 1)
}

/// Deletes a tool with its versions and requests; the execution log stays. Whether there was one.
pub async fn delete(tx: &Tx, id: ToolId) -> Result<bool, DbError> {
    Ok(Entity::delete_by_id(id).exec(tx.inner()).await.doing("delete a tool")?.rows_affected == 1)
}
