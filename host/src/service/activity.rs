//! The activity log: what MCP clients asked and were answered, who was refused, what the host did by
//! itself. For people.
//!
//! A row says in our own words what happened, and tells facts about it: names that are known here, counts,
//! sizes, durations. It never holds arguments, results, or what a stranger wrote, but for the name and the
//! version that a client gives itself. What strangers cause is bounded, so that nobody fills the disk by being
//! refused.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use governor::clock::{Clock, DefaultClock};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::activity_log::Row;
use super::audit::{self, Act};
use super::exchanges::{Answered, Shared};
use super::logs::{self, ExecutionView};
use super::permission::people_only;
use super::statistics::{Period, Window};
use super::{Error, Page, PageRequest, Service, servers};
pub use crate::db::activity_logs::Filter as ActivityFilter;
use crate::db::activity_logs::{self as rows, ActivityLog};
use crate::db::{Address, PageRequest as RowPage, Whole, execution_logs};
use crate::domain::activity::{LogType, is_one_line, one_line};
use crate::domain::address;
use crate::domain::caller::Caller;
use crate::domain::ids::{ActivityId, ServerId};
use crate::domain::outcome::LogLevel;
use crate::domain::text::Text;
use crate::telemetry::RequestId;

/// Characters of a message.
const MESSAGE: usize = 300;
/// Characters of who called.
const CALLER: usize = 100;
/// Bytes of the facts of a row; more is left out and said so.
const DETAILS_BYTES: usize = 2_000;
/// Characters of a text that is searched for.
const WORDS_MAX: usize = 200;
/// Rows that a person reads without asking for a page.
const RECENT_MAX: u64 = 100;
const RECENT: u64 = 50;
/// Calls that are shown with a request.
const CALLS_OF_A_REQUEST: u64 = 50;
/// Rows deleted in one transaction.
const AT_ONCE: u64 = 500;
/// Refusals that are written down in a minute: of one address, and of all.
const REFUSALS_OF_ONE: u32 = 10;
const REFUSALS_OF_ALL: u32 = 100;
/// Addresses after which those that have been quiet are forgotten.
const ADDRESSES: usize = 10_000;

/// Something to be written down.
#[derive(Clone, Debug)]
pub struct NewActivity {
    pub log_type: LogType,
    pub level: LogLevel,
    /// One line, in our own words.
    pub message: String,
    /// Facts.
    pub details: Map<String, Value>,
    pub method: Option<&'static str>,
    pub server_id: Option<ServerId>,
    pub caller: Option<Caller>,
    pub from: Option<IpAddr>,
    /// What stands for the session; never its id.
    pub session: Option<Arc<str>>,
    pub request_id: Option<RequestId>,
    pub duration: Option<Duration>,
}

/// What is on its way to be a row.
pub(super) enum Made {
    Row(Box<ActivityLog>),
    Asked(Arc<Shared>),
    /// The answer of a request whose row is made already.
    Answered(Arc<Shared>, Box<Answered>),
}

impl Made {
    pub(super) fn row(self) -> Row {
        match self {
            Self::Row(log) => Row::New(*log),
            Self::Asked(begun) => begun.row(),
            Self::Answered(begun, answered) => begun.answered_row(&answered),
        }
    }
}

/// One row.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ActivityView {
    pub id: ActivityId,
    pub at: DateTime<Utc>,
    pub log_type: LogType,
    pub level: LogLevel,
    pub message: String,
    pub details: Value,
    pub method: Option<String>,
    pub server_id: Option<ServerId>,
    pub caller: Option<String>,
    pub session: Option<String>,
    pub from_address: Option<String>,
    pub request_id: Option<String>,
    pub duration_ms: Option<f64>,
}

/// Rows of a list.
pub type ActivityPage = Page<ActivityView>;

/// All that is known of one request: its rows, oldest first, and its calls.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RequestView {
    pub request_id: String,
    pub logs: ActivityPage,
    /// Newest first; at most 50.
    pub executions: Vec<ExecutionView>,
}

/// Rows counted.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ActivityStatistics {
    pub period: Period,
    pub from: DateTime<Utc>,
    pub total: u64,
    /// Rows of level `error`.
    pub errors: u64,
    /// Every type, also those without a row.
    pub by_type: BTreeMap<String, u64>,
    /// Every level, also those without a row.
    pub by_level: BTreeMap<String, u64>,
}

