//! Network access requests: the only truth about which hosts a tool may reach.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sea_orm::{ColumnTrait as _, Condition, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _};

pub use entity::Model as NetworkRequest;
use entity::{Column, Entity};

use super::decision::Decision;
use super::error::Doing as _;
use super::page::load;
use super::{Conn, DbError, Page, PageRequest, Port, Search, Tx, Whole};
use crate::domain::ids::{GrantRequestId, ServerId, ToolId};
use crate::domain::request::RequestStatus;

pub(super) mod entity {
    use sea_orm::entity::prelude::*;

    use super::{DateTime, GrantRequestId, Port, RequestStatus, ServerId, ToolId, Utc};

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "network_access_requests")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: GrantRequestId,
        pub server_id: ServerId,
        /// None: a host that a person added to the whole server.
        pub tool_id: Option<ToolId>,
        pub host: String,
        /// None: any port.
        pub port: Option<Port>,
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
pub async fn insert(tx: &Tx, request: NetworkRequest) -> Result<(), DbError> {
    let done = Entity::insert(entity::ActiveModel::from(request)).exec_without_returning(tx.inner()).await;
    done.map(drop).writing("insert a request for a host", "a pending request for this host", "server or tool")
}

pub async fn by_id(db: &impl Conn, id: GrantRequestId) -> Result<Option<NetworkRequest>, DbError> {
    Entity::find_by_id(id).one(&db.on()).await.doing("read a request for a host")
}

/// The newest request for exactly this host and port by this tool (none: for the whole server),
/// whatever became of it.
pub async fn newest(
    db: &impl Conn,
    server_id: ServerId,
    tool_id: Option<ToolId>,
    host: &str,
    port: Option<Port>,
) -> Result<Option<NetworkRequest>, DbError> {
    let query = Entity::find()
        .filter(Column::ServerId.eq(server_id))
        .filter(tool_id.map_or_else(|| Column::ToolId.is_null(), |id| Column::ToolId.eq(id)))
        .filter(Column::Host.eq(host))
        .filter(port.map_or_else(|| Column::Port.is_null(), |port| Column::Port.eq(port)))
        .order_by_desc(Column::Id);
    query.one(&db.on()).await.doing("read a request for a host")
}

/// The requests of all servers, oldest first; none: in every state. `search` looks into the host and what
/// it is asked for.
pub async fn by_status(
    db: &impl Conn,
    status: Option<RequestStatus>,
    search: Option<&Search>,
    page: &PageRequest,
) -> Result<Page<NetworkRequest>, DbError> {
    let found = search.map(|search| {
        Search::any([search.within((Entity, Column::Host)), search.within((Entity, Column::Justification))])
    });
    let query = Entity::find().filter(in_state(status)).filter(found.unwrap_or_else(Condition::all));
    load(query.order_by_asc(Column::Id), &db.on(), page, "list the requests for hosts").await
}

/// How many requests are in each state.
pub async fn count_by_status(db: &impl Conn) -> Result<HashMap<RequestStatus, u64>, DbError> {
    let query = Entity::find()
        .select_only()
        .column(Column::Status)
        .column_as(Column::Id.count(), "requests")
        .group_by(Column::Status);
    let counts: Vec<(RequestStatus, Whole)> =
        query.into_tuple().all(&db.on()).await.doing("count the requests for hosts")?;
    Ok(counts.into_iter().map(|(status, count)| (status, count.0)).collect())
}

/// The requests of a server and its tools, oldest first; none: in every state.
pub async fn of_server(
    db: &impl Conn,
    server_id: ServerId,
    status: Option<RequestStatus>,
    page: &PageRequest,
) -> Result<Page<NetworkRequest>, DbError> {
    let query = Entity::find().filter(Column::ServerId.eq(server_id)).filter(in_state(status));
    load(query.order_by_asc(Column::Id), &db.on(), page, "list the requests of a server for hosts").await
}

/// The requests of a tool, oldest first, without those for its whole server.
pub async fn of_tool(db: &impl Conn, tool_id: ToolId, page: &PageRequest) -> Result<Page<NetworkRequest>, DbError> {
    let query = Entity::find().filter(Column::ToolId.eq(tool_id)).order_by_asc(Column::Id);
    load(query, &db.on(), page, "list the requests of a tool for hosts").await
}

