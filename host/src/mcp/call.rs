//! Running something for a client: a tool, a prompt, a resource. What the guest says meanwhile is told, what it
//! asks is put to the client, and what it asks of a modern one is answered with another call.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::json;
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;

use super::abilities;
use super::about::Modern;
use super::asking::{Answers, Live, Retried};
use super::dispatch::{Context, Dispatcher, Era, Reply};
use super::error::{Failure, Kind, Told, tell};
use super::jsonrpc::{Params, Payload};
use super::outbox::events_of_a_call;
use super::sessions::learn_initialized;
use super::spoken::Spoken;
use crate::domain::client::{Abilities, Asking, Client, Nobody, Question, Said};
use crate::domain::component::Entry;
use crate::domain::content::Content;
use crate::domain::digest::Digest;
use crate::service::Error;
use crate::service::calls::{CallAnswer, CallRequest, End};
use crate::service::request_state::Bound;

/// `resultType` of a result that asks.
const INPUT_REQUIRED: &str = "input_required";

/// A call of a client.
pub(super) struct Call {
    pub(super) entry: Entry,
    /// Of a tool.
    pub(super) arguments: Option<Box<RawValue>>,
    client: Arc<dyn Client>,
    /// The same client, in the modern era.
    retried: Option<Arc<Retried>>,
    version: Option<Digest>,
}

/// What a modern client adds to a call that it makes again; the rest of the parameters is the method's.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Again<'a> {
    #[serde(borrow, default)]
    pub(super) input_responses: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) request_state: Option<&'a RawValue>,
}

impl<'a> Again<'a> {
    /// # Errors
    /// -32602 when the parameters are no object.
    pub(super) fn of(params: &'a Params) -> Result<Self, Failure> {
        let text = params.as_deref().map_or("{}", RawValue::get);
        serde_json::from_str(text).map_err(|error| Failure::new(Kind::InvalidParams, format!("`params`: {error}")))
    }
}

/// One of its members.
fn member<'a, T: Deserialize<'a>>(name: &str, raw: Option<&'a RawValue>) -> Result<Option<T>, Failure> {
    let invalid = |error| Failure::new(Kind::InvalidParams, format!("`params.{name}`: {error}"));
    raw.map(|raw| serde_json::from_str(raw.get())).transpose().map_err(invalid)
}

impl Call {
    /// # Errors
    /// -32602 for a state that is not one of this call, and for answers that are no map.
    pub(super) async fn new(
        dispatcher: &Dispatcher,
        context: &Context,
        again: Again<'_>,
        entry: Entry,
        arguments: Option<Box<RawValue>>,
    ) -> Result<Self, Failure> {
        let declared = match &context.era {
            Era::Legacy(session) => {
                let client: Arc<dyn Client> = match &context.peer {
                    Some(peer) => {
                        if session.agreed.can_be_asked() {
                            let learned = learn_initialized(&dispatcher.service, session).await;
                            learned.map_err(|error| Dispatcher::failure(error, &context.request_id))?;
                        }
                        let can = session.agreed.abilities();
                        Arc::new(Live::new(peer.clone(), can, dispatcher.waiting.clone()))
                    }
                    None => Arc::new(Nobody),
                };
                return Ok(Self { entry, arguments, client, retried: None, version: None });
            }
            Era::Modern(declared) => declared,
        };
        let responses: Option<BTreeMap<String, &RawValue>> = member("inputResponses", again.input_responses)?;
        let state: Option<String> = member("requestState", again.request_state)?;
        let (mut answers, mut version) = (Answers::new(), None);
        if let Some(state) = state {
            let brought = dispatcher
                .service
                .request_state_open(&context.caller, &entry, arguments.as_deref(), &state)
                .await
                .map_err(|error| Dispatcher::failure(error, &context.request_id))?;
            (answers, version) = (brought.answers, Some(brought.version));
        }
        for (key, answer) in responses.into_iter().flatten() {
            // What was answered once stays as it is.
            answers.entry(key).or_insert_with(|| Said::Result(answer.to_owned()));
        }
        let retried = Arc::new(Retried::new(declared.abilities(), answers, dispatcher.waiting.clone()));
        let client: Arc<dyn Client> = Arc::<Retried>::clone(&retried);
        Ok(Self { entry, arguments, client, retried: Some(retried), version })
    }

    /// The client, if it follows tasks.
    pub(super) fn follower(&self) -> Option<Arc<Retried>> {
        self.retried.clone().filter(|client| client.abilities().tasks)
    }

