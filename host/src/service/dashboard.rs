//! What a person sees first: what there is, what waits, how the calls of a period went.

use std::collections::HashMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::logs::{self, ExecutionView};
use super::permission::people_only;
use super::statistics::{Counts, Durations, Period, StatisticsView, ToolStatistics, Window};
use super::{Error, Service};
use crate::db::execution_scope_durations::ScopeId;
use crate::db::execution_statistics::{self, ServerCount};
use crate::db::{PageRequest as RowPage, execution_logs, module_requests, network_requests, servers, tools, versions};
use crate::domain::caller::Caller;
use crate::domain::ids::ServerId;
use crate::domain::latency::Histogram;
use crate::domain::names;
use crate::domain::request::RequestStatus;
use crate::domain::tool::ApprovalStatus;

/// Tools, servers and failures that are shown.
const TOOLS: u64 = 10;
const SERVERS: u64 = 50;
const FAILURES: u64 = 5;

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DashboardView {
    pub servers: u64,
    pub tools: u64,
    pub pending: Pending,
    #[serde(flatten)]
    pub calls: StatisticsView,
    /// Most called first; at most 10.
    pub top_tools: Vec<ToolStatistics>,
    /// Those whose tools were called, most called first; at most 50.
    pub by_server: Vec<ServerStatistics>,
    /// The newest calls that failed, of whatever time; at most 5.
    pub recent_errors: Vec<ExecutionView>,
}

/// How much waits for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Pending {
    pub tools: u64,
    pub network: u64,
    pub modules: u64,
    /// External sources that a person has still to allow.
    pub sources: u64,
}

/// The calls of one server's tools.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ServerStatistics {
    pub server_id: ServerId,
    pub server_name: String,
    #[serde(flatten)]
    pub counts: Counts,
    pub duration_ms: Durations,
}

impl Service {
    /// The dashboard of a period. For people.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for models.
    pub async fn dashboard(&self, caller: &Caller, period: Period) -> Result<DashboardView, Error> {
        people_only(caller, "see the dashboard")?;
        let db = self.db();
        // Lists are asked for how long they are.
        let one = RowPage::new(1, 1, 1);
        let waiting = Some(RequestStatus::Pending);
        let servers = servers::list(db, &one).await?.total;
        let pending = Pending {
            tools: versions::by_status(db, ApprovalStatus::PendingReview, None, &one).await?.total,
            network: network_requests::by_status(db, waiting, None, &one).await?.total,
            modules: module_requests::by_status(db, waiting, None, &one).await?.total,
            sources: self.sources_pending().await?,
        };
        let window = Window::of(period, self.clock().now());
        let (calls, top_tools) =
            tokio::try_join!(self.statistics_of_all(period, &window), self.top_tools(&window, TOOLS))?;
        let by_server = execution_statistics::by_server(db, &window.span, SERVERS).await?;
        let scopes: Vec<_> = by_server.iter().map(|row| ScopeId::of_server(row.server_id)).collect();
        let histograms = self.histograms(&window, &scopes).await?;
        let failures = execution_logs::newest_failures(db, FAILURES).await?;
        Ok(DashboardView {
            servers,
            tools: tools::count(db).await?,
            pending,
            calls,
            top_tools,
            by_server: by_server.into_iter().map(|row| server(row, &histograms)).collect(),
            recent_errors: failures.into_iter().map(logs::view).collect(),
        })
    }
}

fn server(row: ServerCount, histograms: &HashMap<ScopeId, Histogram>) -> ServerStatistics {
    let ServerCount { server_id, tool_name, calls, errors, duration_us } = row;
    // The server itself may be gone; the name by which its tools were called stays.
    let server_name = names::split_gateway_name(&tool_name).map(|(server, _)| server.to_string()).unwrap_or(tool_name);
    ServerStatistics {
        server_id,
        server_name,
        counts: Counts::of(calls, errors),
        duration_ms: Durations::of(histograms.get(&ScopeId::of_server(server_id)), calls.0, duration_us.0),
    }
}