/// What a clean-up did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct CleanUp {
    pub deleted: u64,
    /// Rows from before this are gone.
    pub before: DateTime<Utc>,
}

/// Keeps refusals from filling the log.
pub(super) struct Refusals<C: Clock = DefaultClock> {
    of_one: RateLimiter<IpAddr, DashMapStateStore<IpAddr>, C, NoOpMiddleware<C::Instant>>,
    of_all: RateLimiter<NotKeyed, InMemoryState, C, NoOpMiddleware<C::Instant>>,
    left_out: AtomicU64,
}

impl Default for Refusals {
    fn default() -> Self {
        Self::with_clock(&DefaultClock::default())
    }
}

impl<C: Clock + Clone> Refusals<C> {
    fn with_clock(clock: &C) -> Self {
        let per_minute = |rows| Quota::per_minute(NonZeroU32::new(rows).unwrap_or(NonZeroU32::MIN));
        Self {
            of_one: RateLimiter::new(per_minute(REFUSALS_OF_ONE), DashMapStateStore::default(), clock.clone()),
            of_all: RateLimiter::direct_with_clock(per_minute(REFUSALS_OF_ALL), clock.clone()),
            left_out: AtomicU64::new(0),
        }
    }

    /// Whether another one is written down, and how many were left out since the last that was.
    fn may_add(&self, from: Option<IpAddr>) -> Option<u64> {
        if self.of_one.len() > ADDRESSES {
            self.of_one.retain_recent();
        }
        let from = from.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), address::subscriber);
        if self.of_one.check_key(&from).is_ok() && self.of_all.check().is_ok() {
            return Some(self.left_out.swap(0, Ordering::Relaxed));
        }
        self.left_out.fetch_add(1, Ordering::Relaxed);
        None
    }
}

impl NewActivity {
    pub fn new(log_type: LogType, level: LogLevel, message: impl Into<String>) -> Self {
        Self {
            log_type,
            level,
            message: message.into(),
            details: Map::new(),
            method: None,
            server_id: None,
            caller: None,
            from: None,
            session: None,
            request_id: None,
            duration: None,
        }
    }

    /// What the host did by itself.
    pub fn system(message: impl Into<String>) -> Self {
        Self::new(LogType::System, LogLevel::Info, message)
    }

    pub fn with(mut self, fact: &str, value: impl Into<Value>) -> Self {
        self.details.insert(fact.to_owned(), value.into());
        self
    }

    fn row(self, at: DateTime<Utc>) -> ActivityLog {
        // Texts for keys and plain values: it is always JSON.
        let mut details = serde_json::to_string(&self.details).unwrap_or_default();
        if details.len() > DETAILS_BYTES {
            details = json!({"left_out_bytes": details.len()}).to_string();
        }
        let from = self.from.or_else(|| self.caller.as_ref().and_then(|caller| caller.from));
        ActivityLog {
            id: ActivityId::new(),
            at,
            log_type: self.log_type,
            level: self.level,
            message: line(self.message),
            details: details.into(),
            method: self.method.map(Text::from),
            server_id: self.server_id,
            caller: self.caller.as_ref().map(name_of),
            session: self.session.map(Text::from),
            from_address: from.map(Address),
            request_id: self.request_id.map(|id| id.shared().into()),
            duration_us: self.duration.map(micros),
        }
    }
}

/// A message as it stands in a row.
pub(super) fn line(message: String) -> Text {
    if is_one_line(&message, MESSAGE) { message.into() } else { one_line(&message, MESSAGE).into() }
}

/// Who called, as it stands in a row.
pub(super) fn name_of(caller: &Caller) -> Text {
    match caller.who.word() {
        Some(word) => word.into(),
        None => one_line(&caller.to_string(), CALLER).into(),
    }
}

pub(super) fn micros(time: Duration) -> Whole {
    Whole(u64::try_from(time.as_micros()).unwrap_or(u64::MAX))
}

/// Ages by which rows can be deleted; a hundred years are as good as never.
const OLDER_THAN_DAYS: std::ops::RangeInclusive<u32> = 1..=36_500;

