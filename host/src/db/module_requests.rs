//! Module requests: the only truth about which modules beyond the standard ones a tool may import.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sea_orm::{ColumnTrait as _, Condition, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _};

pub use entity::Model as ModuleRequest;
use entity::{Column, Entity};

use super::decision::Decision;
use super::error::Doing as _;
use super::page::load;
use super::{Conn, DbError, Page, PageRequest, Search, Tx, Whole};
use crate::domain::ids::{GrantRequestId, ServerId, ToolId};
use crate::domain::request::RequestStatus;

pub(super) mod entity {
    use sea_orm::entity::prelude::*;

    use super::{DateTime, GrantRequestId, RequestStatus, ServerId, ToolId, Utc};

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "module_requests")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: GrantRequestId,
        pub server_id: ServerId,
        pub tool_id: ToolId,
        pub module_name: String,
        pub justification: String,
        pub requested_by: String,
        pub status: RequestStatus,
        pub reviewed_at: Option<DateTime<Utc>>,
        pub reviewed_by: Option<String>,
        pub rejection_reason: Option<String>,
        pub created_at: DateTime<Utc>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// # Errors
/// [`DbError::Conflict`] when the same request is pending already.
pub async fn insert(tx: &Tx, request: ModuleRequest) -> Result<(), DbError> {
    let done = Entity::insert(entity::ActiveModel::from(request)).exec_without_returning(tx.inner()).await;
    done.map(drop).writing("insert a request for a module", "a pending request for this module", "server or tool")
}

pub async fn by_id(db: &impl Conn, id: GrantRequestId) -> Result<Option<ModuleRequest>, DbError> {
    Entity::find_by_id(id).one(&db.on()).await.doing("read a request for a module")
}

/// The newest request of this tool for this module, whatever became of it.
pub async fn newest(db: &impl Conn, tool_id: ToolId, module_name: &str) -> Result<Option<ModuleRequest>, DbError> {
    let query = Entity::find()
        .filter(Column::ToolId.eq(tool_id))
        .filter(Column::ModuleName.eq(module_name))
        .order_by_desc(Column::Id);
    query.one(&db.on()).await.doing("read a request for a module")
}

/// The requests of all servers, oldest first; none: in every state. `search` looks into the module and what
/// it is asked for.
pub async fn by_status(
    db: &impl Conn,
    status: Option<RequestStatus>,
    search: Option<&Search>,
    page: &PageRequest,
) -> Result<Page<ModuleRequest>, DbError> {
    let found = search.map(|search| {
        Search::any([search.within((Entity, Column::ModuleName)), search.within((Entity, Column::Justification))])
    });
    let query = Entity::find().filter(in_state(status)).filter(found.unwrap_or_else(Condition::all));
    load(query.order_by_asc(Column::Id), &db.on(), page, "list the requests for modules").await
}

/// How many requests are in each state.
pub async fn count_by_status(db: &impl Conn) -> Result<HashMap<RequestStatus, u64>, DbError> {
    let query = Entity::find()
        .select_only()
        .column(Column::Status)
        .column_as(Column::Id.count(), "requests")
        .group_by(Column::Status);
    let counts: Vec<(RequestStatus, Whole)> =
        query.into_tuple().all(&db.on()).await.doing("count the requests for modules")?;
    Ok(counts.into_iter().map(|(status, count)| (status, count.0)).collect())
}

/// How many requests of which state there are for each module, by name; at most `most` counts.
pub async fn count_by_module(db: &impl Conn, most: u64) -> Result<Vec<(String, RequestStatus, u64)>, DbError> {
    let query = Entity::find()
        .select_only()
        .column(Column::ModuleName)
        .column(Column::Status)
        .column_as(Column::Id.count(), "requests")
        .group_by(Column::ModuleName)
        .group_by(Column::Status)
        .order_by_asc(Column::ModuleName)
        .order_by_asc(Column::Status)
        .limit(most);
    let counts: Vec<(String, RequestStatus, Whole)> =
        query.into_tuple().all(&db.on()).await.doing("count the requests for each module")?;
    Ok(counts.into_iter().map(|(module, status, count)| (module, status, count.0)).collect())
}

