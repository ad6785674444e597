//! What MCP clients are offered: the approved, enabled tools of running servers.
//!
//! The catalogue is kept until something changes, and for two seconds at most: other processes on the
//! same database (a second gateway, the command line) change tools without a word to this one. It is
//! a list and decides nothing: each call looks at the tool itself and at what was approved.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::value::RawValue;

use super::calls::content;
use super::offered::Offered;
use super::{Error, Service, exports, tools};
use crate::db::servers::{self as server_rows, Server};
use crate::db::tools::{self as tool_rows, Tool};
use crate::db::versions::Located;
use crate::db::{Database, PageRequest as RowPage};
use crate::domain::caller::Caller;
use crate::domain::component::{Icon, ToolAnnotations};
use crate::domain::digest::Digest;
use crate::domain::ids::{ServerId, ToolId};
use crate::domain::names::ServerName;
use crate::events::Change;

/// How long a catalogue is believed: short enough that what another process did is seen before a
/// person has changed windows, long enough that busy clients cost one reading in two seconds.
const BELIEVED: TimeDelta = TimeDelta::seconds(2);

/// Tools that are read in one query.
const TOOLS_PER_QUERY: u64 = 500;
/// Servers that are read in one query.
const SERVERS_PER_QUERY: u64 = 500;

/// Parts of the catalogue that are kept: one for each server that is served by itself, and one for each choice
/// of servers that somebody is shown.
const PARTS: usize = 1_000;

/// A tool as a client sees it.
#[derive(Clone, Debug)]
pub struct ListedTool {
    /// `{server}__{tool}`.
    pub name: String,
    /// Its name on its server.
    pub own_name: String,
    pub server: ServerId,
    pub title: Option<String>,
    pub description: String,
    pub input_schema: Box<RawValue>,
    pub output_schema: Option<Box<RawValue>>,
    pub annotations: Option<ToolAnnotations>,
    pub icons: Vec<Icon>,
}

/// A server that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedServer {
    pub id: ServerId,
    pub name: ServerName,
    pub description: String,
}

/// What a name leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Led {
    pub server: ServerId,
    pub tool: ToolId,
    /// Its own name on the server: of a source, or of a component's export.
    pub name: String,
}

/// All tools that can be called, or those of some servers, in the order of their server's and their own names.
#[derive(Debug, Default)]
pub struct Catalogue {
    /// Another number: other tools, or another face of one. Counts in this process.
    pub generation: u64,
    pub tools: Vec<Arc<ListedTool>>,
    /// Those that run, by name, also when they have no tools.
    pub servers: Vec<ListedServer>,
    /// Prompts and resources.
    pub offered: Offered,
    by_name: HashMap<String, Led>,
    /// Name, tool and approved digest of each: equal lists and equal servers, equal catalogues.
    identity: Vec<(String, ToolId, Digest)>,
}

impl Catalogue {
    /// What is behind a name.
    pub fn led(&self, name: &str) -> Option<&Led> {
        self.by_name.get(name)
    }

    /// The running server of this name.
    pub fn server(&self, name: &str) -> Option<&ListedServer> {
        self.servers.iter().find(|server| server.name.as_str() == name)
    }

    /// The names of a server's tools, in their order.
    pub(super) fn of_server(&self, server: ServerId) -> Vec<String> {
        self.tools.iter().filter(|tool| tool.server == server).map(|tool| tool.name.clone()).collect()
    }

    /// What it has of some servers.
    fn part(&self, servers: &[ServerId]) -> Self {
        let mut part = Self::default();
        for (tool, identity) in self.tools.iter().zip(&self.identity) {
            if servers.contains(&tool.server) {
                part.by_name.extend(self.led(&tool.name).map(|led| (tool.name.clone(), led.clone())));
                part.identity.push(identity.clone());
                part.tools.push(Arc::clone(tool));
            }
        }
        part.offered = self.offered.part(servers);
        part.servers.extend(self.servers.iter().filter(|server| servers.contains(&server.id)).cloned());
        part
    }