impl Service {
    /// Hands a row over to be written, 50 ms later at most when the database is not busy. Waits when too many are on their way.
    pub async fn activity_add(&self, new: NewActivity) {
        let row = new.row(self.clock().now());
        self.0.activity.push(Made::Row(Box::new(row))).await;
    }

    /// The same for what strangers cause: of one address and of all only so many in a minute.
    pub async fn refusal_add(&self, new: NewActivity) {
        let from = new.from.or_else(|| new.caller.as_ref().and_then(|caller| caller.from));
        match self.0.refusals.may_add(from) {
            Some(0) => self.activity_add(new).await,
            Some(left_out) => self.activity_add(new.with("left_out_before", left_out)).await,
            None => {}
        }
    }

    /// Rows, newest first.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the filter is too long, or its times are the wrong way round.
    pub async fn activity_list(
        &self,
        caller: &Caller,
        filter: ActivityFilter,
        page: PageRequest,
    ) -> Result<Page<ActivityView>, Error> {
        may_read(caller)?;
        let page = page.of_rows(self.limits())?;
        check(&filter)?;
        Ok(Page::from(rows::list(self.db(), &filter, &page).await?).map(view))
    }

    /// The rows of a server, newest first.
    pub async fn activity_of_server(
        &self,
        caller: &Caller,
        server: ServerId,
        filter: ActivityFilter,
        page: PageRequest,
    ) -> Result<Page<ActivityView>, Error> {
        may_read(caller)?;
        let server = servers::found(self.db(), server).await?;
        self.activity_list(caller, ActivityFilter { server_id: Some(server.id), ..filter }, page).await
    }

    /// The newest rows, 50 if it is not said how many, at most 100.
    pub async fn activity_recent(
        &self,
        caller: &Caller,
        filter: ActivityFilter,
        limit: Option<u64>,
    ) -> Result<Vec<ActivityView>, Error> {
        may_read(caller)?;
        let limit = limit.unwrap_or(RECENT);
        if !(1..=RECENT_MAX).contains(&limit) {
            return Err(Error::invalid("/limit", format!("give 1 to {RECENT_MAX}")));
        }
        check(&filter)?;
        Ok(rows::newest(self.db(), &filter, limit).await?.into_iter().map(view).collect())
    }

    pub async fn activity_get(&self, caller: &Caller, id: ActivityId) -> Result<ActivityView, Error> {
        may_read(caller)?;
        let row = rows::by_id(self.db(), id).await?;
        let unknown = || Error::not_found("activity", id.to_string(), "it may be too old: LOG_RETENTION_DAYS");
        row.map(view).ok_or_else(unknown)
    }

    /// The rows and the calls of one request.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is neither.
    pub async fn activity_of_request(
        &self,
        caller: &Caller,
        request_id: &str,
        page: PageRequest,
    ) -> Result<RequestView, Error> {
        may_read(caller)?;
        let page = page.of_rows(self.limits())?;
        let unknown = || Error::not_found("request", one_line(request_id, 64), "it may be too old: LOG_RETENTION_DAYS");
        let id: RequestId = request_id.parse().map_err(|_| unknown())?;
        let logs = rows::of_request(self.db(), id.as_str(), &page).await?;
        let filter = execution_logs::Filter { request_id: Some(id.to_string()), ..execution_logs::Filter::default() };
        let calls = RowPage::new(1, CALLS_OF_A_REQUEST, CALLS_OF_A_REQUEST);
        let calls = execution_logs::list(self.db(), &filter, &calls).await?;
        if logs.total == 0 && calls.total == 0 {
            return Err(unknown());
        }
        Ok(RequestView {
            request_id: id.to_string(),
            logs: Page::from(logs).map(view),
            executions: calls.items.into_iter().map(logs::view).collect(),
        })
    }

    /// The rows of a period counted.
    pub async fn activity_statistics(&self, caller: &Caller, period: Period) -> Result<ActivityStatistics, Error> {
        may_read(caller)?;
        let from = Window::of(period, self.clock().now()).from();
        let mut by_type: BTreeMap<_, _> = LogType::ALL.map(|kind| (kind.as_str().to_owned(), 0)).into();
        let mut by_level: BTreeMap<_, _> = LogLevel::ALL.map(|level| (level.as_str().to_owned(), 0)).into();
        for count in rows::counts(self.db(), from).await? {
            *by_type.entry(count.log_type.as_str().to_owned()).or_default() += count.rows.0;
            *by_level.entry(count.level.as_str().to_owned()).or_default() += count.rows.0;
        }
        let errors = by_level.get(LogLevel::Error.as_str()).copied().unwrap_or(0);
        Ok(ActivityStatistics { period, from, total: by_type.values().sum(), errors, by_type, by_level })
    }

