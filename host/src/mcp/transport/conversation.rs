//! One client at one connection that carries everything: messages come one at a time, and answers, notifications
//! and questions go out in one line of messages. Standard input and output are such a connection, and so is the
//! event stream of the oldest revision.
//!
//! Requests are answered side by side, as many as may be; the next is refused. What cannot be understood is told
//! so, and the next message is read. A legacy session lives and ends with the connection; a modern client is
//! served as well.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt as _};
use serde::Deserialize;
use serde_json::Map;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use super::arrive::Arrived;
use super::batch::Noting;
use super::listen::Listening;
use super::post::{Work, begin, run};
use super::{Refused, batch, legacy, modern};
use crate::auth::Admitted;
use crate::domain::caller::Caller;
use crate::domain::ids::SessionId;
use crate::limits::Limits;
use crate::mcp::McpState;
use crate::mcp::dispatch::Dispatcher;
use crate::mcp::error::{Failure, Kind};
use crate::mcp::jsonrpc::{self, Id, Incoming, Malformed, Message, Notification, Params, Request};
use crate::mcp::meta::Meta;
use crate::mcp::methods::initialize;
use crate::mcp::outbox::{Outbox, text};
use crate::mcp::record;
use crate::mcp::scope::{Scope, Wish};
use crate::mcp::session::{Agreed, Session};
use crate::mcp::versions::Version;
use crate::service::Error;
use crate::telemetry::RequestId;

/// Messages on their way out; past them, whoever speaks waits for the client to read.
const OUT: usize = 64;
/// When to try again after too many requests at the same time.
const PAUSE: Duration = Duration::from_secs(1);

/// A connection's client; clones are the same.
#[derive(Clone)]
pub(super) struct Conversation(Arc<Inner>);

struct Inner {
    mcp: McpState,
    scope: Scope,
    /// What the client wants to see in the list of tools.
    tools: Wish,
    caller: Caller,
    /// The login that an administrator came by.
    login: Option<SessionId>,
    /// Whether nobody counts its messages before they come here.
    counts: bool,
    out: mpsc::Sender<Bytes>,
    /// What `initialize` agreed on.
    session: Mutex<Option<Arc<Session>>>,
    /// Which modern requests run.
    modern: Arc<Session>,
    places: Arc<Semaphore>,
    most: u64,
    /// Held while a request is cancelled and while something is said of one, so that what is said is said before.
    cancelling: tokio::sync::Mutex<()>,
    answering: TaskTracker,
    /// No message comes any more.
    silent: CancellationToken,
    over: CancellationToken,
}

impl Conversation {
    /// A client, and what it is to be told, message by message.
    pub(super) fn new(
        mcp: &McpState,
        (scope, tools): (Scope, Wish),
        Admitted { caller, login }: Admitted,
        counts: bool,
    ) -> (Self, mpsc::Receiver<Bytes>) {
        let (out, said) = mpsc::channel(OUT);
        let limits = mcp.limits();
        let agreed =
            Agreed { version: Version::V2026_07_28, scope: scope.clone(), capabilities: Map::new(), client: None };
        let now = mcp.dispatcher.service.clock().now();
        let most = limits.connection_requests;
        let inner = Inner {
            modern: Session::of_connection(&caller, agreed, limits, now),
            mcp: mcp.clone(),
            scope,
            tools,
            caller,
            login,
            counts,
            out,
            session: Mutex::default(),
            places: Arc::new(Semaphore::new(Limits::size(most))),
            most,
            cancelling: tokio::sync::Mutex::default(),
            answering: TaskTracker::new(),
            silent: CancellationToken::new(),
            over: CancellationToken::new(),
        };
        (Self(Arc::new(inner)), said)
    }

    /// Whose it is.
    pub(super) fn caller(&self) -> &Caller {
        &self.0.caller
    }

    /// Takes one message, or a batch of them. Returns when the next may come; answers follow.
    pub(super) async fn take(&self, message: &[u8]) {
        match jsonrpc::parse(message, Limits::size(self.0.mcp.limits().batch_messages)) {
            Err(Malformed { id, failure }) => self.refuse(&Refused { id, modern: false, failure }).await,
            Ok(Incoming::One(message)) => self.one(message).await,
            Ok(Incoming::Batch(messages)) => self.several(messages).await,
        }
    }

    /// Tells the client that a message is not served.
    pub(super) async fn refuse(&self, refused: &Refused) {
        let (caller, id) = (self.0.caller.clone(), RequestId::new());
        record::refused(&self.0.mcp, caller, id, &refused.failure).await;
        self.say(jsonrpc::error(refused.id.as_ref(), &refused.failure)).await;
    }

