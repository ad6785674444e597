//! The nouns on a real database. Sources are put there without Python's reading them, which takes a
//! compiled interpreter and is tested with the whole host.

mod activity;
mod hosts;
mod people;
mod records;
mod retention;
mod servers;
mod statistics;
mod tools;

use std::ops::Deref;
use std::sync::Arc;

use chrono::TimeDelta;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::approvals::ApprovalFilter;
use super::asking::RequestFilter;
use super::audit::AuditFilter;
use super::calls::content;
use super::network_requests::{NetworkRequestView, NewNetworkRequest};
use super::secrets::{NewSecret, SecretChange};
use super::servers::{NewServer, ServerChange, ServerView};
use super::tools::{ToolChange, ToolView};
use super::{Error, Page, PageRequest, Parts, Service};
use crate::clock::Clock;
use crate::crypto::key::MasterKey;
use crate::crypto::vault::Vault;
use crate::db::testing::{self, TestDatabase};
use crate::db::{Texts, blobs, execution_logs, secrets, tool_names, tools as tool_rows, versions as version_rows};
use crate::domain::caller::{Caller, Who};
use crate::domain::digest::Digest;
use crate::domain::grant::HostGrant;
use crate::domain::ids::{AdminId, CallId, ServerId, ToolId};
use crate::domain::policy::{FourEyes, PolicyChange};
use crate::domain::request::RequestStatus;
use crate::domain::secret::SecretValue;
use crate::domain::tool::{ApprovalAction, ApprovalStatus, ServerStatus};
use crate::egress::{Egress, EgressSettings, MappedNetwork};
use crate::executor;
use crate::limits::Limits;
use crate::packages;
use crate::upstream::Upstream;

type Done = Result<(), Error>;

struct Host {
    service: Service,
    db: TestDatabase,
    _folder: tempfile::TempDir,
}

impl Deref for Host {
    type Target = Service;
    fn deref(&self) -> &Service {
        &self.service
    }
}

/// A service on an empty database.
async fn host() -> Host {
    host_within(Limits::default()).await
}

async fn host_within(limits: Limits) -> Host {
    let folder = tempfile::tempdir().expect("a folder");
    let db = testing::fresh().await;
    let service = Service::new(Parts {
        db: db.clone(),
        vault: Vault::new(&MasterKey::generate(), &[]),
        executor: executor::testing::idle(folder.path()),
        packages: packages::testing::idle(folder.path()),
        upstream: Upstream::new(
            Egress::new(EgressSettings::from(&limits), Arc::new(MappedNetwork::new())),
            &limits,
            Clock::system(),
            TaskTracker::new(),
        ),
        clock: Clock::system(),
        limits,
        calls: TaskTracker::new(),
        stopping: CancellationToken::new(),
        ending: CancellationToken::new(),
        setup_code_file: folder.path().join("setup-code"),
        folder_roots: vec![folder.path().to_owned()],
    });
    Host { service, db, _folder: folder }
}

fn model() -> Caller {
    Caller { who: Who::Local, from: None }
}

fn person() -> Caller {
    let who = Who::Admin { id: AdminId::new(), username: "ada".into() };
    Caller { who, from: Some([192, 0, 2, 7].into()) }
}

fn first_page() -> PageRequest {
    PageRequest::default()
}

impl Host {
    async fn server(&self, name: &str) -> Result<ServerView, Error> {
        self.server_create(&model(), NewServer { name: name.into(), description: String::new() }).await
    }

    /// A tool in its first version, as `tool_create` would have made it.
    async fn draft(&self, server: ServerId, name: &str) -> Result<ToolView, Error> {
        let tx = self.db.begin().await?;
        let tool = testing::tool(server, name);
        let source = blobs::put(&tx, b"def main(): return 1".to_vec(), testing::at(0)).await?;
        let mut version = testing::version(tool.id, 1, source);
        version.name = name.to_owned();
        version.hosts = Texts::default();
        version.digest = content(&version).digest();
        tool_rows::insert(&tx, tool.clone()).await?;
        tool_names::hold(&tx, server, tool.id, &[name.to_owned()]).await?;
        version_rows::insert(&tx, version).await?;
        tx.commit().await?;
        self.tool_get(&model(), tool.id).await
    }

    async fn approved(&self, server: ServerId, name: &str) -> Result<ToolView, Error> {
        let tool = self.draft(server, name).await?;
        self.act(tool.id, ApprovalAction::Approve).await
    }

    async fn act(&self, tool: ToolId, action: ApprovalAction) -> Result<ToolView, Error> {
        self.approval_act(&person(), tool, action, Some("seen and judged".into()), None).await
    }

    async fn describe(&self, tool: ToolId, text: &str) -> Result<ToolView, Error> {
        let change = ToolChange { description: Some(text.into()), ..ToolChange::default() };
        self.tool_update(&model(), tool, change).await
    }

    async fn rename(&self, tool: ToolId, name: &str) -> Result<ToolView, Error> {
        self.tool_update(&model(), tool, ToolChange { name: Some(name.into()), ..ToolChange::default() }).await
    }

    async fn ask(&self, tools: &[ToolId], host: &str) -> Result<Vec<NetworkRequestView>, Error> {
        let new = NewNetworkRequest {
            tool_ids: tools.to_vec(),
            host: host.into(),
            port: None,
            justification: "the forecast is there".into(),
        };
        self.network_request_create(&model(), new).await
    }

    /// The hosts that a call of the live version would reach.
    async fn reach(&self, tool: ToolId) -> Result<Vec<String>, Error> {
        let tool = tool_rows::by_id(&*self.db, tool).await?.expect("the tool is there");
        let live = version_rows::by_id(&*self.db, tool.live_version_id.expect("it is approved")).await?;
        let grants = self.grants_of(&tool, &live.expect("the version is there")).await?;
        Ok(grants.hosts.iter().map(HostGrant::to_string).collect())
    }

    /// What clients are offered: name and description.
    async fn offered(&self) -> Result<Vec<(String, String)>, Error> {
        let catalogue = self.catalogue(&model()).await?;
        Ok(catalogue.tools.iter().map(|tool| (tool.name.clone(), tool.description.clone())).collect())
    }

    /// The actions of the audit log, oldest first.
    async fn acts(&self) -> Result<Vec<String>, Error> {
        let page = self.audit_list(&person(), AuditFilter::default(), first_page()).await?;
        Ok(page.items.into_iter().rev().map(|row| row.action).collect())
    }
}

fn is_conflict<T>(result: Result<T, Error>) -> bool {
    matches!(result, Err(Error::Conflict { .. }))
}

fn is_forbidden<T>(result: Result<T, Error>) -> bool {
    matches!(result, Err(Error::Forbidden { .. }))
}

fn is_invalid<T>(result: Result<T, Error>) -> bool {
    matches!(result, Err(Error::Invalid { .. }))
}

fn is_missing<T>(result: Result<T, Error>) -> bool {
    matches!(result, Err(Error::NotFound { .. }))
}