    /// Runs it to its end, or to where it asks.
    ///
    /// # Errors
    /// Those of [`call_run`](crate::service::Service::call_run).
    pub(super) async fn run(&self, dispatcher: &Dispatcher, context: &Context) -> Result<CallAnswer, Error> {
        self.running(dispatcher, context, context.cancel.clone()).await
    }

    /// The same, as something that may outlive its request.
    pub(super) fn running(
        &self,
        dispatcher: &Dispatcher,
        context: &Context,
        cancel: CancellationToken,
    ) -> impl Future<Output = Result<CallAnswer, Error>> + Send + 'static {
        let (events, spoken) = Spoken::of(context, events_of_a_call(dispatcher.service.limits()));
        let request = CallRequest {
            entry: self.entry.clone(),
            arguments: self.arguments.clone(),
            version: self.version,
            client: Arc::clone(&self.client),
            request_id: context.request_id.clone(),
            cancel,
            events,
        };
        let (service, caller) = (dispatcher.service.clone(), context.caller.clone());
        async move {
            let answered = service.call_run(&caller, request);
            match spoken {
                None => answered.await,
                Some(spoken) => spoken.while_waiting(answered).await,
            }
        }
    }

    /// What a modern client is answered whose guest asks.
    pub(super) fn input_required(
        &self,
        dispatcher: &Dispatcher,
        context: &Context,
        version: Digest,
        questions: &[Question],
    ) -> Result<Payload, Error> {
        let of = Bound { caller: &context.caller, entry: &self.entry, arguments: self.arguments.as_deref(), version };
        let settled = self.retried.as_ref().map(|retried| retried.settled()).unwrap_or_default();
        let request_state = dispatcher.service.request_state_seal(of, settled)?;
        let said = InputRequired { input_requests: InputRequests(questions), request_state };
        Payload::of(&Modern::new(said, INPUT_REQUIRED)).map_err(|error| Error::internal("writing a result", error))
    }

    /// What the client is answered by the protocol itself, if that is not for the method to say.
    pub(super) fn protocol_reply(
        &self,
        dispatcher: &Dispatcher,
        context: &Context,
        answer: &CallAnswer,
    ) -> Result<Option<Reply>, Error> {
        Ok(match &answer.end {
            End::InputRequired(questions) if context.is_modern() => {
                Some(Ok(self.input_required(dispatcher, context, answer.version, questions)?))
            }
            End::MissingAbilities(missing) if context.is_modern() => Some(Err(lacks(*missing))),
            _ => None,
        })
    }
}

/// `InputRequiredResult`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InputRequired<'a> {
    input_requests: InputRequests<'a>,
    request_state: String,
}

/// `InputRequests`, as their author wrote them and in that order: people fill in a form as it is shown.
pub(super) struct InputRequests<'a>(pub(super) &'a [Question]);

impl Serialize for InputRequests<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct InputRequest<'a> {
            method: Asking,
            params: &'a RawValue,
        }
        let requests = self.0.iter().map(|Question { key, method, params }| {
            let request = InputRequest { method: *method, params };
            (key, request)
        });
        serializer.collect_map(requests)
    }
}

/// -32021: a client that has to be able to do more.
pub(super) fn lacks(missing: Abilities) -> Failure {
    let message = format!("this needs a client that declares more: {}", missing.names().join(", "));
    let data = json!({"requiredCapabilities": abilities::required(missing)});
    Failure { data: Some(data), ..Failure::new(Kind::MissingCapability, message) }
}

/// What the client's program is told of a prompt or a resource that cannot be had: the text is the guest's, or
/// the service's.
pub(super) fn failed(answer: &CallAnswer) -> Option<Failure> {
    match answer.end {
        End::InvalidArguments => Some(Failure::new(Kind::InvalidParams, words(answer))),
        End::Answered(_) => None,
        _ => Some(Failure::new(Kind::GuestFailed, words(answer))),
    }
}

/// The failure of a guest in words.
pub(super) fn words(answer: &CallAnswer) -> String {
    match answer.result.content.first() {
        Some(Content::Text { text, .. }) => text.clone(),
        _ => "the guest failed".to_owned(),
    }
}

/// A service error, when no model reads it.
pub(super) fn refused(error: Error, context: &Context) -> Failure {
    match tell(error, &context.request_id) {
        Told::Client(failure) => failure,
        Told::Model(message) => Failure::new(Kind::InvalidParams, message),
    }
}
