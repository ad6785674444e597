//! Tool versions: each state of a tool, never changed but for its approval.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{ColumnTrait as _, Condition, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _};

pub use entity::Model as Version;
use entity::{Column, Entity};

use super::error::Doing as _;
use super::page::load;
use super::servers::{self, Server};
use super::tools::{self, Tool};
use super::{Conn, DbError, Exports, Page, PageRequest, Search, Texts, Tx, Whole};
use crate::domain::component::Surface;
use crate::domain::digest::Digest;
use crate::domain::ids::{ServerId, ToolId, VersionId};
use crate::domain::tool::{ApprovalStatus, ChangeSource, ToolKind};

pub(super) mod entity {
    use sea_orm::entity::prelude::*;

    use super::{
        ApprovalStatus, ChangeSource, DateTime, Digest, Exports, Surface, Texts, ToolId, ToolKind, Utc, VersionId,
        Whole,
    };

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
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
        /// The source, or the component, is the blob of this digest.
        pub source_digest: Digest,
        pub timeout_ms: Option<Whole>,
        /// JSON Schema.
        pub input_schema: String,
        /// JSON Schema.
        pub output_schema: Option<String>,
        /// The tools of a component.
        pub exports: Exports,
        /// Of a component.
        pub surface: Option<Surface>,
        /// Hosts that the version asks for, as `HostGrant` prints them.
        pub hosts: Texts,
        pub modules: Texts,
        pub secret_names: Texts,
        /// What an approval covers.
        pub digest: Digest,
        pub approval_status: ApprovalStatus,
        pub publish_notes: Option<String>,
        pub submitted_at: Option<DateTime<Utc>>,
        pub submitted_by: Option<String>,
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
#[derive(Clone, Debug, PartialEq)]
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

/// The newest version of each of these tools, in no order.
pub async fn latest_of(db: &impl Conn, tools: &[ToolId]) -> Result<Vec<Version>, DbError> {
    let is_newest =
        Expr::col((Entity, Column::Number)).equals((tools::entity::Entity, tools::entity::Column::LatestVersion));
    let query = Entity::find()
        .inner_join(tools::entity::Entity)
        .filter(Column::ToolId.is_in(tools.iter().copied()))
        .filter(is_newest);
    query.all(&db.on()).await.doing("read the newest versions of some tools")
}

/// The numbers of these versions.
pub async fn numbers(db: &impl Conn, ids: &[VersionId]) -> Result<HashMap<VersionId, i32>, DbError> {
    let query = Entity::find()
        .select_only()
        .columns([Column::Id, Column::Number])
        .filter(Column::Id.is_in(ids.iter().copied()));
    let numbers: Vec<(VersionId, i32)> =
        query.into_tuple().all(&db.on()).await.doing("read the numbers of versions")?;
    Ok(numbers.into_iter().collect())
}

/// What the versions of these tools are made of, each digest once, in order.
pub async fn source_digests(db: &impl Conn, tools: &[ToolId]) -> Result<Vec<Digest>, DbError> {
    let query = Entity::find()
        .select_only()
        .column(Column::SourceDigest)
        .distinct()
        .filter(Column::ToolId.is_in(tools.iter().copied()))
        .order_by_asc(Column::SourceDigest);
    query.into_tuple().all(&db.on()).await.doing("read what some tools are made of")
}

/// The versions of a tool, newest first.
pub async fn of_tool(db: &impl Conn, tool_id: ToolId, page: &PageRequest) -> Result<Page<Version>, DbError> {
    let query = Entity::find().filter(Column::ToolId.eq(tool_id)).order_by_desc(Column::Number);
    load(query, &db.on(), page, "list the versions of a tool").await
}

/// The versions of all tools in one state, oldest first: of each tool the newest one and the one that is
/// called. `search` looks into the names of version and server and the description.
pub async fn by_status(
    db: &impl Conn,
    status: ApprovalStatus,
    search: Option<&Search>,
    page: &PageRequest,
) -> Result<Page<Located>, DbError> {
    let of_tool = |column| Expr::col((tools::entity::Entity, column));
    let counting = Condition::any()
        .add(Expr::col((Entity, Column::Number)).eq(of_tool(tools::entity::Column::LatestVersion)))
        .add(Expr::col((Entity, Column::Id)).eq(of_tool(tools::entity::Column::LiveVersionId)));
    let mut query = Entity::find()
        .find_also_related(tools::entity::Entity)
        .find_also(tools::entity::Entity, servers::entity::Entity)
        .filter(Column::ApprovalStatus.eq(status))
        .filter(counting)
        .order_by_asc(Column::Id);
    if let Some(search) = search {
        query = query.filter(Search::any([
            search.within((Entity, Column::Name)),
            search.within((Entity, Column::Description)),
            search.within((servers::entity::Entity, servers::entity::Column::Name)),
        ]));
    }
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
    by: &str,
    at: DateTime<Utc>,
) -> Result<bool, DbError> {
    let done = Entity::update_many()
        .col_expr(Column::ApprovalStatus, ApprovalStatus::PendingReview.into())
        .col_expr(Column::PublishNotes, notes.into())
        .col_expr(Column::SubmittedAt, at.into())
        .col_expr(Column::SubmittedBy, by.into())
        .filter(Column::Id.eq(id))
        .filter(Column::ApprovalStatus.eq(from))
        .exec(tx.inner())
        .await;
    Ok(done.doing("submit a version")?.rows_affected == 1)
}

/// Who had a hand in a version: who made or submitted it or one of those between it and `approved`, which
/// others have looked at, or one with the same source.
pub async fn authors(
    db: &impl Conn,
    tool_id: ToolId,
    approved: i32,
    source_digest: Digest,
) -> Result<BTreeSet<String>, DbError> {
    let query = Entity::find()
        .select_only()
        .columns([Column::CreatedBy, Column::SubmittedBy])
        .filter(Column::ToolId.eq(tool_id))
        .filter(Condition::any().add(Column::Number.gt(approved)).add(Column::SourceDigest.eq(source_digest)));
    let rows: Vec<(String, Option<String>)> =
        query.into_tuple().all(&db.on()).await.doing("read who wrote a version")?;
    Ok(rows.into_iter().flat_map(|(made, submitted)| [Some(made), submitted]).flatten().collect())
}

/// What the live versions of a server's tools, or of one of them, are made of.
pub async fn live_sources(db: &impl Conn, server: ServerId, tool: Option<ToolId>) -> Result<Vec<Digest>, DbError> {
    let live = Expr::col((Entity, Column::Id)).equals((tools::entity::Entity, tools::entity::Column::LiveVersionId));
    let mut query = Entity::find()
        .inner_join(tools::entity::Entity)
        .select_only()
        .column(Column::SourceDigest)
        .filter(tools::entity::Column::ServerId.eq(server))
        .filter(live);
    if let Some(tool) = tool {
        query = query.filter(Column::ToolId.eq(tool));
    }
    query.into_tuple().all(&db.on()).await.doing("read what live tools are made of")
}

/// How many tools have their newest version in each state.
pub async fn count_by_status(db: &impl Conn) -> Result<HashMap<ApprovalStatus, u64>, DbError> {
    let newest =
        Expr::col((Entity, Column::Number)).equals((tools::entity::Entity, tools::entity::Column::LatestVersion));
    let query = Entity::find()
        .inner_join(tools::entity::Entity)
        .select_only()
        .column(Column::ApprovalStatus)
        .column_as(Column::Id.count(), "versions")
        .filter(newest)
        .group_by(Column::ApprovalStatus);
    let counts: Vec<(ApprovalStatus, Whole)> = query.into_tuple().all(&db.on()).await.doing("count the versions")?;
    Ok(counts.into_iter().map(|(status, count)| (status, count.0)).collect())
}

/// A person decides. Whether the version still was in state `from`: of two people who decide at the
/// same time, one is told that the other was first.
pub async fn review(tx: &Tx, id: VersionId, from: ApprovalStatus, review: Review) -> Result<bool, DbError> {
    let done = Entity::update_many()
        .col_expr(Column::ApprovalStatus, review.status.into())
        .col_expr(Column::ReviewedAt, review.reviewed_at.into())
        .col_expr(Column::ReviewedBy, review.reviewed_by.into())
        .col_expr(Column::RejectionReason, review.rejection_reason.into())
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

#[cfg(test)]
mod tests {
    use super::super::blobs;
    use super::super::testing::{all, at, fresh, furnish, version};
    use super::*;

    #[tokio::test]
    async fn a_version_is_found_as_it_was_inserted() -> Result<(), DbError> {
        let db = fresh().await;
        let tx = db.begin().await?;
        let (_, tool, first) = furnish(&tx, "weather", "forecast").await;
        let second = Version {
            timeout_ms: Some(Whole(u64::MAX)),
            output_schema: Some("true".to_owned()),
            hosts: Texts(vec!["a \"quoted\" ü".to_owned(), String::new()]),
            publish_notes: Some("please".to_owned()),
            ..version(tool.id, 2, first.source_digest)
        };
        insert(&tx, second.clone()).await?;
        tx.commit().await?;
        assert_eq!(by_id(&*db, first.id).await?.as_ref(), Some(&first));
        // What is larger than the column holds is kept as the largest.
        let second = Version { timeout_ms: Some(Whole(i64::MAX as u64)), ..second };
        assert_eq!(latest(&*db, tool.id).await?.as_ref(), Some(&second));
        assert_eq!(by_number(&*db, tool.id, 1).await?.as_ref(), Some(&first));
        assert_eq!(by_number(&*db, tool.id, 3).await?, None);
        assert_eq!(of_tool(&*db, tool.id, &all()).await?.items, [second, first]);
        Ok(())
    }

    #[tokio::test]
    async fn a_number_is_given_once_and_the_source_must_be_kept() -> Result<(), DbError> {
        let db = fresh().await;
        let tx = db.begin().await?;
        let (_, tool, first) = furnish(&tx, "weather", "forecast").await;
        tx.commit().await?;
        let tx = db.begin().await?;
        let again = insert(&tx, version(tool.id, 1, first.source_digest)).await;
        assert!(matches!(again, Err(DbError::Conflict { .. })));
        drop(tx);
        let tx = db.begin().await?;
        let unkept = insert(&tx, version(tool.id, 2, Digest::of(b"unkept"))).await;
        assert!(matches!(unkept, Err(DbError::OwnerGone { .. })));
        Ok(())
    }

    #[tokio::test]
    async fn of_two_decisions_the_first_stands() -> Result<(), DbError> {
        let db = fresh().await;
        let tx = db.begin().await?;
        let (server, tool, row) = furnish(&tx, "weather", "forecast").await;
        furnish(&tx, "weather", "other").await;
        let notes = Some("ready".to_owned());
        assert!(submit(&tx, row.id, ApprovalStatus::Draft, notes.clone(), "local", at(1)).await?);
        assert!(!submit(&tx, row.id, ApprovalStatus::Draft, None, "local", at(2)).await?);
        tx.commit().await?;

        let pending = by_status(&*db, ApprovalStatus::PendingReview, None, &all()).await?;
        let waiting = Version {
            approval_status: ApprovalStatus::PendingReview,
            publish_notes: notes,
            submitted_at: Some(at(1)),
            submitted_by: Some("local".to_owned()),
            ..row.clone()
        };
        assert_eq!(pending.items, [Located { server, tool, version: waiting.clone() }]);
        assert_eq!(pending.total, 1);

        let rejection = Review {
            status: ApprovalStatus::Rejected,
            reviewed_at: at(3),
            reviewed_by: "admin:ada".to_owned(),
            rejection_reason: Some("too curious".to_owned()),
        };
        let approval = Review { status: ApprovalStatus::Approved, rejection_reason: None, ..rejection.clone() };
        let tx = db.begin().await?;
        assert!(review(&tx, row.id, ApprovalStatus::PendingReview, rejection).await?);
        assert!(!review(&tx, row.id, ApprovalStatus::PendingReview, approval).await?);
        tx.commit().await?;
        let rejected = Version {
            approval_status: ApprovalStatus::Rejected,
            reviewed_at: Some(at(3)),
            reviewed_by: Some("admin:ada".to_owned()),
            rejection_reason: Some("too curious".to_owned()),
            ..waiting
        };
        assert_eq!(by_id(&*db, row.id).await?, Some(rejected));
        assert_eq!(by_status(&*db, ApprovalStatus::PendingReview, None, &all()).await?.total, 0);
        Ok(())
    }

    #[tokio::test]
    async fn a_newer_version_takes_the_place_of_one_that_waits() -> Result<(), DbError> {
        let db = fresh().await;
        let tx = db.begin().await?;
        let (_, tool, row) = furnish(&tx, "weather", "forecast").await;
        let (_, other, neighbour) = furnish(&tx, "weather", "other").await;
        submit(&tx, row.id, ApprovalStatus::Draft, None, "local", at(1)).await?;
        submit(&tx, neighbour.id, ApprovalStatus::Draft, None, "local", at(1)).await?;
        assert_eq!(withdraw_pending(&tx, tool.id).await?, 1);
        assert_eq!(withdraw_pending(&tx, tool.id).await?, 0);
        tx.commit().await?;
        let status = |row: Option<Version>| row.map(|row| row.approval_status);
        assert_eq!(status(latest(&*db, tool.id).await?), Some(ApprovalStatus::Draft));
        assert_eq!(status(latest(&*db, other.id).await?), Some(ApprovalStatus::PendingReview));
        Ok(())
    }

    #[tokio::test]
    async fn a_word_of_a_later_release_is_not_guessed() -> Result<(), DbError> {
        use sea_orm::ConnectionTrait as _;
        let db = fresh().await;
        let tx = db.begin().await?;
        let (_, _, row) = furnish(&tx, "weather", "forecast").await;
        let statement = "UPDATE tool_versions SET approval_status = 'blessed'";
        tx.inner().execute_unprepared(statement).await.doing("bless")?;
        let error = by_id(&tx, row.id).await.expect_err("nobody knows what that means");
        assert!(matches!(error, DbError::Query { doing: "read a version", .. }), "{error}");
        Ok(())
    }

    #[tokio::test]
    async fn the_versions_of_a_tool_come_newest_first_page_by_page() -> Result<(), DbError> {
        let db = fresh().await;
        let tx = db.begin().await?;
        let (_, tool, _) = furnish(&tx, "weather", "forecast").await;
        let source = blobs::put(&tx, b"x".to_vec(), at(0)).await?;
        for number in 2..=12 {
            insert(&tx, version(tool.id, number, source)).await?;
        }
        tx.commit().await?;
        let page = of_tool(&*db, tool.id, &PageRequest::new(2, 5, 100)).await?;
        let numbers: Vec<_> = page.items.iter().map(|version| version.number).collect();
        assert_eq!((page.total, numbers), (12, vec![7, 6, 5, 4, 3]));
        Ok(())
    }

    #[tokio::test]
    async fn the_newest_version_of_each_tool_is_the_one_that_the_tool_names() -> Result<(), DbError> {
        let db = fresh().await;
        let tx = db.begin().await?;
        let (_, forecast, first) = furnish(&tx, "weather", "forecast").await;
        let (_, _, neighbour) = furnish(&tx, "weather", "history").await;
        let second = version(forecast.id, 2, first.source_digest);
        insert(&tx, second.clone()).await?;
        let change = tools::ToolChange {
            name: forecast.name,
            enabled: true,
            disabled_exports: Texts::default(),
            latest_version: 2,
            updated_at: at(1),
        };
        tools::update(&tx, forecast.id, change).await?;
        tx.commit().await?;
        let found = latest_of(&*db, &[forecast.id, ToolId::new()]).await?;
        assert_eq!(found.as_slice(), std::slice::from_ref(&second));
        assert_eq!(latest_of(&*db, &[]).await?, []);
        let mut both = latest_of(&*db, &[forecast.id, neighbour.tool_id]).await?;
        both.sort_by_key(|version| version.id);
        assert_eq!(both, [neighbour, second.clone()]);
        let asked = [first.id, second.id, VersionId::new()];
        assert_eq!(numbers(&*db, &asked).await?, HashMap::from([(first.id, 1), (second.id, 2)]));
        Ok(())
    }
}
