//! What a client that listens hears of: lists that are others than before, resources that hold something else,
//! tasks that went on. Each only if it asked for it, and in the names of its address.

use serde_json::json;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};

use super::dispatch::Dispatcher;
use super::scope::Scope;
use super::standing::Standing;
use crate::domain::caller::Caller;
use crate::domain::ids::{SessionId, TaskId};
use crate::domain::outcome::Listing;
use crate::events::Notice;
use crate::service::offered::{Faces, split_uri};

/// One thing that is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Told {
    ListChanged(Listing),
    /// By its URI at this address.
    Updated(String),
    Task(TaskId),
    /// Nobody knows what was missed: anything may be another than before.
    Missed,
}

/// What changes, at one address.
pub(super) struct Notices {
    dispatcher: Dispatcher,
    caller: Caller,
    scope: Scope,
    standing: Standing,
    catalogue: watch::Receiver<u64>,
    notices: broadcast::Receiver<Notice>,
    /// The catalogue of which the client knows; none when it could not be read.
    pub(super) seen: Option<Seen>,
}

/// What tells two catalogues apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) generation: u64,
    faces: Faces,
}

impl Notices {
    /// From now on: what happens while the catalogue is read is told, not missed.
    pub(super) async fn new(dispatcher: &Dispatcher, caller: &Caller, login: Option<SessionId>, scope: &Scope) -> Self {
        let events = dispatcher.service.events();
        let mut notices = Self {
            dispatcher: dispatcher.clone(),
            caller: caller.clone(),
            scope: scope.clone(),
            standing: Standing::of(&dispatcher.service, caller, login),
            catalogue: events.catalogue(),
            notices: events.notices(),
            seen: None,
        };
        notices.seen = notices.look().await;
        notices
    }

    /// What is to be told next, never empty. None: nothing more will be, to this client at least.
    pub(super) async fn next(&mut self) -> Option<Vec<Told>> {
        loop {
            if !self.standing.goes_on().await {
                return None;
            }
            tokio::select! {
                biased;
                // Another process on the same database says nothing here: the catalogue is looked at as often.
                () = self.standing.is_due() => if !self.standing.goes_on().await {
                    return None;
                },
                changed = self.catalogue.changed() => if changed.is_err() {
                    return None;
                },
                notice = self.notices.recv() => match notice {
                    Ok(notice) => match self.heard(notice).await {
                        Some(told) => return Some(vec![told]),
                        None => continue,
                    },
                    Err(RecvError::Lagged(_)) => {
                        self.seen = self.look().await;
                        return Some(vec![Told::Missed]);
                    }
                    Err(RecvError::Closed) => return None,
                },
            }
            let now = self.look().await;
            let told = differences(self.seen, now);
            self.seen = now;
            if !told.is_empty() {
                return Some(told);
            }
        }
    }

    /// None when the catalogue cannot be read now.
    async fn look(&self) -> Option<Seen> {
        let catalogue = self.dispatcher.catalogue_at(&self.caller, &self.scope).await.ok()?;
        Some(Seen { generation: catalogue.generation, faces: catalogue.offered.faces() })
    }

    /// What this client may hear of it: of the servers that it is shown, and of its own tasks.
    async fn heard(&self, notice: Notice) -> Option<Told> {
        match notice {
            Notice::ListChanged { server, listing } => {
                self.is_shown(&server).await.then_some(Told::ListChanged(listing))
            }
            Notice::ResourceUpdated { uri } => {
                let (server, own) = split_uri(&uri)?;
                if !self.is_shown(server).await {
                    return None;
                }
                Some(Told::Updated(match &self.scope {
                    Scope::Everything => uri,
                    Scope::Server(_) => own.into_owned(),
                }))
            }
            Notice::TaskChanged { id, owner } => (owner == self.caller.principal()).then_some(Told::Task(id)),
        }
    }

    async fn is_shown(&self, server: &str) -> bool {
        let catalogue = self.dispatcher.catalogue_at(&self.caller, &self.scope).await;
        catalogue.is_ok_and(|catalogue| catalogue.server(server).is_some())
    }
}

fn differences(before: Option<Seen>, now: Option<Seen>) -> Vec<Told> {
    let (Some(before), Some(now)) = (before, now) else {
        // The client is told to list again all the same.
        return if before == now { Vec::new() } else { vec![Told::Missed] };
    };
    [
        (before.generation != now.generation, Listing::Tools),
        (before.faces.prompts != now.faces.prompts, Listing::Prompts),
        (before.faces.resources != now.faces.resources, Listing::Resources),
    ]
    .into_iter()
    .filter_map(|(differs, listing)| differs.then_some(Told::ListChanged(listing)))
    .collect()
}

/// The notification that a list is another than before.
pub(super) fn method_of(listing: Listing) -> &'static str {
    match listing {
        Listing::Tools => "notifications/tools/list_changed",
        Listing::Prompts => "notifications/prompts/list_changed",
        Listing::Resources => "notifications/resources/list_changed",
    }
}

/// The notifications for one thing that is told, but for tasks: method and parameters. `uris` are those that the
/// client wants to hear of, in case that it missed something.
pub(super) fn notifications(
    told: &Told,
    uris: impl IntoIterator<Item = String>,
) -> Vec<(&'static str, serde_json::Map<String, serde_json::Value>)> {
    let none = serde_json::Map::new;
    let updated = |uri: String| {
        let mut params = none();
        params.insert("uri".to_owned(), json!(uri));
        ("notifications/resources/updated", params)
    };
    match told {
        Told::ListChanged(listing) => vec![(method_of(*listing), none())],
        Told::Updated(uri) => vec![updated(uri.clone())],
        Told::Task(_) => Vec::new(),
        Told::Missed => {
            let lists = [Listing::Tools, Listing::Prompts, Listing::Resources];
            lists.into_iter().map(|listing| (method_of(listing), none())).chain(uris.into_iter().map(updated)).collect()
        }
    }
}