    /// Deletes the rows that are older than so many days. The act is committed with the first of them.
    ///
    /// # Errors
    /// [`Error::Invalid`] for no day; [`Error::Forbidden`] for models.
    pub async fn activity_clean_up(&self, caller: &Caller, older_than_days: u32) -> Result<CleanUp, Error> {
        people_only(caller, "delete rows of the activity log")?;
        if !OLDER_THAN_DAYS.contains(&older_than_days) {
            return Err(Error::invalid("/older_than_days", "give 1 to 36500"));
        }
        let now = self.clock().now();
        let before = now - TimeDelta::days(older_than_days.into());
        let tx = self.db().begin().await?;
        let act = Act {
            name: "activity.clean_up",
            object_kind: "activity",
            object_id: String::new(),
            before: None,
            after: Some(json!({"older_than_days": older_than_days, "before": before})),
        };
        audit::write(&tx, caller, now, act).await?;
        let mut deleted = rows::delete_older_than(&tx, before, AT_ONCE).await?;
        tx.commit().await?;
        let mut last = deleted;
        while last == AT_ONCE {
            let tx = self.db().begin_rows().await?;
            last = rows::delete_older_than(&tx, before, AT_ONCE).await?;
            tx.commit().await?;
            deleted += last;
        }
        Ok(CleanUp { deleted, before })
    }
}

fn may_read(caller: &Caller) -> Result<(), Error> {
    people_only(caller, "read the activity log")
}

fn check(filter: &ActivityFilter) -> Result<(), Error> {
    let ActivityFilter { request_id, method, message_has, from, to, .. } = filter;
    for (pointer, text) in [("/request_id", request_id), ("/method", method), ("/search", message_has)] {
        let Some(text) = text else { continue };
        if text.is_empty() || text.chars().count() > WORDS_MAX || text.contains('\0') {
            return Err(Error::invalid(pointer, format!("give 1 to {WORDS_MAX} characters")));
        }
    }
    match (from, to) {
        (Some(from), Some(to)) if from >= to => Err(Error::invalid("/to", "it must be later than `from`")),
        _ => Ok(()),
    }
}

fn view(row: ActivityLog) -> ActivityView {
    ActivityView {
        id: row.id,
        at: row.at,
        log_type: row.log_type,
        level: row.level,
        message: row.message.into(),
        details: serde_json::from_str(&row.details).unwrap_or_default(),
        method: row.method.map(String::from),
        server_id: row.server_id,
        caller: row.caller.map(String::from),
        session: row.session.map(String::from),
        from_address: row.from_address.map(|address| address.to_string()),
        request_id: row.request_id.map(String::from),
        duration_ms: row.duration_us.map(|us| us.0 as f64 / 1e3),
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    #[test]
    fn refusals_are_bounded_for_one_address_and_for_all() {
        let refusals = Refusals::with_clock(&FakeRelativeClock::default());
        let one = Some(IpAddr::from([203, 0, 113, 1]));
        let added = (0..50).filter(|_| refusals.may_add(one).is_some()).count();
        assert_eq!(added, 10);
        assert_eq!(
            refusals.may_add(Some(IpAddr::from([203, 0, 113, 2]))),
            Some(40),
            "it is told how many were left out"
        );
        let others = (0..=255).flat_map(|net| (0..4).map(move |host| Some(IpAddr::from([198, 51, net, host]))));
        let added = others.filter(|from| refusals.may_add(*from).is_some()).count();
        assert_eq!(added, 100 - 11);
    }

    #[test]
    fn a_row_is_short_whatever_it_tells() {
        let new = NewActivity::new(LogType::Alert, LogLevel::Warning, "x\n".repeat(1_000));
        let row = new.with("fact", "y".repeat(10_000)).row(DateTime::UNIX_EPOCH);
        assert_eq!(row.message.chars().count(), MESSAGE + 1);
        assert!(!row.message.contains('\n'));
        assert_eq!(&*row.details, r#"{"left_out_bytes":10011}"#);
    }
}
