//! Tools, and which of their versions is called.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{
    ColumnTrait as _, EntityTrait as _, JoinType, QueryFilter as _, QueryOrder as _, QuerySelect as _,
    RelationTrait as _,
};

pub use entity::Model as Tool;
use entity::{Column, Entity};

use super::error::Doing as _;
use super::page::load;
use super::servers::{self, Server};
use super::versions::{self, Located, Version};
use super::{Conn, DbError, Page, PageRequest, Texts, Tx, Whole, tool_names};
use crate::domain::digest::Digest;
use crate::domain::ids::{ServerId, ToolId, VersionId};
use crate::domain::tool::ServerStatus;

pub(super) mod entity {
    use sea_orm::entity::prelude::*;

    use super::{DateTime, Digest, ServerId, Texts, ToolId, Utc, VersionId};

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "tools")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: ToolId,
        pub server_id: ServerId,
        pub name: String,
        pub enabled: bool,
        /// Exports that are switched off; of a component.
        pub disabled_exports: Texts,
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
        #[sea_orm(has_many = "super::tool_names::entity::Entity")]
        Name,
    }

    impl Related<super::tool_names::entity::Entity> for Entity {
        fn to() -> RelationDef {
            Relation::Name.def()
        }
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
    pub disabled_exports: Texts,
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
#[derive(Clone, Debug, PartialEq)]
pub struct Callable {
    pub server: Server,
    pub tool: Tool,
    /// None: no version is approved.
    pub live: Option<Version>,
}

impl Tool {
    /// A tool of which nothing is live yet, with one version.
    pub fn new(server_id: ServerId, name: &str, created_by: &str, now: DateTime<Utc>) -> Self {
        Self {
            id: ToolId::new(),
            server_id,
            name: name.to_owned(),
            enabled: true,
            disabled_exports: Texts::default(),
            latest_version: 1,
            live_version_id: None,
            live_digest: None,
            approved_at: None,
            approved_by: None,
            created_by: created_by.to_owned(),
            created_at: now,
            updated_at: now,
        }
    }
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

/// The tools of one page of something else, in no order.
pub async fn by_ids(db: &impl Conn, ids: &[ToolId]) -> Result<Vec<Tool>, DbError> {
    Entity::find().filter(Column::Id.is_in(ids.iter().copied())).all(&db.on()).await.doing("read some tools")
}

/// How many tools there are.
pub async fn count(db: &impl Conn) -> Result<u64, DbError> {
    let query = Entity::find().select_only().column_as(Column::Id.count(), "tools");
    let count: Option<Whole> = query.into_tuple().one(&db.on()).await.doing("count the tools")?;
    Ok(count.map_or(0, |count| count.0))
}

/// How many tools each of these servers has; those that have none are left out.
pub async fn count_by_server(db: &impl Conn, servers: &[ServerId]) -> Result<HashMap<ServerId, u64>, DbError> {
    let query = Entity::find()
        .select_only()
        .column(Column::ServerId)
        .column_as(Column::Id.count(), "tools")
        .filter(Column::ServerId.is_in(servers.iter().copied()))
        .group_by(Column::ServerId);
    let counts: Vec<(ServerId, Whole)> = query.into_tuple().all(&db.on()).await.doing("count the tools of servers")?;
    Ok(counts.into_iter().map(|(server, count)| (server, count.0)).collect())
}

/// The tools of a server, by their ids alone.
pub async fn ids_of_server(db: &impl Conn, server_id: ServerId) -> Result<Vec<ToolId>, DbError> {
    let query = Entity::find().select_only().column(Column::Id).filter(Column::ServerId.eq(server_id));
    query.into_tuple().all(&db.on()).await.doing("list the tools of a server")
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

/// The tool behind two names, in one query. The second is what can be called: the name of a source,
/// or of a component's export, in the live version or in the newest.
pub async fn callable(db: &impl Conn, server_name: &str, name: &str) -> Result<Option<Callable>, DbError> {
    use tool_names::entity as held;
    let same_server = Expr::col((held::Entity, held::Column::ServerId))
        .equals((servers::entity::Entity, servers::entity::Column::Id));
    let query = Entity::find()
        .join(JoinType::InnerJoin, entity::Relation::Name.def())
        .find_also_related(servers::entity::Entity)
        .find_also_related(versions::entity::Entity)
        .filter(servers::entity::Column::Name.eq(server_name))
        .filter(held::Column::Name.eq(name))
        .filter(same_server);
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
        .col_expr(Column::DisabledExports, change.disabled_exports.into())
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
        .col_expr(Column::LiveVersionId, version_id.into())
        .col_expr(Column::LiveDigest, digest.into())
        .col_expr(Column::ApprovedAt, approved_at.into())
        .col_expr(Column::ApprovedBy, approved_by.into())
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

#[cfg(test)]
mod tests {
    use super::super::testing::{all, at, fresh, furnish, server, tool, version};
    use super::super::{blobs, module_requests, network_requests};
    use super::*;

    fn approval(version: &Version) -> Live {
        Live { version_id: version.id, digest: version.digest, approved_at: at(5), approved_by: "admin:ada".to_owned() }
    }

    #[tokio::test]
    async fn a_tool_is_found_by_its_server_and_name() -> Result<(), DbError> {
        let db = fresh().await;
        let tx = db.begin().await?;
        let (server, tool, _) = furnish(&tx, "weather", "forecast").await;
        let (other, namesake, _) = furnish(&tx, "traffic", "forecast").await;
        tx.commit().await?;
        assert_eq!(by_id(&*db, tool.id).await?.as_ref(), Some(&tool));
        assert_eq!(by_name(&*db, server.id, "forecast").await?.as_ref(), Some(&tool));
        assert_eq!(by_name(&*db, other.id, "forecast").await?.as_ref(), Some(&namesake));
        assert_eq!(by_name(&*db, server.id, "other").await?, None);
        assert_eq!(of_server(&*db, server.id, &all()).await?.items, [tool]);
        Ok(())
    }

    #[tokio::test]
    async fn a_server_has_each_tool_name_once_and_must_exist() -> Result<(), DbError> {
        let db = fresh().await;
        let tx = db.begin().await?;
        let (server, ..) = furnish(&tx, "weather", "forecast").await;
        tx.commit().await?;
        let tx = db.begin().await?;
        let error = insert(&tx, tool(server.id, "forecast")).await.expect_err("the name is taken");
        assert_eq!(error.to_string(), "a tool with this name exists already");
        drop(tx);
        let tx = db.begin().await?;
        let error = insert(&tx, tool(ServerId::new(), "forecast")).await.expect_err("there is no such server");
        assert!(matches!(error, DbError::OwnerGone { owner: "server" }), "{error}");
        Ok(())
    }

    #[tokio::test]
    async fn a_change_is_made_to_one_tool() -> Result<(), DbError> {
        let db = fresh().await;
        let tx = db.begin().await?;
        let (_, row, _) = furnish(&tx, "weather", "forecast").await;
        let (_, other, _) = furnish(&tx, "weather", "history").await;
        assert_eq!(lock(&tx, row.id).await?.as_ref(), Some(&row));
        let change = ToolChange {
            name: "outlook".to_owned(),
            enabled: false,
            disabled_exports: Texts(vec!["x".to_owned()]),
            latest_version: 2,
            updated_at: at(1),
        };
        assert!(update(&tx, row.id, change.clone()).await?);
        assert!(!update(&tx, ToolId::new(), change.clone()).await?);
        tx.commit().await?;
        let expected = Tool {
            name: "outlook".to_owned(),
            enabled: false,
            disabled_exports: Texts(vec!["x".to_owned()]),
            latest_version: 2,
            updated_at: at(1),
            ..row.clone()
        };
        assert_eq!(by_id(&*db, row.id).await?, Some(expected));
        assert_eq!(by_id(&*db, other.id).await?.as_ref(), Some(&other));
        let tx = db.begin().await?;
        assert!(matches!(update(&tx, other.id, change).await, Err(DbError::Conflict { .. })));
        Ok(())
    }

    #[tokio::test]
    async fn only_approved_enabled_tools_of_running_servers_are_live() -> Result<(), DbError> {
        let db = fresh().await;
        let tx = db.begin().await?;
        let mut expected = Vec::new();
        for (server_name, tool_name) in [("b", "z"), ("a", "y"), ("a", "x")] {
            let (server, tool, version) = furnish(&tx, server_name, tool_name).await;
            assert!(set_live(&tx, tool.id, Some(approval(&version)), at(6)).await?);
            let tool = by_id(&tx, tool.id).await?.expect("the tool");
            assert_eq!((tool.live_version_id, tool.live_digest), (Some(version.id), Some(version.digest)));
            assert_eq!((tool.approved_at, tool.approved_by.as_deref()), (Some(at(5)), Some("admin:ada")));
            expected.push(Located { server, tool, version });
        }
        expected.reverse();
        furnish(&tx, "a", "never_approved").await;
        let (_, disabled, version) = furnish(&tx, "a", "disabled").await;
        set_live(&tx, disabled.id, Some(approval(&version)), at(6)).await?;
        let change = ToolChange {
            name: disabled.name,
            enabled: false,
            disabled_exports: Texts::default(),
            latest_version: 1,
            updated_at: at(7),
        };
        update(&tx, disabled.id, change).await?;
        let (stopped, of_stopped, version) = furnish(&tx, "c", "x").await;
        set_live(&tx, of_stopped.id, Some(approval(&version)), at(6)).await?;
        servers::set_status(&tx, stopped.id, ServerStatus::Stopped, at(7)).await?;
        tx.commit().await?;

        assert_eq!(live(&*db, &all()).await?.items, expected);
        let second = live(&*db, &PageRequest::new(2, 2, 100)).await?;
        assert_eq!((second.total, second.items), (3, vec![expected[2].clone()]));

        let tx = db.begin().await?;
        assert!(set_live(&tx, expected[0].tool.id, None, at(8)).await?);
        assert!(!set_live(&tx, ToolId::new(), None, at(8)).await?);
        tx.commit().await?;
        let taken_down = by_id(&*db, expected[0].tool.id).await?.expect("the tool");
        let fields =
            (taken_down.live_version_id, taken_down.live_digest, taken_down.approved_at, taken_down.approved_by);
        assert_eq!(fields, (None, None, None, None));
        assert_eq!(live(&*db, &all()).await?.items, expected[1..]);
        Ok(())
    }

    #[tokio::test]
    async fn a_call_finds_the_live_version_not_the_newest() -> Result<(), DbError> {
        let db = fresh().await;
        let tx = db.begin().await?;
        let (server, tool, first) = furnish(&tx, "weather", "forecast").await;
        set_live(&tx, tool.id, Some(approval(&first)), at(6)).await?;
        let source = blobs::put(&tx, b"def main(): return 2".to_vec(), at(7)).await?;
        versions::insert(&tx, version(tool.id, 2, source)).await?;
        let (_, draft, _) = furnish(&tx, "weather", "draft").await;
        tx.commit().await?;
        let tool = by_id(&*db, tool.id).await?.expect("the tool");
        let found = callable(&*db, "weather", "forecast").await?;
        assert_eq!(found, Some(Callable { server: server.clone(), tool, live: Some(first) }));
        let found = callable(&*db, "weather", "draft").await?;
        assert_eq!(found, Some(Callable { server, tool: draft, live: None }));
        assert_eq!(callable(&*db, "weather", "absent").await?, None);
        assert_eq!(callable(&*db, "absent", "forecast").await?, None);
        Ok(())
    }

    #[tokio::test]
    async fn a_tool_takes_along_its_versions_and_requests() -> Result<(), DbError> {
        let db = fresh().await;
        let tx = db.begin().await?;
        let (server, tool, version) = furnish(&tx, "weather", "forecast").await;
        let host = network_requests::testing::pending(server.id, Some(tool.id), "example.com", None);
        let wide = network_requests::testing::pending(server.id, None, "example.com", None);
        network_requests::insert(&tx, host.clone()).await?;
        network_requests::insert(&tx, wide.clone()).await?;
        let module = module_requests::testing::pending(server.id, tool.id, "numpy");
        module_requests::insert(&tx, module.clone()).await?;
        assert!(delete(&tx, tool.id).await?);
        assert!(!delete(&tx, tool.id).await?);
        tx.commit().await?;
        assert_eq!(versions::by_id(&*db, version.id).await?, None);
        assert_eq!(network_requests::by_id(&*db, host.id).await?, None);
        assert_eq!(module_requests::by_id(&*db, module.id).await?, None);
        assert_eq!(network_requests::by_id(&*db, wide.id).await?, Some(wide));
        assert_eq!(servers::by_id(&*db, server.id).await?, Some(server));
        Ok(())
    }

    #[tokio::test]
    async fn pages_of_one_server_hold_no_tools_of_another() -> Result<(), DbError> {
        let db = fresh().await;
        let tx = db.begin().await?;
        let (one, two) = (server("one"), server("two"));
        servers::insert(&tx, one.clone()).await?;
        servers::insert(&tx, two.clone()).await?;
        for number in 0..5 {
            insert(&tx, tool(one.id, &format!("tool{number}"))).await?;
            insert(&tx, tool(two.id, &format!("tool{number}"))).await?;
        }
        tx.commit().await?;
        let page = of_server(&*db, one.id, &PageRequest::new(2, 2, 100)).await?;
        let names: Vec<_> = page.items.iter().map(|tool| (tool.server_id, tool.name.as_str())).collect();
        assert_eq!((page.total, names), (5, vec![(one.id, "tool2"), (one.id, "tool3")]));
        Ok(())
    }

    #[tokio::test]
    async fn tools_are_counted_for_each_server_and_found_by_their_ids() -> Result<(), DbError> {
        let db = fresh().await;
        let tx = db.begin().await?;
        let (weather, forecast, _) = furnish(&tx, "weather", "forecast").await;
        furnish(&tx, "weather", "history").await;
        let (traffic, jams, _) = furnish(&tx, "traffic", "jams").await;
        let empty = server("empty");
        servers::insert(&tx, empty.clone()).await?;
        tx.commit().await?;
        let counts = count_by_server(&*db, &[weather.id, empty.id]).await?;
        assert_eq!(counts, HashMap::from([(weather.id, 2)]));
        assert_eq!(count_by_server(&*db, &[]).await?, HashMap::new());
        let mut found = by_ids(&*db, &[jams.id, forecast.id, ToolId::new()]).await?;
        found.sort_by_key(|tool| tool.id);
        assert_eq!(found, [forecast, jams]);
        assert_eq!(servers::by_ids(&*db, &[traffic.id]).await?, [traffic]);
        assert_eq!(by_ids(&*db, &[]).await?, []);
        Ok(())
    }
}