    fn equals(&self, other: &Self) -> bool {
        let faces = self.offered.faces() == other.offered.faces();
        self.identity == other.identity && self.servers == other.servers && faces
    }
}

/// Keeps the catalogue. Loads that are wanted at the same time are one load; one that a change
/// overtakes is not kept.
#[derive(Default)]
pub(super) struct CatalogueCache {
    state: Mutex<State>,
    /// Held while the catalogue is loaded.
    loading: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    /// How often the catalogue was forgotten.
    forgotten: u64,
    kept: Option<Kept>,
    /// The last number that was given to a catalogue.
    generation: u64,
    /// Parts of the catalogue by the servers that are in them.
    parts: HashMap<Vec<ServerId>, Part>,
}

/// What the catalogue has of some servers.
struct Part {
    whole: Arc<Catalogue>,
    part: Arc<Catalogue>,
}

struct Kept {
    catalogue: Arc<Catalogue>,
    /// The count when its load began.
    forgotten: u64,
    /// Before its load began.
    at: DateTime<Utc>,
}

/// A load that may begin.
struct Ticket {
    forgotten: u64,
    at: DateTime<Utc>,
    /// Whether what was kept is merely old.
    expired: bool,
}

impl CatalogueCache {
    pub(super) fn forget(&self) {
        self.locked().forgotten += 1;
    }

    /// What was kept, if it still counts.
    fn fresh(&self, now: DateTime<Utc>) -> Option<Arc<Catalogue>> {
        let state = self.locked();
        let kept = state.kept.as_ref().filter(|kept| kept.forgotten == state.forgotten)?;
        // A clock that was set back makes what was kept old, not young for ever.
        let age = now.signed_duration_since(kept.at);
        (TimeDelta::zero()..BELIEVED).contains(&age).then(|| Arc::clone(&kept.catalogue))
    }

    /// To be had before the load begins.
    fn ticket(&self, at: DateTime<Utc>) -> Ticket {
        let state = self.locked();
        let expired = state.kept.as_ref().is_some_and(|kept| kept.forgotten == state.forgotten);
        Ticket { forgotten: state.forgotten, at, expired }
    }

    /// Keeps what was loaded, and tells whether it differs from what was kept before. An equal
    /// catalogue keeps its generation.
    fn keep(&self, ticket: &Ticket, mut loaded: Catalogue) -> (Arc<Catalogue>, bool) {
        let mut state = self.locked();
        let previous = state.kept.as_ref().map(|kept| &kept.catalogue);
        let same = previous.filter(|kept| kept.equals(&loaded)).map(Arc::clone);
        let differs = same.is_none();
        let catalogue = same.unwrap_or_else(|| {
            state.generation += 1;
            loaded.generation = state.generation;
            Arc::new(loaded)
        });
        let (forgotten, at) = (ticket.forgotten, ticket.at);
        state.kept = Some(Kept { catalogue: Arc::clone(&catalogue), forgotten, at });
        (catalogue, differs)
    }

