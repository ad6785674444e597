//! From a request to its answer, whatever carried it.
//!
//! Nothing here knows of HTTP: a transport makes a [`Context`], asks, and writes what comes. What a
//! request says before its answer goes through the [`Outbox`].

use tokio_util::sync::CancellationToken;

use super::asking::Waiting;
use super::error::{Failure, Told, tell};
use super::jsonrpc::{Id, Notification, Params, Payload};
use super::listing::Listings;
use super::meta::{Declared, Threshold};
use super::methods::{self, Method};
use super::outbox::Outbox;
use super::peer::Peer;
use super::record::Record;
use super::scope::{Scope, Wish};
use super::session::Session;
use super::sessions;
use super::tasks::Tasks;
use super::versions::Version;
use super::{about, call};
use crate::domain::caller::Caller;
use crate::domain::client::Abilities;
use crate::domain::ids::SessionId;
use crate::service::Error;
use crate::service::Service;
use crate::service::catalogue::Catalogue;
use crate::telemetry::RequestId;
use std::sync::Arc;

/// Which rules a request is under, and what is known of its client.
#[derive(Clone, Debug)]
pub enum Era {
    Modern(Declared),
    Legacy(Arc<Session>),
}

/// A request's surroundings.
pub struct Context {
    pub era: Era,
    /// The address that it came to.
    pub scope: Scope,
    /// Which tools it wants to see there.
    pub tools: Wish,
    pub caller: Caller,
    /// The login that an administrator came by.
    pub login: Option<SessionId>,
    pub request_id: RequestId,
    /// Ends the work: a guest is stopped.
    pub cancel: CancellationToken,
    /// Under which word the client wants to hear of progress.
    pub progress_token: Option<Id>,
    /// Where to say something before the answer; none when nobody listens.
    pub outbox: Option<Outbox>,
    /// Whom to ask while the call runs, in a legacy session; none when nobody would hear it.
    pub peer: Option<Peer>,
}

impl Context {
    pub fn is_modern(&self) -> bool {
        matches!(self.era, Era::Modern(_))
    }

    pub fn version(&self) -> Version {
        match &self.era {
            Era::Modern(_) => Version::V2026_07_28,
            Era::Legacy(session) => session.agreed.version,
        }
    }

    /// The same client, with nobody at the other end.
    pub(super) fn aside(&self) -> Self {
        Self {
            era: self.era.clone(),
            scope: self.scope.clone(),
            tools: self.tools,
            caller: self.caller.clone(),
            login: self.login,
            request_id: self.request_id.clone(),
            cancel: CancellationToken::new(),
            progress_token: None,
            outbox: None,
            peer: None,
        }
    }

    /// Whether the client said that it follows tasks.
    pub(super) fn follows_tasks(&self) -> bool {
        matches!(&self.era, Era::Modern(declared) if declared.abilities().tasks)
    }

    /// # Errors
    /// -32021 when it does not.
    pub(super) fn must_follow_tasks(&self) -> Result<(), Failure> {
        match self.follows_tasks() {
            true => Ok(()),
            false => Err(call::lacks(Abilities { tasks: true, ..Abilities::default() })),
        }
    }

    /// Whether there may be something to tell the client before its answer.
    pub fn listens(&self) -> bool {
        let asked = matches!(&self.era, Era::Legacy(session) if session.agreed.can_be_asked());
        asked || self.progress_token.is_some() || self.log_level().is_some()
    }

    /// What is said before the answer goes here, and what a guest asks a legacy client.
    pub(super) fn hears(&mut self, outbox: &Outbox) {
        self.outbox = Some(outbox.clone());
        if let Era::Legacy(session) = &self.era {
            self.peer = Some(Peer::new(Arc::clone(session), outbox.clone()));
        }
    }

    /// The least serious log line that the client wants; none: no lines.
    pub fn log_level(&self) -> Option<Threshold> {
        match &self.era {
            Era::Modern(declared) => declared.log_level,
            Era::Legacy(session) => session.log_level(),
        }
    }
}

/// The answer to a request.
pub type Reply = Result<Payload, Failure>;

/// Answers requests.
#[derive(Clone)]
pub struct Dispatcher {
    pub(super) service: Service,
    pub(super) listings: Listings,
    /// The places for calls that wait for an answer.
    pub(super) waiting: Waiting,
    pub(super) tasks: Tasks,
}

impl Dispatcher {
    pub fn new(service: Service) -> Self {
        let waiting = Waiting::new(service.limits());
        Self { service, listings: Listings::default(), waiting, tasks: Tasks::default() }
    }

