//! What one can do: every act of a model or a person, whichever door it came through.
//!
//! Each function takes the caller first, checks what that caller may do, changes the database and
//! writes the audit row in one transaction, and tells those who listen. It answers with views, never
//! with rows, and with nothing secret.

pub mod activity;
mod activity_log;
pub mod admins;
mod answer;
mod apart;
pub mod api_keys;
pub mod approvals;
pub mod arguments;
pub mod asking;
pub mod audit;
pub mod begun;
mod behind;
mod believed;
pub mod bulk;
mod call_row;
pub mod calls;
pub mod catalogue;
pub mod circuits;
pub mod code;
pub mod compare;
pub mod compilations;
pub mod components;
pub mod dashboard;
mod edits;
pub mod error;
pub mod exchanges;
mod execution_log;
pub mod export;
pub mod exports;
pub mod external_logins;
mod external_mcp_definitions;
mod external_mcp_rules;
pub mod external_mcp_sources;
pub mod external_mcp_tools;
mod faces;
pub mod folders;
mod given;
pub mod health;
mod hosts;
pub mod import;
pub mod installation;
mod lockout;
pub mod logs;
pub mod mcp_sessions;
pub mod module_requests;
pub mod modules;
pub mod network_requests;
mod notifier;
pub mod offered;
pub mod offers;
pub mod packages;
pub mod page;
mod passthrough;
pub mod pending;
mod permission;
pub mod policies;
pub mod profiles;
mod programs;
mod rate;
mod ready;
mod redactors;
pub mod request_state;
mod retention;
pub mod search;
pub mod secrets;
pub mod servers;
pub mod sessions;
mod signing;
mod skills;
pub mod statistics;
pub mod streams;
pub mod tasks;
#[cfg(test)]
mod tests;
pub mod tool_status;
pub mod tools;
pub mod versions;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::activity::Refusals;
use self::activity_log::ActivityRows;
use self::admins::Passwords;
use self::api_keys::Noted;
use self::arguments::Schemas;
use self::catalogue::CatalogueCache;
pub use self::error::{Error, Problem};
use self::execution_log::ExecutionRows;
use self::packages::Installs;
pub use self::page::{Page, PageRequest};
use self::policies::PolicyCache;
use self::profiles::Profiles;
use self::programs::SourceCache;
use self::rate::Rates;
use self::ready::ReadyCache;
use self::redactors::Redactors;
use self::writer::Writer;
use crate::clock::Clock;
use crate::crypto::vault::Vault;
use crate::db::Database;
use crate::events::{Change, Events};
use crate::executor::Executor;
use crate::limits::Limits;
use crate::packages::Packages;
pub use crate::upstream::LoginWish;
use crate::upstream::Upstream;

/// What the service is made of.
pub struct Parts {
    pub db: Database,
    pub vault: Vault,
    pub executor: Executor,
    pub packages: Packages,
    pub upstream: Upstream,
    pub clock: Clock,
    pub limits: Limits,
    /// Running calls, which end before the process does.
    pub calls: TaskTracker,
    /// Set when no new calls are taken.
    pub stopping: CancellationToken,
    /// Set when running calls are ended.
    pub ending: CancellationToken,
    /// Where the code for the first administrator is kept.
    pub setup_code_file: PathBuf,
    /// Below these a person may give folders to tools.
    pub folder_roots: Vec<PathBuf>,
}

/// Everything that the doors can ask for. Clones share everything.
#[derive(Clone)]
pub struct Service(Arc<Inner>);

struct Inner {
    parts: Parts,
    rates: Rates,
    log: Writer<ExecutionRows>,
    activity: Writer<ActivityRows>,
    refusals: Refusals,
    catalogue: CatalogueCache,
    installs: Installs,
    policies: PolicyCache,
    profiles: Profiles,
    schemas: Schemas,
    sources: SourceCache,
    redactors: Redactors,
    events: Events,
    ready: ReadyCache,
    passwords: Passwords,
    noted: Noted,
}

impl Service {
    pub fn new(parts: Parts) -> Self {
        let events = Events::new(parts.clock.clone());
        events.hear(&parts.db);
        let queue = Limits::size(parts.limits.log_queue_rows);
        let log = Writer::start(ExecutionRows { db: parts.db.clone(), events: events.clone() }, queue);
        let activity = Writer::start(ActivityRows { db: parts.db.clone(), events: events.clone() }, queue);
        let service = Self(Arc::new(Inner {
            rates: Rates::new(&parts.limits),
            log,
            activity,
            refusals: Refusals::default(),
            catalogue: CatalogueCache::default(),
            installs: Installs::default(),
            policies: PolicyCache::default(),
            profiles: Profiles::new(profiles::KEPT),
            schemas: Schemas::new(&parts.limits),
            sources: SourceCache::default(),
            redactors: Redactors::default(),
            events,
            ready: ReadyCache::new(ready::KEPT_BYTES),
            passwords: Passwords::new(&parts.limits),
            noted: Noted::default(),
            parts,
        }));
        // Weak, because the service owns the client that tells it.
        let inner = Arc::downgrade(&service.0);
        service.upstream().on_list_changed(move |source| {
            if let Some(inner) = inner.upgrade() {
                Self(inner).source_refresh_beside(source);
            }
        });
        service
    }

    pub fn limits(&self) -> &Limits {
        &self.0.parts.limits
    }

    pub fn clock(&self) -> &Clock {
        &self.0.parts.clock
    }

    /// What changes, as it does.
    pub fn events(&self) -> &Events {
        &self.0.events
    }

    /// Waits until every row of the logs is written. For the end, when no call runs.
    pub async fn finish(&self) {
        tokio::join!(self.0.log.finish(), self.0.activity.finish());
    }

    /// How many rows of the logs are not in the database yet.
    pub fn rows_on_the_way(&self) -> usize {
        self.0.log.on_the_way() + self.0.activity.on_the_way()
    }

    fn db(&self) -> &Database {
        &self.0.parts.db
    }

    fn vault(&self) -> &Vault {
        &self.0.parts.vault
    }

    fn packages(&self) -> &Packages {
        &self.0.parts.packages
    }

    fn upstream(&self) -> &Upstream {
        &self.0.parts.upstream
    }

    fn executor(&self) -> &Executor {
        &self.0.parts.executor
    }

    /// The tools have changed: forgets the cached catalogue and tells those who listen.
    fn catalogue_changed(&self) {
        self.0.catalogue.forget();
        self.0.events.tell(Change::CatalogueChanged);
    }
}
