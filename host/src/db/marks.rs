//! What tells whether the live tools are still those that were read: small, so that it can be asked for often.

use chrono::{DateTime, Utc};
use sea_orm::{
    ColumnTrait as _, EntityTrait as _, JoinType, QueryFilter as _, QueryOrder as _, QuerySelect as _,
    RelationTrait as _,
};

use super::page::load;
use super::tools::{self, entity::Column};
use super::{Conn, DbError, Page, PageRequest, Texts, servers};
use crate::domain::digest::Digest;
use crate::domain::ids::{ServerId, ToolId, VersionId};
use crate::domain::tool::ServerStatus;

/// What of a live tool can change without its version being another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    pub id: ToolId,
    pub server_id: ServerId,
    pub name: String,
    pub disabled_exports: Texts,
    pub live_version_id: Option<VersionId>,
    pub live_digest: Option<Digest>,
    pub updated_at: DateTime<Utc>,
}

/// The marks of the tools that [`tools::live`] tells of. Versions are never changed, so equal marks mean equal tools.
pub async fn live(db: &impl Conn, page: &PageRequest) -> Result<Page<Mark>, DbError> {
    let query = tools::entity::Entity::find()
        .select_only()
        .columns([
            Column::Id,
            Column::ServerId,
            Column::Name,
            Column::DisabledExports,
            Column::LiveVersionId,
            Column::LiveDigest,
            Column::UpdatedAt,
        ])
        .join(JoinType::InnerJoin, tools::entity::Relation::Server.def())
        .filter(servers::entity::Column::Status.eq(ServerStatus::Running))
        .filter(Column::Enabled.eq(true))
        .filter(Column::LiveVersionId.is_not_null())
        .order_by_asc(Column::Id);
    let page = load(query.into_tuple(), &db.on(), page, "look whether the live tools have changed").await?;
    Ok(page.map(|(id, server_id, name, disabled_exports, live_version_id, live_digest, updated_at)| Mark {
        id,
        server_id,
        name,
        disabled_exports,
        live_version_id,
        live_digest,
        updated_at,
    }))
}
