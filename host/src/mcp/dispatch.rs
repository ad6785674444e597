//! From a request to its answer, whatever carried it.
//!
//! Nothing here knows of HTTP: a transport makes a [`Context`], asks, and writes what comes. What a
//! request says before its answer goes through the [`Outbox`].

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::about;
use super::error::{Failure, Told, tell};
use super::jsonrpc::{self, Id, Notification, Params, Payload};
use super::listing::Listings;
use super::meta::{Declared, Threshold};
use super::methods::{self, Method};
use super::record::Record;
use super::scope::{Scope, Wish};
use super::session::Session;
use super::versions::Version;
use crate::domain::caller::Caller;
use crate::limits::Limits;
use crate::service::Error;
use crate::service::Service;
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
    pub request_id: RequestId,
    /// Ends the work: a guest is stopped.
    pub cancel: CancellationToken,
    /// Under which word the client wants to hear of progress.
    pub progress_token: Option<Id>,
    /// Where to say something before the answer; none when nobody listens.
    pub outbox: Option<Outbox>,
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

    /// The least serious log line that the client wants; none: no lines.
    pub fn log_level(&self) -> Option<Threshold> {
        match &self.era {
            Era::Modern(declared) => declared.log_level,
            Era::Legacy(session) => session.log_level(),
        }
    }
}

/// Notifications about one request, on their way to its client.
#[derive(Clone, Debug)]
pub struct Outbox(mpsc::Sender<Vec<u8>>);

impl Outbox {
    /// An outbox that holds all that one call may say, so that nothing is lost to a slow client and
    /// memory stays bounded by the limits of the call.
    pub fn new(limits: &Limits) -> (Self, mpsc::Receiver<Vec<u8>>) {
        let (sender, receiver) = mpsc::channel(events_of_a_call(limits));
        (Self(sender), receiver)
    }

    /// Says something; dropped when the client has gone.
    pub fn say(&self, method: &str, params: &impl serde::Serialize) {
        let _ = self.0.try_send(jsonrpc::notification(method, params));
    }
}

/// Log lines and progress reports that one call may make, together.
pub(super) fn events_of_a_call(limits: &Limits) -> usize {
    Limits::size(limits.call_log_lines.saturating_mul(2)).max(1)
}

/// The answer to a request.
pub type Reply = Result<Payload, Failure>;

/// Answers requests.
#[derive(Clone)]
pub struct Dispatcher {
    pub(super) service: Service,
    pub(super) listings: Listings,
}

impl Dispatcher {
    pub fn new(service: Service) -> Self {
        Self { service, listings: Listings::default() }
    }

    /// Answers one request.
    pub async fn request(&self, context: &Context, method: Method, params: &Params) -> Reply {
        match method {
            Method::Ping => methods::ping::answer(),
            Method::SetLevel => methods::set_level::answer(context, params),
            Method::Discover => {
                let record = Record::begin(&self.service, context, method).await;
                record.end(methods::discover::answer(self, context).await).await
            }
            Method::ToolsList => {
                let record = Record::begin(&self.service, context, method).await;
                record.end(methods::tools_list::answer(self, context, params).await).await
            }
            Method::ToolsCall => methods::tools_call::answer(self, context, params).await,
        }
    }

    /// Takes note of what a legacy client said. What is not known here is nothing to us.
    pub fn notification(&self, session: &Session, notification: &Notification) {
        if notification.method == "notifications/cancelled" {
            methods::cancelled::note(session, &notification.params);
        }
    }

    /// What a model is told of this address before it sees any tool.
    ///
    /// # Errors
    /// Those of the catalogue.
    pub async fn instructions(&self, caller: &Caller, scope: &Scope) -> Result<String, Error> {
        match scope {
            Scope::Everything => Ok(about::INSTRUCTIONS.to_owned()),
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