/// What a tool may reach: its own approved requests and those for its whole server, oldest first.
/// All of them, because a grant that is left out would refuse what was approved; there are as many
/// as people approved.
pub async fn approved_for(
    db: &impl Conn,
    server_id: ServerId,
    tool_id: ToolId,
) -> Result<Vec<NetworkRequest>, DbError> {
    let query = Entity::find()
        .filter(Column::ServerId.eq(server_id))
        .filter(Condition::any().add(Column::ToolId.eq(tool_id)).add(Column::ToolId.is_null()))
        .filter(Column::Status.eq(RequestStatus::Approved))
        .order_by_asc(Column::Id);
    query.all(&db.on()).await.doing("read the approved hosts of a tool")
}

/// What people opened to whole servers, oldest first; as many as people opened.
pub async fn approved_for_servers(db: &impl Conn, servers: &[ServerId]) -> Result<Vec<NetworkRequest>, DbError> {
    let query = Entity::find()
        .filter(Column::ServerId.is_in(servers.iter().copied()))
        .filter(Column::ToolId.is_null())
        .filter(Column::Status.eq(RequestStatus::Approved))
        .order_by_asc(Column::Id);
    query.all(&db.on()).await.doing("read the hosts of servers")
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
    let what = "a pending request for this host";
    Ok(done.writing("decide a request for a host", what, "server or tool")?.rows_affected == 1)
}

/// Whether there was such a request.
pub async fn delete(tx: &Tx, id: GrantRequestId) -> Result<bool, DbError> {
    Ok(Entity::delete_by_id(id).exec(tx.inner()).await.doing("delete a request for a host")?.rows_affected == 1)
}

fn in_state(status: Option<RequestStatus>) -> Condition {
    status.map_or_else(Condition::all, |status| Condition::all().add(Column::Status.eq(status)))
}

#[cfg(test)]
pub(crate) mod testing {
    use super::super::testing::at;
    use super::{GrantRequestId, NetworkRequest, Port, RequestStatus, ServerId, ToolId};

