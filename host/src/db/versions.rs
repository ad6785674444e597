//! Tool versions: each state of a tool, never changed but for its approval.

use chrono::{DateTime, Utc};
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, Value};

pub use entity::Model as Version;
use entity::{Column, Entity};

use super::error::Doing as _;
use super::page::load;
use super::servers::{self, Server};
use super::tools::{self, Tool};
use super::{Conn, DbError, Page, PageRequest, Texts, Tx, Whole};
use crate::domain::digest::Digest;
use crate::domain::ids::{ToolId, VersionId};
use crate::domain::tool::{ApprovalStatus, ChangeSource, ToolKind};

pub(super) mod entity {
    use sea_orm::entity::prelude::*;

    use super::{ApprovalStatus, ChangeSource, DateTime, Digest, Texts, ToolId, ToolKind, Utc, VersionId, Whole};

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "tool_versions")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: VersionId,
        pub tool_id: ToolId,
        /// From 1.
        pub number: i32,
        pub name: String,
        pub description: String,
        pub kind: ToolKind,
        /// The source is the blob of this digest.
        pub source_digest: Digest,
        pub timeout_ms: Option<Whole>,
        /// JSON Schema.
        pub input_schema: String,
        /// JSON Schema.
        pub output_schema: Option<String>,
        /// Hosts that the version asks for, as `HostGrant` prints them.
        pub hosts: Texts,
        pub modules: Texts,
        pub secret_names: Texts,
        /// What an approval covers.
        pub digest: Digest,
        pub approval_status: ApprovalStatus,
        pub publish_notes: Option<String>,
        pub submitted_at: Option<DateTime<Utc>>,
        pub reviewed_at: Option<DateTime<Utc>>,
        pub reviewed_by: Option<String>,
        pub rejection_reason: Option<String>,
        pub change_source: ChangeSource,
        pub change_summary: String,
        pub created_by: String,
        pub created_at: DateTime<Utc>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {
        #[sea_orm(
            belongs_to = "super::tools::entity::Entity",
            from = "Column::ToolId",
            to = "super::tools::entity::Column::Id"
        )]
        Tool,
    }

    impl Related<super::tools::entity::Entity> for Entity {
        fn to() -> RelationDef {
            Relation::Tool.def()
        }
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// A version with the tool and the server that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    pub server: Server,
    pub tool: Tool,
    pub version: Version,
}

/// A person's decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Review {
    pub status: ApprovalStatus,
    pub reviewed_at: DateTime<Utc>,
    pub reviewed_by: String,
    pub rejection_reason: Option<String>,
}

/// # Errors
/// [`DbError::Conflict`] when the tool has a version of this number.
pub async fn insert(tx: &Tx, version: Version) -> Result<(), DbError> {
    let done = Entity::insert(entity::ActiveModel::from(version)).exec_without_returning(tx.inner()).await;
    done.map(drop).writing("insert a version", "a version with this number", "tool or source")
}

pub async fn by_id(db: &impl Conn, id: VersionId) -> Result<Option<Version>, DbError> {
    Entity::find_by_id(id).one(&db.on()).await.doing("read a version")
}

pub async fn by_number(db: &impl Conn, tool_id: ToolId, number: i32) -> Result<Option<Version>, DbError> {
    let query = Entity::find().filter(Column::ToolId.eq(tool_id)).filter(Column::Number.eq(number));
    query.one(&db.on()).await.doing("read a version")
}

pub async fn latest(db: &impl Conn, tool_id: ToolId) -> Result<Option<Version>, DbError> {
    let query = Entity::find().filter(Column::ToolId.eq(tool_id)).order_by_desc(Column::Number);
    query.one(&db.on()).await.doing("read a version")
}

/// The versions of a tool, newest first.
pub async fn of_tool(db: &impl Conn, tool_id: ToolId, page: &PageRequest) -> Result<Page<Version>, DbError> {
    let query = Entity::find().filter(Column::ToolId.eq(tool_id)).order_by_desc(Column::Number);
    load(query, &db.on(), page, "list the versions of a tool").await
}

/// The versions of all tools in one state, oldest first.
pub async fn by_status(db: &impl Conn, status: ApprovalStatus, page: &PageRequest) -> Result<Page<Located>, DbError> {
    let query = Entity::find()
        .find_also_related(tools::entity::Entity)
        .find_also(tools::entity::Entity, servers::entity::Entity)
        .filter(Column::ApprovalStatus.eq(status))
        .order_by_asc(Column::Id);
    let Page { items, total, page, page_size } = load(query, &db.on(), page, "list the versions in one state").await?;
    // Foreign keys see to it that a version has its tool, and the tool its server.
    let items = items
        .into_iter()
        .filter_map(|(version, tool, server)| Some(Located { server: server?, tool: tool?, version }))
        .collect();
    Ok(Page { items, total, page, page_size })
}

/// The author asks for review. Whether the version still was in state `from`.
pub async fn submit(
    tx: &Tx,
    id: VersionId,
    from: ApprovalStatus,
    notes: Option<String>,
    at: DateTime<Utc>,
) -> Result<bool, DbError> {
    let done = Entity::update_many()
        .col_expr(Column::ApprovalStatus, ApprovalStatus::PendingReview.into())
        .col_expr(Column::PublishNotes, Value::from(notes).into())
        .col_expr(Column::SubmittedAt, at.into())
        .filter(Column::Id.eq(id))
        .filter(Column::ApprovalStatus.eq(from))
        .exec(tx.inner())
        .await;
    Ok(done.doing("submit a version")?.rows_affected == 1)
}

/// A person decides. Whether the version still was in state `from`: of two people who decide at the
/// same time, one is told that the other was first.
pub async fn review(tx: &Tx, id: VersionId, from: ApprovalStatus, review: Review) -> Result<bool, DbError> {
    let done = Entity::update_many()
        .col_expr(Column::ApprovalStatus, review.status.into())
        .col_expr(Column::ReviewedAt, review.reviewed_at.into())
        .col_expr(Column::ReviewedBy, review.reviewed_by.into())
        .col_expr(Column::RejectionReason, Value::from(review.rejection_reason).into())
        .filter(Column::Id.eq(id))
        .filter(Column::ApprovalStatus.eq(from))
        .exec(tx.inner())
        .await;
    Ok(done.doing("review a version")?.rows_affected == 1)
}

/// Versions of the tool that wait for review become drafts: a newer one takes their place. How many.
pub async fn withdraw_pending(tx: &Tx, tool_id: ToolId) -> Result<u64, DbError> {
    let done = Entity::update_many()
        .col_expr(Column::ApprovalStatus, ApprovalStatus::Draft.into())
        .filter(Column::ToolId.eq(tool_id))
        .filter(Column::ApprovalStatus.eq(ApprovalStatus::PendingReview))
        .exec(tx.inner())
        .await;
    Ok(done.doing("withdraw versions from review")?.rows_affected)
}