/// The requests of a server's tools, oldest first; none: in every state.
pub async fn of_server(
    db: &impl Conn,
    server_id: ServerId,
    status: Option<RequestStatus>,
    page: &PageRequest,
) -> Result<Page<ModuleRequest>, DbError> {
    let query = Entity::find().filter(Column::ServerId.eq(server_id)).filter(in_state(status));
    load(query.order_by_asc(Column::Id), &db.on(), page, "list the requests of a server for modules").await
}

/// The requests of a tool, oldest first.
pub async fn of_tool(db: &impl Conn, tool_id: ToolId, page: &PageRequest) -> Result<Page<ModuleRequest>, DbError> {
    let query = Entity::find().filter(Column::ToolId.eq(tool_id)).order_by_asc(Column::Id);
    load(query, &db.on(), page, "list the requests of a tool for modules").await
}

/// The modules that were approved for a tool, oldest first; as many as people approved.
pub async fn approved_for(db: &impl Conn, tool_id: ToolId) -> Result<Vec<ModuleRequest>, DbError> {
    let query = Entity::find()
        .filter(Column::ToolId.eq(tool_id))
        .filter(Column::Status.eq(RequestStatus::Approved))
        .order_by_asc(Column::Id);
    query.all(&db.on()).await.doing("read the approved modules of a tool")
}

/// The modules that were approved for any tool, by name, each once; at most `most`.
pub async fn approved_modules(db: &impl Conn, most: u64) -> Result<Vec<String>, DbError> {
    let query = Entity::find()
        .select_only()
        .column(Column::ModuleName)
        .filter(Column::Status.eq(RequestStatus::Approved))
        .group_by(Column::ModuleName)
        .order_by_asc(Column::ModuleName)
        .limit(most);
    query.into_tuple().all(&db.on()).await.doing("list the approved modules")
}

/// A person decides. Whether the request still was in state `from`.
pub async fn decide(tx: &Tx, id: GrantRequestId, from: RequestStatus, decision: Decision) -> Result<bool, DbError> {
    let done = Entity::update_many()
        .col_expr(Column::Status, decision.status.into())
        .col_expr(Column::ReviewedAt, decision.reviewed_at.into())
        .col_expr(Column::ReviewedBy, decision.reviewed_by.into())
        .col_expr(Column::RejectionReason, decision.rejection_reason.into())
        .filter(Column::Id.eq(id))
        .filter(Column::Status.eq(from))
        .exec(tx.inner())
        .await;
    let what = "a pending request for this module";
    Ok(done.writing("decide a request for a module", what, "server or tool")?.rows_affected == 1)
}

/// Whether there was such a request.
pub async fn delete(tx: &Tx, id: GrantRequestId) -> Result<bool, DbError> {
    Ok(Entity::delete_by_id(id).exec(tx.inner()).await.doing("delete a request for a module")?.rows_affected == 1)
}

fn in_state(status: Option<RequestStatus>) -> Condition {
    status.map_or_else(Condition::all, |status| Condition::all().add(Column::Status.eq(status)))
}

#[cfg(test)]
pub(crate) mod testing {
    use super::super::testing::at;
    use super::{GrantRequestId, ModuleRequest, RequestStatus, ServerId, ToolId};

