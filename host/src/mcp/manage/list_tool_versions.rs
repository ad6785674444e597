//! `mcpbox_list_tool_versions`: what a tool was before, and what became of it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::get_tool::{TOOL_IDS, tool_id};
use super::list_servers::{first, usual};
use super::{Answered, Call, Effect, Management, id, schema};
use crate::domain::tool::{ApprovalStatus, ChangeSource};
use crate::service::versions::VersionView;
use crate::service::{Error, PageRequest};

pub(super) struct ListToolVersions;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    tool_id: String,
    #[serde(default = "first")]
    page: u64,
    #[serde(default = "usual")]
    page_size: u64,
}

#[derive(Serialize)]
struct Versions {
    versions: Vec<Line>,
    total: u64,
    page: u64,
    page_size: u64,
    pages: u64,
}

/// What a model needs to choose a version.
#[derive(Serialize)]
struct Line {
    version: i32,
    change_summary: String,
    change_source: ChangeSource,
    approval_status: ApprovalStatus,
    is_live: bool,
    rejection_reason: Option<String>,
    created_by: String,
    created_at: DateTime<Utc>,
}

impl From<VersionView> for Line {
    fn from(version: VersionView) -> Self {
        Self {
            version: version.number,
            change_summary: version.change_summary,
            change_source: version.change_source,
            approval_status: version.approval_status,
            is_live: version.is_live,
            rejection_reason: version.rejection_reason,
            created_by: version.created_by,
            created_at: version.created_at,
        }
    }
}

impl Management for ListToolVersions {
    const NAME: &'static str = "mcpbox_list_tool_versions";
    const TITLE: &'static str = "List a tool's versions";
    const DESCRIPTION: &'static str = "Lists the versions of a tool, newest first: what each changed, who made it, \
        whether it was approved, and which one is called (`is_live`). mcpbox_rollback_tool makes an old one the \
        newest again.";
    const EFFECT: Effect = Effect::Reads;
    type Arguments = Arguments;

    fn input() -> Value {
        let mut properties = json!({"tool_id": tool_id()});
        for (name, property) in schema::paging() {
            properties[name] = property;
        }
        schema::arguments(properties, &["tool_id"])
    }

    fn output() -> Value {
        let version = schema::answer(
            json!({
                "version": {"type": "integer"},
                "change_summary": {"type": "string"},
                "change_source": {"type": "string", "enum": ChangeSource::ALL.map(ChangeSource::as_str)},
                "approval_status": {"type": "string", "enum": ApprovalStatus::ALL.map(ApprovalStatus::as_str)},
                "is_live": {"type": "boolean", "description": "Whether this is the version that is called"},
                "rejection_reason": {"type": ["string", "null"]},
                "created_by": {"type": "string"},
                "created_at": {"type": "string"},
            }),
            &["version", "change_summary", "change_source", "approval_status", "is_live", "created_at"],
        );
        schema::page("versions", &version)
    }

    #[cfg(test)]
    fn example() -> Value {
        json!({"tool_id": "01990000-0000-7000-8000-000000000002", "page": 1, "page_size": 20})
    }

    async fn run(call: Call<'_>, Arguments { tool_id, page, page_size }: Arguments) -> Result<Answered, Error> {
        let tool = id("tool_id", &tool_id, TOOL_IDS)?;
        let page = PageRequest { page: Some(page), page_size: Some(page_size) };
        let found = call.service.tool_versions(call.caller, tool, page).await?;
        Answered::of(&Versions {
            versions: found.items.into_iter().map(Line::from).collect(),
            total: found.total,
            page: found.page,
            page_size: found.page_size,
            pages: found.pages,
        })
    }
}