    /// Answers one request. What is large has a box of its own: it would be copied with each list too, once for
    /// each function that this one passes through.
    pub async fn request(&self, context: &Context, method: Method, params: &Params) -> Reply {
        match method {
            Method::Ping => methods::ping::answer(),
            Method::SetLevel => Box::pin(methods::set_level::answer(self, context, params)).await,
            Method::Discover => self.recorded(context, method, methods::discover::answer(self, context)).await,
            Method::ToolsList => {
                self.recorded(context, method, methods::tools_list::answer(self, context, params)).await
            }
            Method::PromptsList => {
                self.recorded(context, method, methods::prompts_list::answer(self, context, params)).await
            }
            Method::ResourcesList => {
                self.recorded(context, method, methods::resources_list::answer(self, context, params)).await
            }
            Method::TemplatesList => {
                self.recorded(context, method, methods::templates_list::answer(self, context, params)).await
            }
            Method::SkillsList => {
                self.recorded(context, method, methods::skills_list::answer(self, context, params)).await
            }
            Method::SkillsGet => {
                self.recorded(context, method, Box::pin(methods::skills_get::answer(self, context, params))).await
            }
            Method::DirectoryRead => {
                self.recorded(context, method, Box::pin(methods::directory_read::answer(self, context, params))).await
            }
            Method::ResourcesSubscribe => Box::pin(methods::resources_subscribe::answer(self, context, params)).await,
            Method::ResourcesUnsubscribe => Box::pin(methods::resources_subscribe::undo(self, context, params)).await,
            Method::Listen => Box::pin(methods::listen::answer(self, context, params)).await,
            Method::TasksGet => Box::pin(methods::tasks_get::answer(self, context, params)).await,
            Method::TasksUpdate => Box::pin(methods::tasks_update::answer(self, context, params)).await,
            Method::TasksCancel => Box::pin(methods::tasks_cancel::answer(self, context, params)).await,
            Method::PromptsGet => Box::pin(methods::prompts_get::answer(self, context, params)).await,
            Method::ResourcesRead => Box::pin(methods::resources_read::answer(self, context, params)).await,
            Method::Complete => Box::pin(methods::complete::answer(self, context, params)).await,
            Method::ToolsCall => Box::pin(methods::tools_call::answer(self, context, params)).await,
        }
    }

    /// Answers a request that is written down by its method alone.
    async fn recorded(&self, context: &Context, method: Method, answer: impl Future<Output = Reply>) -> Reply {
        let record = Record::begin(&self.service, context, method).await;
        record.end(answer.await).await
    }

    /// Takes note of what a legacy client said. What is not known here is nothing to us.
    ///
    /// # Errors
    /// When it has to be kept and cannot be.
    pub async fn notification(&self, session: &Session, notification: &Notification) -> Result<(), Error> {
        match notification.method.as_str() {
            "notifications/initialized" => sessions::initialize(&self.service, session).await,
            "notifications/cancelled" => {
                methods::cancelled::note(session, &notification.params);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// What is offered at the address of a request.
    ///
    /// # Errors
    /// Those of the catalogue.
    pub(super) async fn catalogue(&self, context: &Context) -> Result<Arc<Catalogue>, Failure> {
        let catalogue = self.catalogue_at(&context.caller, &context.scope).await;
        catalogue.map_err(|error| Self::failure(error, &context.request_id))
    }

    /// # Errors
    /// Those of the catalogue.
    pub(super) async fn catalogue_at(&self, caller: &Caller, scope: &Scope) -> Result<Arc<Catalogue>, Error> {
        match scope {
            Scope::Everything => self.service.catalogue(caller).await,
            Scope::Server(name) => self.service.catalogue_of(caller, name.as_str()).await,
        }
    }

    /// What a model is told of this address before it sees any tool; only of what its caller is shown.
    ///
    /// # Errors
    /// Those of the catalogue.
    pub async fn instructions(&self, caller: &Caller, scope: &Scope) -> Result<String, Error> {
        match scope {
            Scope::Everything => Ok(match self.service.shown(caller).await?.management {
                true => about::INSTRUCTIONS.to_owned(),
                false => about::INSTRUCTIONS_OF_A_CALLER.to_owned(),
            }),
            Scope::Server(name) => {
                let catalogue = self.service.catalogue_of(caller, name.as_str()).await?;
                let description = catalogue.servers.first().map_or("", |server| &server.description);
                Ok(about::instructions_of(name, description))
            }
        }
    }

    /// A service error where no model is waiting for words.
    pub(super) fn failure(error: Error, request_id: &RequestId) -> Failure {
        match tell(error, request_id) {
            Told::Client(failure) => failure,
            Told::Model(message) => Failure::new(super::error::Kind::InvalidParams, message),
        }
    }
}