    pub(crate) fn pending(
        server_id: ServerId,
        tool_id: Option<ToolId>,
        host: &str,
        port: Option<Port>,
    ) -> NetworkRequest {
        NetworkRequest {
            id: GrantRequestId::new(),
            server_id,
            tool_id,
            host: host.to_owned(),
            port,
            justification: "the forecast comes from there".to_owned(),
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
    async fn the_same_request_waits_once_whether_or_not_it_names_tool_and_port() -> Result<(), DbError> {
        let db = fresh().await;
        let tx = db.begin().await?;
        let (server, tool, _) = furnish(&tx, "weather", "forecast").await;
        let (_, neighbour, _) = furnish(&tx, "weather", "history").await;
        tx.commit().await?;
        let ways = [
            (Some(tool.id), Some(Port(443))),
            (Some(tool.id), None),
            (Some(neighbour.id), None),
            (None, Some(Port(443))),
            (None, None),
        ];
        for (tool_id, port) in ways {
            let tx = db.begin().await?;
            let first = pending(server.id, tool_id, "example.com", port);
            insert(&tx, first.clone()).await?;
            tx.commit().await?;
            let tx = db.begin().await?;
            let again = insert(&tx, pending(server.id, tool_id, "example.com", port)).await;
            assert!(matches!(again, Err(DbError::Conflict { .. })), "{tool_id:?} {port:?}");
            drop(tx);
            // Once decided it no longer stands in the way.
            let tx = db.begin().await?;
            assert!(decide(&tx, first.id, RequestStatus::Pending, decision(RequestStatus::Rejected)).await?);
            let second = pending(server.id, tool_id, "example.com", port);
            insert(&tx, second.clone()).await?;
            tx.commit().await?;
            let newest = newest(&*db, server.id, tool_id, "example.com", port).await?;
            assert_eq!(newest, Some(second));
            // But it cannot become pending again beside the new one.
            let tx = db.begin().await?;
            let back = decide(&tx, first.id, RequestStatus::Rejected, decision(RequestStatus::Pending)).await;
            assert!(matches!(back, Err(DbError::Conflict { .. })));
        }
        assert_eq!(of_server(&*db, server.id, None, &all()).await?.total, 10);
        assert_eq!(newest(&*db, server.id, None, "other.example", None).await?, None);
        Ok(())
    }

    #[tokio::test]
    async fn a_tool_reaches_its_own_approved_hosts_and_those_of_its_server() -> Result<(), DbError> {
        let db = fresh().await;
        let tx = db.begin().await?;
        let (server, tool, _) = furnish(&tx, "weather", "forecast").await;
        let (_, neighbour, _) = furnish(&tx, "weather", "history").await;
        let (other, ..) = furnish(&tx, "traffic", "jams").await;
        let approve = decision(RequestStatus::Approved);
        for (server_id, tool_id, host, status) in [
            (server.id, Some(tool.id), "own.example", RequestStatus::Approved),
            (server.id, None, "wide.example", RequestStatus::Approved),
            (server.id, Some(tool.id), "pending.example", RequestStatus::Pending),
            (server.id, Some(tool.id), "rejected.example", RequestStatus::Rejected),
            (server.id, Some(neighbour.id), "neighbour.example", RequestStatus::Approved),
            (other.id, None, "other.example", RequestStatus::Approved),
        ] {
            let row = pending(server_id, tool_id, host, None);
            insert(&tx, row.clone()).await?;
            if status != RequestStatus::Pending {
                let decision = Decision { status, ..approve.clone() };
                assert!(decide(&tx, row.id, RequestStatus::Pending, decision.clone()).await?);
                assert!(!decide(&tx, row.id, RequestStatus::Pending, decision).await?);
            }
        }
        tx.commit().await?;
        let hosts = |rows: Vec<NetworkRequest>| rows.into_iter().map(|row| row.host).collect::<Vec<_>>();
        assert_eq!(hosts(approved_for(&*db, server.id, tool.id).await?), ["own.example", "wide.example"]);
        assert_eq!(hosts(approved_for_servers(&*db, &[server.id]).await?), ["wide.example"]);
        let both = [server.id, other.id];
        assert_eq!(hosts(approved_for_servers(&*db, &both).await?), ["wide.example", "other.example"]);
        assert_eq!(hosts(approved_for_servers(&*db, &[]).await?), [""; 0]);
        let of_tool = of_tool(&*db, tool.id, &all()).await?;
        assert_eq!(hosts(of_tool.items), ["own.example", "pending.example", "rejected.example"]);
        let waiting = by_status(&*db, Some(RequestStatus::Pending), None, &all()).await?;
        assert_eq!(hosts(waiting.items), ["pending.example"]);
        assert_eq!(by_status(&*db, None, None, &all()).await?.total, 6);
        let of_server = of_server(&*db, server.id, Some(RequestStatus::Approved), &all()).await?;
        assert_eq!(hosts(of_server.items), ["own.example", "wide.example", "neighbour.example"]);
        Ok(())
    }

    #[tokio::test]
    async fn a_decision_is_kept_with_who_made_it() -> Result<(), DbError> {
        let db = fresh().await;
        let tx = db.begin().await?;
        let (server, tool, _) = furnish(&tx, "weather", "forecast").await;
        let row = pending(server.id, Some(tool.id), "example.com", Some(Port(8443)));
        insert(&tx, row.clone()).await?;
        let reason = Some("ask for the API host".to_owned());
        let no = Decision { rejection_reason: reason.clone(), ..decision(RequestStatus::Rejected) };
        assert!(decide(&tx, row.id, RequestStatus::Pending, no).await?);
        let expected = NetworkRequest {
            status: RequestStatus::Rejected,
            reviewed_at: Some(at(1)),
            reviewed_by: Some("admin:ada".to_owned()),
            rejection_reason: reason,
            ..row.clone()
        };
        assert_eq!(by_id(&tx, row.id).await?, Some(expected));
        assert!(delete(&tx, row.id).await?);
        assert!(!delete(&tx, row.id).await?);
        assert_eq!(by_id(&tx, row.id).await?, None);
        Ok(())
    }
}