    /// Ends everything at once: nobody is there any more.
    pub(super) fn end(&self) {
        self.0.over.cancel();
        self.0.modern.end();
        if let Some(session) = &*self.session() {
            session.end();
        }
    }

    /// Waits until what runs is answered; no message comes any more, so that nobody can be asked. What would
    /// go on for ever, because it only listens, ends.
    pub(super) async fn finish(&self) {
        self.0.silent.cancel();
        let session = self.session().clone();
        if let Some(session) = session {
            session.hears_no_more();
        }
        self.0.answering.close();
        self.0.answering.wait().await;
        self.end();
    }

    fn session(&self) -> MutexGuard<'_, Option<Arc<Session>>> {
        self.0.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn arrived(&self) -> Arrived {
        let Inner { scope, tools, caller, login, .. } = &*self.0;
        let (scope, caller) = (scope.clone(), caller.clone());
        Arrived { request_id: RequestId::new(), scope, tools: *tools, caller, login: *login }
    }

    async fn say(&self, message: impl Into<Bytes>) {
        // Nobody reads any more: then nobody waits for it either.
        let _ = self.0.out.send(message.into()).await;
    }

    /// Says something of a request, unless it was cancelled: of that nothing more is said (2026-07-28, "stdio").
    /// With the last of it its place is free before anybody hears it, but not before it can be said, so that
    /// answers that nobody reads are bounded.
    async fn say_of(&self, cancel: &CancellationToken, message: impl Into<Bytes>, place: Option<OwnedSemaphorePermit>) {
        let slot = self.0.out.reserve().await;
        drop(place);
        let _in_order = self.0.cancelling.lock().await;
        if let Ok(slot) = slot
            && !cancel.is_cancelled()
        {
            slot.send(message.into());
        }
    }

    async fn one(&self, message: Message) {
        match message {
            Message::Request(request) => {
                if let Err(refused) = self.request(request).await {
                    self.refuse(&refused).await;
                }
            }
            Message::Notification(notification) => {
                if let Err(error) = self.notification(&notification).await {
                    self.refuse(&Dispatcher::failure(error, &RequestId::new()).into()).await;
                }
            }
            Message::Response(response) => {
                if let Some(session) = &*self.session() {
                    session.answered(response);
                }
            }
        }
    }

    async fn request(&self, request: Request) -> Result<(), Refused> {
        let id = request.id.clone();
        let refuse = |failure: Failure| Refused::of(&id, false, failure);
        let meta = Meta::read(&request.params).map_err(refuse)?;
        let arrived = self.arrived();
        if self.0.counts {
            let counted = self.0.mcp.dispatcher.service.rate_count(&arrived.caller).await;
            counted.map_err(|error| refuse(Dispatcher::failure(error, &arrived.request_id)))?;
        }
        let place = self.place().map_err(refuse)?;
        if request.method == "initialize" && !meta.is_modern() {
            return self.open(&arrived, &request).await;
        }
        let work = if meta.is_modern() || request.method == "server/discover" {
            let progress_token = meta.progress_token();
            let declared = meta.declared().map_err(|failure| Refused::of(&id, true, failure))?;
            modern::work(arrived, request, declared, progress_token, Some(&self.0.modern))?
        } else {
            let session = self.session().clone().ok_or_else(|| refuse(Failure::new(Kind::InvalidRequest, MISSING)))?;
            legacy::work(&session, &arrived, request, &meta)?
        };
        self.answer(place, work);
        Ok(())
    }

    /// # Errors
    /// 503 when as many requests are being answered as may be.
    fn place(&self) -> Result<OwnedSemaphorePermit, Failure> {
        Arc::clone(&self.0.places).try_acquire_owned().map_err(|_| {
            let message = format!(
                "{} requests are being answered and no more may be (MCPBOX_CONNECTION_REQUESTS); wait for an answer",
                self.0.most
            );
            Failure { retry_after: Some(PAUSE), ..Failure::new(Kind::Busy, message) }
        })
    }

    async fn open(&self, arrived: &Arrived, request: &Request) -> Result<(), Refused> {
        let mcp = &self.0.mcp;
        let refuse = |failure: Failure| Refused::of(&request.id, false, failure);
        if self.session().is_some() {
            return Err(refuse(Failure::new(Kind::InvalidRequest, "this connection has a session; open another one")));
        }
        let Arrived { request_id, scope, caller, .. } = arrived;
        let instructions = mcp.dispatcher.instructions(caller, scope).await;
        let instructions = instructions.map_err(|error| refuse(Dispatcher::failure(error, request_id)))?;
        let (agreed, payload) =
            initialize::answer(&request.params, request_id, scope.clone(), &instructions).map_err(refuse)?;
        let session = Session::of_connection(caller, agreed, mcp.limits(), mcp.dispatcher.service.clock().now());
        *self.session() = Some(Arc::clone(&session));
        tracing::info!(version = %session.agreed.version, "session opened");
        record::opened(mcp, request_id, caller, &session).await;
        self.say(jsonrpc::result(&request.id, &payload)).await;
        self.listen(session);
        Ok(())
    }

