//! What waits for a person, all in one place.

use std::collections::HashMap;
use std::hash::Hash;

use serde::Serialize;
use utoipa::ToSchema;

use super::asking::RequestFilter;
use super::external_mcp_sources::SourceView;
use super::module_requests::ModuleRequestView;
use super::network_requests::NetworkRequestView;
use super::{Error, PageRequest, Service};
use crate::db::{PageRequest as RowPage, external_mcp_sources, module_requests, network_requests, versions};
use crate::domain::caller::Caller;
use crate::domain::digest::Digest;
use crate::domain::ids::{ServerId, ToolId};
use crate::domain::request::RequestStatus;
use crate::domain::tool::ApprovalStatus;

/// A tool that waits for review.
#[derive(Clone, Debug, Serialize)]
pub struct PendingTool {
    pub tool_id: ToolId,
    pub server_id: ServerId,
    pub server_name: String,
    pub name: String,
    pub version: i32,
    pub digest: Digest,
    pub publish_notes: Option<String>,
    pub created_by: String,
}

/// The oldest of what waits, and how much there is.
#[derive(Clone, Debug, Serialize)]
pub struct PendingView {
    pub pending_tools: Vec<PendingTool>,
    pub pending_module_requests: Vec<ModuleRequestView>,
    pub pending_network_requests: Vec<NetworkRequestView>,
    /// External sources that are asked nothing before a person allows them.
    pub pending_sources: Vec<SourceView>,
    pub summary: PendingSummary,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct PendingSummary {
    pub tools: u64,
    pub modules: u64,
    pub network: u64,
    pub sources: u64,
    pub total: u64,
}

/// How much is in which state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ApprovalStats {
    /// By the state of each tool's newest version.
    pub tools: ToolCounts,
    pub modules: RequestCounts,
    pub network: RequestCounts,
    pub sources: SourceCounts,
    pub pending_total: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ToolCounts {
    pub draft: u64,
    pub pending_review: u64,
    pub approved: u64,
    pub rejected: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct RequestCounts {
    pub pending: u64,
    pub approved: u64,
    pub rejected: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct SourceCounts {
    /// External sources that a person has still to allow.
    pub pending: u64,
}

impl Service {
    /// What waits for a person: the oldest of each kind, as many as a page has, and how many there are.
    pub async fn requests_pending(&self, caller: &Caller) -> Result<PendingView, Error> {
        let page = PageRequest::default();
        let filter = || RequestFilter { status: Some(RequestStatus::Pending), search: None };
        let of_rows = page.of_rows(self.limits())?;
        let rows = versions::by_status(self.db(), ApprovalStatus::PendingReview, None, &of_rows).await?;
        let modules = self.module_request_list(caller, filter(), page).await?;
        let network = self.network_request_list(caller, filter(), page).await?;
        let sources = self.sources_awaiting(caller, page).await?;
        let summary = PendingSummary {
            tools: rows.total,
            modules: modules.total,
            network: network.total,
            sources: sources.total,
            total: rows.total + modules.total + network.total + sources.total,
        };
        let tools = rows.items.into_iter().map(|located| PendingTool {
            tool_id: located.tool.id,
            server_id: located.server.id,
            server_name: located.server.name,
            name: located.version.name,
            version: located.version.number,
            digest: located.version.digest,
            publish_notes: located.version.publish_notes,
            created_by: located.version.created_by,
        });
        Ok(PendingView {
            pending_tools: tools.collect(),
            pending_module_requests: modules.items,
            pending_network_requests: network.items,
            pending_sources: sources.items,
            summary,
        })
    }

    /// How many external sources wait for a person.
    pub(super) async fn sources_pending(&self) -> Result<u64, Error> {
        Ok(external_mcp_sources::awaiting(self.db(), &RowPage::new(1, 1, 1)).await?.total)
    }

    /// How many tools, requests and sources are in which state.
    pub async fn approval_stats(&self, _caller: &Caller) -> Result<ApprovalStats, Error> {
        let tools = versions::count_by_status(self.db()).await?;
        let tools = ToolCounts {
            draft: count(&tools, ApprovalStatus::Draft),
            pending_review: count(&tools, ApprovalStatus::PendingReview),
            approved: count(&tools, ApprovalStatus::Approved),
            rejected: count(&tools, ApprovalStatus::Rejected),
        };
        let modules = of_requests(&module_requests::count_by_status(self.db()).await?);
        let network = of_requests(&network_requests::count_by_status(self.db()).await?);
        let sources = SourceCounts { pending: self.sources_pending().await? };
        let pending_total = tools.pending_review + modules.pending + network.pending + sources.pending;
        Ok(ApprovalStats { tools, modules, network, sources, pending_total })
    }
}

fn count<K: Eq + Hash>(counts: &HashMap<K, u64>, key: K) -> u64 {
    counts.get(&key).copied().unwrap_or_default()
}

fn of_requests(counts: &HashMap<RequestStatus, u64>) -> RequestCounts {
    RequestCounts {
        pending: count(counts, RequestStatus::Pending),
        approved: count(counts, RequestStatus::Approved),
        rejected: count(counts, RequestStatus::Rejected),
    }
}