    pub(crate) fn pending(server_id: ServerId, tool_id: ToolId, module_name: &str) -> ModuleRequest {
        ModuleRequest {
            id: GrantRequestId::new(),
            server_id,
            tool_id,
            module_name: module_name.to_owned(),
            justification: "to average the temperatures".to_owned(),
            requested_by: "local".to_owned(),
            status: RequestStatus::Pending,
            reviewed_at: None,
            reviewed_by: None,
            rejection_reason: None,
            created_at: at(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{all, at, fresh, furnish};
    use super::testing::pending;
    use super::*;

    fn decision(status: RequestStatus) -> Decision {
        Decision { status, reviewed_at: at(1), reviewed_by: "admin:ada".to_owned(), rejection_reason: None }
    }

    #[tokio::test]
    async fn the_same_request_waits_once() -> Result<(), DbError> {
        let db = fresh().await;
        let tx = db.begin().await?;
        let (server, tool, _) = furnish(&tx, "weather", "forecast").await;
        let (_, neighbour, _) = furnish(&tx, "weather", "history").await;
        let first = pending(server.id, tool.id, "numpy");
        insert(&tx, first.clone()).await?;
        insert(&tx, pending(server.id, neighbour.id, "numpy")).await?;
        tx.commit().await?;
        let tx = db.begin().await?;
        let error = insert(&tx, pending(server.id, tool.id, "numpy")).await.expect_err("one waits already");
        assert_eq!(error.to_string(), "a pending request for this module exists already");
        drop(tx);
        let tx = db.begin().await?;
        assert!(decide(&tx, first.id, RequestStatus::Pending, decision(RequestStatus::Rejected)).await?);
        let second = pending(server.id, tool.id, "numpy");
        insert(&tx, second.clone()).await?;
        tx.commit().await?;
        assert_eq!(newest(&*db, tool.id, "numpy").await?, Some(second));
        assert_eq!(newest(&*db, tool.id, "pandas").await?, None);
        Ok(())
    }

    #[tokio::test]
    async fn only_approved_modules_of_the_tool_are_granted() -> Result<(), DbError> {
        let db = fresh().await;
        let tx = db.begin().await?;
        let (server, tool, _) = furnish(&tx, "weather", "forecast").await;
        let (_, neighbour, _) = furnish(&tx, "weather", "history").await;
        let mut ids = Vec::new();
        for (tool_id, name) in [(tool.id, "numpy"), (tool.id, "pandas"), (neighbour.id, "yaml")] {
            let row = pending(server.id, tool_id, name);
            insert(&tx, row.clone()).await?;
            ids.push(row.id);
        }
        assert!(decide(&tx, ids[0], RequestStatus::Pending, decision(RequestStatus::Approved)).await?);
        assert!(decide(&tx, ids[2], RequestStatus::Pending, decision(RequestStatus::Approved)).await?);
        assert!(!decide(&tx, ids[2], RequestStatus::Pending, decision(RequestStatus::Rejected)).await?);
        tx.commit().await?;
        let names = |rows: Vec<ModuleRequest>| rows.into_iter().map(|row| row.module_name).collect::<Vec<_>>();
        assert_eq!(names(approved_for(&*db, tool.id).await?), ["numpy"]);
        assert_eq!(names(of_tool(&*db, tool.id, &all()).await?.items), ["numpy", "pandas"]);
        assert_eq!(names(of_server(&*db, server.id, None, &all()).await?.items), ["numpy", "pandas", "yaml"]);
        assert_eq!(names(by_status(&*db, Some(RequestStatus::Pending), None, &all()).await?.items), ["pandas"]);
        assert_eq!(approved_modules(&*db, 10).await?, ["numpy", "yaml"]);
        let counts = count_by_module(&*db, 10).await?;
        let counts: Vec<_> = counts.iter().map(|(module, status, count)| (module.as_str(), *status, *count)).collect();
        let expected = [
            ("numpy", RequestStatus::Approved, 1),
            ("pandas", RequestStatus::Pending, 1),
            ("yaml", RequestStatus::Approved, 1),
        ];
        assert_eq!(counts, expected);
        let tx = db.begin().await?;
        assert!(delete(&tx, ids[1]).await?);
        assert!(!delete(&tx, ids[1]).await?);
        assert_eq!(by_id(&tx, ids[1]).await?, None);
        assert_eq!(by_id(&tx, ids[0]).await?.and_then(|row| row.reviewed_by), Some("admin:ada".to_owned()));
        Ok(())
    }
}
