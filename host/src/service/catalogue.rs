//! What MCP clients are offered: the approved, enabled tools of running servers.
//!
//! The catalogue is kept until something changes, and for two seconds at most: other processes on the
//! same database (a second gateway, the command line) change tools without a word to this one. It is
//! a list and decides nothing: each call looks at the tool itself and at what was approved. After the two
//! seconds it is not read whole, but looked at whether anything of it has changed.

mod load;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::TimeDelta;
use serde_json::value::RawValue;

use self::load::{load, marks};
use super::faces::Faces;
pub use super::faces::Fitted;
use super::offered::Offered;
use super::{Error, Service};
use crate::clock::Moment;
use crate::db::marks::Mark;
use crate::domain::caller::Caller;
use crate::domain::component::{Icon, ToolAnnotations};
use crate::domain::digest::Digest;
use crate::domain::ids::{ServerId, ToolId};
use crate::domain::names::ServerName;
use crate::events::Change;
use crate::telemetry::metrics;

/// How long a catalogue is believed: short enough that what another process did is seen before a
/// person has changed windows, long enough that busy clients cost one reading in two seconds.
const BELIEVED: TimeDelta = TimeDelta::seconds(2);

/// After this it is read whole, whatever else is known: a person may have changed a version in the database by
/// hand, which nothing but its digest tells.
const READ_WHOLE: TimeDelta = TimeDelta::minutes(5);

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
    /// As its author wrote it.
    pub input_schema: Box<RawValue>,
    pub output_schema: Option<Box<RawValue>>,
    /// The form of each that every client takes, where that is another.
    pub fitted: Fitted,
    pub annotations: Option<ToolAnnotations>,
    pub icons: Vec<Icon>,
}

impl ListedTool {
    /// Its name, title, description and schemas, as clients get them where everything is served.
    pub fn size_bytes(&self) -> u64 {
        let schema =
            |fitted: Option<&RawValue>, own: Option<&RawValue>| fitted.or(own).map_or(0, |raw| raw.get().len());
        let texts = self.name.len() + self.title.as_deref().map_or(0, str::len) + self.description.len();
        let schemas = schema(self.fitted.input.as_deref(), Some(&self.input_schema))
            + schema(self.fitted.output.as_deref(), self.output_schema.as_deref());
        (texts + schemas) as u64
    }
}

/// A tool that nobody is offered, because it cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantined {
    /// `{server}__{tool}`.
    pub name: String,
    /// What that leads to: a call of it says why.
    led: Led,
    pub server: ServerId,
    pub reason: String,
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
    /// Those that are not among them for what is wrong with them.
    pub quarantined: Vec<Quarantined>,
    /// Those that run, by name, also when they have no tools.
    pub servers: Vec<ListedServer>,
    /// Prompts and resources.
    pub offered: Offered,
    by_name: HashMap<String, Led>,
    /// Name, tool and approved digest of each: equal lists and equal servers, equal catalogues.
    identity: Vec<(String, ToolId, Digest)>,
}

impl Catalogue {
    /// What is behind a name, also when it cannot be used.
    pub fn led(&self, name: &str) -> Option<&Led> {
        let aside = || self.quarantined.iter().find(|tool| tool.name == name).map(|tool| &tool.led);
        self.by_name.get(name).or_else(aside)
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
        part.quarantined.extend(self.quarantined.iter().filter(|tool| servers.contains(&tool.server)).cloned());
        part.offered = self.offered.part(servers);
        part.servers.extend(self.servers.iter().filter(|server| servers.contains(&server.id)).cloned());
        part
    }

    /// Makes the tools that another catalogue has as well those of it, so that there is one of each.
    fn take_over(&mut self, other: &Self) {
        let theirs: HashMap<_, _> = other.identity.iter().zip(&other.tools).collect();
        for (tool, identity) in self.tools.iter_mut().zip(&self.identity) {
            if let Some(same) = theirs.get(identity) {
                *tool = Arc::clone(same);
            }
        }
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
    faces: Faces,
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
    /// Of the catalogue that it was last known to be a part of.
    whole: u64,
    part: Arc<Catalogue>,
}

struct Kept {
    catalogue: Arc<Catalogue>,
    /// The count when its load began.
    forgotten: u64,
    /// Before its load began, or it was last looked at whether it still counts.
    at: Moment,
    /// Before its load began.
    read: Moment,
    marks: Marks,
}

/// All that a catalogue was made of, but for what never changes: equal marks, equal catalogues.
#[derive(Debug, Default, PartialEq, Eq)]
struct Marks {
    tools: Vec<Mark>,
    servers: Vec<ListedServer>,
}

/// A load that may begin.
struct Ticket {
    forgotten: u64,
    at: Moment,
    /// Whether what was kept is merely old.
    expired: bool,
}

impl CatalogueCache {
    pub(super) fn forget(&self) {
        self.locked().forgotten += 1;
    }

    /// What was kept, if it still counts.
    fn fresh(&self, now: Moment) -> Option<Arc<Catalogue>> {
        let state = self.locked();
        let kept = state.kept.as_ref().filter(|kept| kept.forgotten == state.forgotten)?;
        // A clock that was set back makes what was kept old, not young for ever.
        let age = now.since(kept.at);
        (TimeDelta::zero()..BELIEVED).contains(&age).then(|| Arc::clone(&kept.catalogue))
    }