    /// Answers a request in a task of its own.
    fn answer(&self, place: OwnedSemaphorePermit, work: Work) {
        let conversation = self.clone();
        let answering: BoxFuture<'static, ()> = async move {
            let mut place = Some(place);
            let (id, mcp) = (work.id.clone(), &conversation.0.mcp);
            let cancel = work.context.cancel.clone();
            if work.method.is_long() {
                let mut listens = work.method.is_stream();
                let outbox = match listens {
                    true => Outbox::of_subscription(id.clone(), mcp.limits()),
                    false => Outbox::new(id.clone(), mcp.limits()),
                };
                begin(mcp, work, &outbox, true).go_on();
                let mut reader = outbox.reader();
                loop {
                    tokio::select! {
                        message = reader.next() => {
                            let Some((_, message)) = message else { break };
                            let last = if reader.is_at_end() { place.take() } else { None };
                            conversation.say_of(&cancel, message, last).await;
                        }
                        () = conversation.0.silent.cancelled(), if listens => {
                            listens = false;
                            // When the host stops it ends by itself, and says so.
                            if !mcp.shutdown.is_cancelled() {
                                cancel.cancel();
                            }
                        }
                    }
                }
            } else if let Some(reply) = run(mcp, work).await {
                conversation.say_of(&cancel, text(&id, &reply), place).await;
            }
        }
        .boxed();
        self.0.answering.spawn(answering.in_current_span());
    }

    /// Takes note of what the client said, by itself or in a batch.
    pub(super) async fn notification(&self, notification: &Notification) -> Result<(), Error> {
        let dispatcher = &self.0.mcp.dispatcher;
        let cancels = notification.method == "notifications/cancelled";
        let _in_order = if cancels { Some(self.0.cancelling.lock().await) } else { None };
        if cancels && is_running(&self.0.modern, &notification.params) {
            return dispatcher.notification(&self.0.modern, notification).await;
        }
        let Some(session) = self.session().clone() else { return Ok(()) };
        dispatcher.notification(&session, notification).await
    }

    /// Tells the client of what changes, from when it is ready until the end.
    fn listen(&self, session: Arc<Session>) {
        let conversation = self.clone();
        let over = self.0.over.clone();
        let telling = async move {
            let mcp = &conversation.0.mcp;
            tokio::select! {
                () = over.cancelled() => return,
                () = mcp.shutdown.cancelled() => return,
                is_ready = session.initialized() => if !is_ready {
                    return;
                },
            }
            let mut listening = Listening::of(mcp, &conversation.arrived(), &session).await;
            loop {
                let event = tokio::select! {
                    () = over.cancelled() => return,
                    event = listening.next() => event,
                };
                let Some(event) = event else { return };
                conversation.say(event.into_data()).await;
            }
        };
        self.0.mcp.tracker.spawn(telling.in_current_span());
    }

    async fn several(&self, messages: Vec<Result<Message, Malformed>>) {
        let session = self.session().clone().filter(|session| session.agreed.version.has_batches());
        let (session, place) = match (session, self.place()) {
            (Some(session), Ok(place)) => (session, place),
            (None, _) => {
                let failure = Failure::new(Kind::InvalidRequest, "there are no batches here; send one message");
                return self.refuse(&failure.into()).await;
            }
            (_, Err(failure)) => return self.refuse(&failure.into()).await,
        };
        let conversation = self.clone();
        let answering: BoxFuture<'static, ()> = async move {
            let noting = Noting::Conversation(&conversation);
            let answers =
                batch::answers(&conversation.0.mcp, &session, &conversation.arrived(), noting, messages).await;
            if !answers.is_empty() {
                conversation.say_of(&conversation.0.over, batch::array(&answers), Some(place)).await;
            }
        }
        .boxed();
        self.0.answering.spawn(answering.in_current_span());
    }
}

const MISSING: &str = "there is no session yet: begin with `initialize`, or send the `_meta` of protocol version 2026-07-28 with each request";

/// Whether a cancellation names a request of these.
fn is_running(session: &Session, params: &Params) -> bool {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Named {
        request_id: Id,
    }
    let named = params.as_deref().and_then(|raw| serde_json::from_str::<Named>(raw.get()).ok());
    named.is_some_and(|Named { request_id }| session.is_running(&request_id))
}