    /// The part of `whole` that some servers have. It keeps its generation while nothing of theirs changes.
    fn part(&self, whole: &Arc<Catalogue>, servers: &[ServerId]) -> Arc<Catalogue> {
        let mut state = self.locked();
        let known = state.parts.get(servers);
        if let Some(known) = known.filter(|known| Arc::ptr_eq(&known.whole, whole)) {
            return Arc::clone(&known.part);
        }
        let mut part = whole.part(servers);
        let same = known.filter(|known| known.part.equals(&part)).map(|known| Arc::clone(&known.part));
        if state.parts.len() >= PARTS {
            state.parts.retain(|_, known| Arc::ptr_eq(&known.whole, whole));
        }
        if state.parts.len() >= PARTS {
            state.parts.clear();
        }
        let part = same.unwrap_or_else(|| {
            state.generation += 1;
            part.generation = state.generation;
            Arc::new(part)
        });
        state.parts.insert(servers.to_vec(), Part { whole: Arc::clone(whole), part: Arc::clone(&part) });
        part
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Service {
    /// The tools that may be called now: the same ones for every caller.
    pub async fn catalogue(&self, _caller: &Caller) -> Result<Arc<Catalogue>, Error> {
        let cache = &self.0.catalogue;
        if let Some(catalogue) = cache.fresh(self.clock().now()) {
            return Ok(catalogue);
        }
        let _loading = cache.loading.lock().await;
        let now = self.clock().now();
        // Somebody else may have loaded it while this one waited.
        if let Some(catalogue) = cache.fresh(now) {
            return Ok(catalogue);
        }
        let ticket = cache.ticket(now);
        let loaded = load(self.db()).await?;
        let (catalogue, differs) = cache.keep(&ticket, loaded);
        if differs && ticket.expired {
            // Another process changed something; whoever changes something here says so itself.
            self.0.events.tell(Change::CatalogueChanged);
        }
        Ok(catalogue)
    }

    /// The tools of one running server.
    ///
    /// # Errors
    /// [`Error::NotFound`] when no server of this name runs.
    pub async fn catalogue_of(&self, caller: &Caller, server: &str) -> Result<Arc<Catalogue>, Error> {
        let catalogue = self.catalogue(caller).await?;
        let found = catalogue.server(server).map(|server| server.id);
        let id = found.ok_or_else(|| Error::not_found("running server", server, "list the servers"))?;
        Ok(self.0.catalogue.part(&catalogue, &[id]))
    }
}

async fn load(db: &Database) -> Result<Catalogue, Error> {
    let mut located = Vec::new();
    for number in 1.. {
        let page = tool_rows::live(db, &RowPage::new(number, TOOLS_PER_QUERY, TOOLS_PER_QUERY)).await?;
        let last = page.items.is_empty() || number >= page.pages();
        located.extend(page.items);
        if last {
            break;
        }
    }
    let mut catalogue = compose(&located)?;
    for number in 1.. {
        let page = server_rows::running(db, &RowPage::new(number, SERVERS_PER_QUERY, SERVERS_PER_QUERY)).await?;
        let last = page.items.is_empty() || number >= page.pages();
        for server in page.items {
            let name = server.name.parse().map_err(|error| Error::internal("reading the name of a server", error))?;
            catalogue.servers.push(ListedServer { id: server.id, name, description: server.description });
        }
        if last {
            break;
        }
    }
    Ok(catalogue)
}

fn compose(located: &[Located]) -> Result<Catalogue, Error> {
    let mut catalogue = Catalogue::default();
    let mut offered = Offered::default();
    for Located { server, tool, version } in located {
        let digest = content(version).digest();
        if tool.live_digest != Some(digest) {
            tracing::error!(tool = %tool.id, version = %version.id, "a version is not what was approved; not listing it");
            continue;
        }
        if !version.kind.has_exports() {
            let (input, output) = (&version.input_schema, version.output_schema.as_deref());
            let listed = listed(server, &tool.name, &version.description, input, output)?;
            catalogue.add(listed, tool, digest);
        }
        for export in version.exports.0.iter().filter(|export| exports::is_enabled(tool, &export.name)) {
            let (input, output) = (&export.input_schema, export.output_schema.as_deref());
            let mut listed = listed(server, &export.name, &export.description, input, output)?;
            listed.title.clone_from(&export.title);
            listed.annotations = export.annotations;
            let icons = version.surface.as_ref().and_then(|surface| surface.offer.tool_icons.get(&export.name));
            listed.icons = icons.cloned().unwrap_or_default();
            catalogue.add(listed, tool, digest);
        }
        offered.add(server, tool, version)?;
    }
    catalogue.offered = offered.finish();
    Ok(catalogue)
}

fn listed(
    server: &Server,
    own_name: &str,
    description: &str,
    input: &str,
    output: Option<&str>,
) -> Result<ListedTool, Error> {
    let schema =
        |text: &str| RawValue::from_string(text.to_owned()).map_err(|error| Error::internal("reading a schema", error));
    Ok(ListedTool {
        name: tools::called(server, own_name)?,
        own_name: own_name.to_owned(),
        server: server.id,
        title: None,
        description: description.to_owned(),
        input_schema: schema(input)?,
        output_schema: output.map(schema).transpose()?,
        annotations: None,
        icons: Vec::new(),
    })
}

impl Catalogue {
    fn add(&mut self, listed: ListedTool, tool: &Tool, digest: Digest) {
        let name = &listed.name;
        // Shortened names can meet, if somebody tries: the first one, in the order of names, has it.
        if self.by_name.contains_key(name) {
            tracing::warn!(tool = %tool.id, %name, "another tool has the same name for clients; not listing this one");
            return;
        }
        let led = Led { server: tool.server_id, tool: tool.id, name: listed.own_name.clone() };
        self.by_name.insert(name.clone(), led);
        self.identity.push((name.clone(), tool.id, digest));
        self.tools.push(Arc::new(listed));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::Texts;
    use crate::domain::caller::Who;
    use crate::domain::component::Export;
    use crate::domain::tool::{ApprovalStatus, ServerStatus, ToolKind};
    use crate::domain::version::VersionContent;
    use crate::service::versions;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_000_000 + seconds, 0).expect("a time")
    }

    fn catalogue(names: &[&str]) -> Catalogue {
        let identity = names.iter().map(|name| ((*name).to_owned(), ToolId(uuid::Uuid::nil()), Digest::of(b"")));
        Catalogue { identity: identity.collect(), ..Catalogue::default() }
    }

    fn located(server: &str, tool: &str) -> Located {
        let caller = Caller { who: Who::Local, from: None };
        let content = VersionContent {
            kind: ToolKind::PythonCode,
            name: tool.into(),
            description: "Tells the weather.".into(),
            source_digest: Digest::of(b"source"),
            timeout_ms: None,
            input_schema: r#"{"type":"object"}"#.into(),
            output_schema: None,
            exports: Vec::new(),
            hosts: vec![],
            modules: vec![],
            secret_names: vec![],
        };
        let server = Server {
            id: ServerId::new(),
            name: server.into(),
            description: String::new(),
            status: ServerStatus::Running,
            default_timeout_ms: None,
            created_by: "local".into(),
            created_at: at(0),
            updated_at: at(0),
        };
        let id = ToolId::new();
        let version = versions::row(id, 1, content, ApprovalStatus::Approved, "created".into(), &caller, at(0));
        let tool = Tool {
            id,
            server_id: server.id,
            name: tool.into(),
            enabled: true,
            disabled_exports: Texts::default(),
            latest_version: 1,
            live_version_id: Some(version.id),
            live_digest: Some(version.digest),
            approved_at: Some(at(0)),
            approved_by: Some("admin:ada".into()),
            created_by: "local".into(),
            created_at: at(0),
            updated_at: at(0),
        };
        Located { server, tool, version }
    }

    fn tool_id(catalogue: &Catalogue, name: &str) -> Option<ToolId> {
        catalogue.led(name).map(|led| led.tool)
    }

    #[test]
    fn each_tool_of_a_component_is_listed_but_those_that_are_switched_off() {
        let mut row = located("data", "csv");
        let export = |name: &str| Export {
            name: name.into(),
            title: Some("Parse".into()),
            description: "Reads a table.".into(),
            input_schema: r#"{"type":"object"}"#.into(),
            output_schema: Some(r#"{"type":"object"}"#.into()),
            annotations: Some(ToolAnnotations { read_only: Some(true), ..Default::default() }),
        };
        row.version.kind = ToolKind::Component;
        row.version.exports.0 = vec![export("parse"), export("Print-out")];
        row.tool.live_digest = Some(content(&row.version).digest());
        let catalogue = compose(std::slice::from_ref(&row)).expect("the row is sound");
        let names: Vec<&str> = catalogue.tools.iter().map(|tool| tool.name.as_str()).collect();
        assert_eq!(names, ["data__parse", "data__Print-out"], "not under its own name");
        let expected = Led { server: row.tool.server_id, tool: row.tool.id, name: "Print-out".into() };
        assert_eq!(catalogue.led("data__Print-out"), Some(&expected));
        let listed = &catalogue.tools[0];
        assert!(listed.title.is_some() && listed.output_schema.is_some() && listed.annotations.is_some());
        row.tool.disabled_exports = Texts(vec!["parse".into()]);
        let fewer = compose(&[row]).expect("the row is sound");
        assert_eq!((fewer.tools.len(), fewer.led("data__parse")), (1, None));
        assert_ne!(fewer.identity, catalogue.identity);
    }

    #[test]
    fn a_catalogue_is_believed_for_two_seconds() {
        let cache = CatalogueCache::default();
        assert!(cache.fresh(at(0)).is_none());
        cache.keep(&cache.ticket(at(0)), catalogue(&["a"]));
        assert!(cache.fresh(at(1)).is_some());
        assert!(cache.fresh(at(2)).is_none());
        assert!(cache.fresh(at(-1)).is_none());
        assert!(cache.ticket(at(2)).expired);
    }

    #[test]
    fn what_is_forgotten_while_it_loads_is_not_kept_for_others() {
        let cache = CatalogueCache::default();
        let ticket = cache.ticket(at(0));
        cache.forget();
        let (loaded, _) = cache.keep(&ticket, catalogue(&["a"]));
        assert_eq!(loaded.generation, 1);
        assert!(cache.fresh(at(0)).is_none());
        assert!(!cache.ticket(at(0)).expired);
    }

    #[test]
    fn the_generation_counts_only_what_differs() {
        let cache = CatalogueCache::default();
        let keep = |names: &[&str]| {
            let (kept, differs) = cache.keep(&cache.ticket(at(0)), catalogue(names));
            (kept.generation, differs)
        };
        assert_eq!(keep(&["a"]), (1, true));
        assert_eq!(keep(&["a"]), (1, false));
        cache.forget();
        assert_eq!(keep(&["a", "b"]), (2, true));
        assert_eq!(keep(&["a"]), (3, true));
    }

    #[test]
    fn a_tool_is_found_by_the_name_that_clients_see() {
        let long = "x".repeat(64);
        let rows = [located("weather", "forecast"), located("weather", &long)];
        let catalogue = compose(&rows).expect("the rows are sound");
        let names: Vec<&str> = catalogue.tools.iter().map(|tool| tool.name.as_str()).collect();
        assert_eq!(names[0], "weather__forecast");
        assert_eq!(names[1].len(), 64);
        assert_eq!(tool_id(&catalogue, names[0]), Some(rows[0].tool.id));
        assert_eq!(tool_id(&catalogue, names[1]), Some(rows[1].tool.id));
        assert_eq!(tool_id(&catalogue, &format!("weather__{long}")), None);
    }

    #[test]
    fn a_version_that_is_not_what_was_approved_is_not_listed() {
        let mut changed = located("weather", "forecast");
        changed.version.description = "Does something else.".into();
        let catalogue = compose(&[changed, located("weather", "tides")]).expect("the rows are sound");
        assert_eq!(catalogue.tools.len(), 1);
        assert_eq!(tool_id(&catalogue, "weather__forecast"), None);
    }

    #[test]
    fn of_two_tools_with_one_name_the_first_has_it() {
        let (first, second) = (located("weather", "forecast"), located("weather", "forecast"));
        let catalogue = compose(&[first.clone(), second]).expect("the rows are sound");
        assert_eq!(catalogue.tools.len(), 1);
        assert_eq!(tool_id(&catalogue, "weather__forecast"), Some(first.tool.id));
    }
}