    /// To be had before the load begins.
    fn ticket(&self, at: Moment) -> Ticket {
        let state = self.locked();
        let expired = state.kept.as_ref().is_some_and(|kept| kept.forgotten == state.forgotten);
        Ticket { forgotten: state.forgotten, at, expired }
    }

    /// What was kept, when it was merely old and these marks, which are not older than the ticket, are its own.
    fn confirmed(&self, ticket: &Ticket, marks: &Marks) -> Option<Arc<Catalogue>> {
        let mut state = self.locked();
        let forgotten = state.forgotten;
        let kept = state.kept.as_mut().filter(|kept| kept.forgotten == forgotten && ticket.forgotten == forgotten)?;
        let age = ticket.at.since(kept.read);
        let holds = (TimeDelta::zero()..READ_WHOLE).contains(&age) && kept.marks == *marks;
        holds.then(|| {
            kept.at = ticket.at;
            Arc::clone(&kept.catalogue)
        })
    }

    /// Keeps what was loaded after these marks were taken, and tells whether it differs from what was kept before.
    /// An equal catalogue keeps its generation. Of what is replaced nothing stays but the tools that are the same,
    /// and the parts that somebody asked for while it was in force.
    fn keep(&self, ticket: &Ticket, marks: Marks, mut loaded: Catalogue) -> (Arc<Catalogue>, bool) {
        let mut state = self.locked();
        let previous = state.kept.as_ref().map(|kept| &kept.catalogue);
        let same = previous.filter(|kept| kept.equals(&loaded)).map(Arc::clone);
        let differs = same.is_none();
        let catalogue = same.unwrap_or_else(|| {
            state.generation += 1;
            loaded.generation = state.generation;
            if let Some(replaced) = state.kept.take().map(|kept| kept.catalogue) {
                loaded.take_over(&replaced);
                state.parts.retain(|_, known| known.whole == replaced.generation);
            }
            Arc::new(loaded)
        });
        let (forgotten, at) = (ticket.forgotten, ticket.at);
        state.kept = Some(Kept { catalogue: Arc::clone(&catalogue), forgotten, at, read: at, marks });
        (catalogue, differs)
    }

    /// The part of `whole` that some servers have. It keeps its generation while nothing of theirs changes.
    fn part(&self, whole: &Arc<Catalogue>, servers: &[ServerId]) -> Arc<Catalogue> {
        let mut state = self.locked();
        let known = state.parts.get(servers);
        if let Some(known) = known.filter(|known| known.whole == whole.generation) {
            return Arc::clone(&known.part);
        }
        let mut part = whole.part(servers);
        let same = known.filter(|known| known.part.equals(&part)).map(|known| Arc::clone(&known.part));
        if state.parts.len() >= PARTS {
            state.parts.retain(|_, known| known.whole == whole.generation);
        }
        if state.parts.len() >= PARTS {
            state.parts.clear();
        }
        let part = same.unwrap_or_else(|| {
            state.generation += 1;
            part.generation = state.generation;
            Arc::new(part)
        });
        state.parts.insert(servers.to_vec(), Part { whole: whole.generation, part: Arc::clone(&part) });
        part
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Service {
    /// The tools that this caller is shown and may call now.
    pub async fn catalogue(&self, caller: &Caller) -> Result<Arc<Catalogue>, Error> {
        let shown = self.shown(caller).await?;
        let whole = self.whole().await?;
        Ok(match shown.servers {
            None => whole,
            Some(servers) => self.0.catalogue.part(&whole, &servers),
        })
    }

    /// Every tool that may be called now.
    async fn whole(&self) -> Result<Arc<Catalogue>, Error> {
        let cache = &self.0.catalogue;
        if let Some(catalogue) = cache.fresh(self.clock().moment()) {
            return Ok(catalogue);
        }
        // Boxed: whoever looks at the catalogue would carry the place for this along.
        Box::pin(self.whole_read()).await
    }

    async fn whole_read(&self) -> Result<Arc<Catalogue>, Error> {
        let cache = &self.0.catalogue;
        let _loading = cache.loading.lock().await;
        let now = self.clock().moment();
        // Somebody else may have loaded it while this one waited.
        if let Some(catalogue) = cache.fresh(now) {
            return Ok(catalogue);
        }
        let ticket = cache.ticket(now);
        let marks = marks(self.db()).await?;
        if let Some(catalogue) = cache.confirmed(&ticket, &marks) {
            return Ok(catalogue);
        }
        let loaded = load(self.db(), &cache.faces, &marks.servers).await?;
        let (catalogue, differs) = cache.keep(&ticket, marks, loaded);
        metrics::tools_quarantined(catalogue.quarantined.len());
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
        let shown = self.shown(caller).await?;
        let whole = self.whole().await?;
        let found = whole.server(server).map(|server| server.id).filter(|id| shown.has(*id));
        let id = found.ok_or_else(|| Error::not_found("running server", server, "list the servers"))?;
        Ok(self.0.catalogue.part(&whole, &[id]))
    }
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;

    /// A tool without arguments.
    pub(in crate::service) fn listed(name: &str, description: &str) -> ListedTool {
        ListedTool {
            name: name.to_owned(),
            own_name: name.to_owned(),
            server: ServerId::new(),
            title: None,
            description: description.to_owned(),
            input_schema: RawValue::from_string("{}".to_owned()).expect("JSON"),
            output_schema: None,
            fitted: Fitted::default(),
            annotations: None,
            icons: Vec::new(),
        }
    }
}
