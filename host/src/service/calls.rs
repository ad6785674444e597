//! Running a tool. There is one way, and every door takes it.
//!
//! What runs is what was approved: the digest of the version that is about to run is computed again
//! from its own bytes and compared with the digest that a person approved, whenever anything was written
//! since the last call ([`ready`](super::ready)).
//!
//! A call that has begun leaves a row in the execution log, also when its caller goes away: it goes on
//! by itself then, until the row is on its way.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use super::answer;
use super::begun::Begun;
use super::behind::Behind;
use super::error::Error;
use super::notifier::Notifier;
use super::passthrough::PassedOn;
use super::programs::Runs;
use super::ready::{Given, Ready};
use super::secrets::Opened;
use super::{Service, offered, programs, skills};
use crate::db::servers::{self, Server};
use crate::db::tools::{self, Tool};
use crate::db::versions::{self, Version};
use crate::domain::binding::BoundSecrets;
use crate::domain::budget::Budget;
use crate::domain::caller::Caller;
use crate::domain::client::{Abilities, Client, Nobody, Question};
use crate::domain::component::Entry;
use crate::domain::content::ToolResult;
use crate::domain::digest::Digest;
use crate::domain::grant::Grants;
use crate::domain::ids::{CallId, ServerId, ToolId};
use crate::domain::outcome::{GuestEvent, Label};
use crate::domain::redact::Redactor;
use crate::domain::tool::ToolKind;
use crate::domain::version::VersionContent;
use crate::executor::{Cancel, ExecutorError, Job, Listener};
use crate::telemetry::{RequestId, metrics};

/// One call as a door hands it over.
#[derive(Debug)]
pub struct CallRequest {
    /// What is called, by the names that clients of everything know.
    pub entry: Entry,
    /// Of a tool; none: no arguments.
    pub arguments: Option<Box<RawValue>>,
    /// The version that it must be, when its questions were answered before.
    pub version: Option<Digest>,
    /// Whoever is behind the call.
    pub client: Arc<dyn Client>,
    pub request_id: RequestId,
    /// Cancelled: the guest is stopped, and the answer says so.
    pub cancel: CancellationToken,
    /// Hears the guest while it runs; what finds the channel full is not repeated.
    pub events: Option<mpsc::Sender<GuestEvent>>,
}

impl CallRequest {
    /// A call without arguments, behind which there is nobody, and to whose guest nobody listens.
    pub fn new(entry: Entry, request_id: RequestId, cancel: CancellationToken) -> Self {
        let client = Arc::new(Nobody);
        Self { entry, arguments: None, version: None, client, request_id, cancel, events: None }
    }
}

/// What came of a call.
#[derive(Debug)]
pub struct CallAnswer {
    /// Of a tool what it answered; otherwise the failure in words, if it failed.
    pub result: ToolResult,
    pub is_error: bool,
    pub end: End,
    /// What ran, as it was approved.
    pub version: Digest,
    /// The server under whose name clients of everything know its resources; none when it offers none.
    pub uris_of: Option<String>,
    pub execution: Execution,
}

/// How a call ended, as far as a door has words of its own for it.
#[derive(Debug)]
pub enum End {
    /// The result says all.
    Result,
    /// What a prompt, a resource or a completion answered.
    Answered(Box<RawValue>),
    /// The arguments do not fit, as the guest sees it.
    InvalidArguments,
    /// The guest asks, and goes on with another call that brings the answers.
    InputRequired(Vec<Question>),
    MissingAbilities(Abilities),
    ResourceNotFound,
    /// The guest broke.
    Trapped,
    /// It was stopped by its caller, or with the host.
    Cancelled,
}

/// The call itself, for those who want to know.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Execution {
    pub call_id: CallId,
    #[schema(value_type = Label)]
    pub outcome: &'static str,
    pub duration_ms: f64,
    pub fuel: u64,
    pub peak_memory_bytes: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stdout: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<String>,
}

/// Why a version runs.
#[derive(Clone)]
pub(super) enum Purpose {
    Call,
    /// For its author: this tool or, of a component, this export of it.
    Test {
        tool: ToolId,
        export: Option<String>,
    },
}

/// What may run now.
struct Found {
    ready: Arc<Ready>,
    /// Nobody approved it: it gets nothing that a person would have to give.
    is_draft: bool,
}

impl Service {
    /// Calls an approved tool, or gets a prompt, reads a resource, completes an argument.
    ///
    /// The answer is there when the guest has ended and its row is on its way to the database.
    /// Dropping the future does not stop the guest; cancelling the request's token does.
    ///
    /// # Errors
    /// When there is no such tool, the arguments do not fit, there is no place for the call, or the
    /// host is broken. What a guest does wrong is an answer.
    pub async fn call_run(&self, caller: &Caller, request: CallRequest) -> Result<CallAnswer, Error> {
        self.begin(caller, request, Purpose::Call).await
    }

    /// Runs the approved version of a tool for its author: the same call, marked as a test in the log.
    /// Of a component, the tool `export`, which can be left out when it has only one. Where the policy
    /// `draft_tests` allows it, the newest version runs, and if nobody approved that one, without secrets,
    /// folders and network. The request's entry is not looked at.
    ///
    /// # Errors
    /// As [`call_run`](Self::call_run); also when no version is approved and drafts may not run, and
    /// [`Error::Invalid`] when the component has no such tool.
    pub async fn tool_test(
        &self,
        caller: &Caller,
        tool: ToolId,
        export: Option<&str>,
        request: CallRequest,
    ) -> Result<CallAnswer, Error> {
        self.begin(caller, request, Purpose::Test { tool, export: export.map(str::to_owned) }).await
    }

    async fn found(&self, caller: &Caller, purpose: &Purpose, entry: &Entry) -> Result<Found, Error> {
        match purpose {
            Purpose::Call => Ok(Found { ready: self.ready(caller, entry).await?, is_draft: false }),
            // Boxed: it is far larger than what a call needs here.
            Purpose::Test { tool, export } => Box::pin(self.tested(*tool, export.as_deref())).await,
        }
    }

    async fn tested(&self, tool: ToolId, export: Option<&str>) -> Result<Found, Error> {
        let Some((server, tool)) = self.located(tool).await? else {
            return Err(Error::not_found("tool", tool.to_string(), "list the tools of its server"));
        };
        let live = super::tools::live(self.db(), &tool).await?;
        let draft = if self.policy().await?.tests_drafts()
            && live.as_ref().map(|live| live.number) != Some(tool.latest_version)
        {
            versions::by_number(self.db(), tool.id, tool.latest_version).await?
        } else {
            None
        };
        let is_draft = draft.is_some();
        let Some(version) = draft.or(live) else {
            return Err(Error::forbidden(
                "only an approved version may run (policy draft_tests); ask for approval with mcpbox_request_publish \
                 and wait for a person",
            ));
        };
        if is_draft && version.kind == ToolKind::McpPassthrough {
            return Err(Error::forbidden(
                "a tool of an external source runs elsewhere, and only what a person approved is passed on there",
            ));
        }
        let own_name = own_name(&tool, &version, export)?.to_owned();
        let (expected, given) = if is_draft {
            let imports = self.imports_of(&tool, &version).await?;
            let grants = Arc::new(Grants { imports, ..Grants::default() });
            (Some(version.digest), Given { grants, ..self.given_to_drafts(server.id).await? })
        } else {
            (tool.live_digest, self.given(&tool, &version).await?)
        };
        let export = programs::export(&version, &own_name);
        let runnable = self.program(&tool, &version, export, expected).await?;
        let held = self.held(&runnable).await?;
        let ready = Arc::new(Ready { server, tool, version, runnable, held, given });
        Ok(Found { ready, is_draft })
    }

    /// What a draft gets: nothing. What it says is held to every secret of its server all the same, because its
    /// author may have written one down.
    async fn given_to_drafts(&self, server: ServerId) -> Result<Given, Error> {
        let Opened { redactor, bound, .. } = self.secrets_of(server).await?;
        let bound = Arc::new(BoundSecrets { secrets: Vec::new(), redactor: Arc::clone(&bound.redactor) });
        Ok(Given { redactor, bound, ..Given::default() })
    }

    pub(super) async fn located(&self, id: ToolId) -> Result<Option<(Server, Tool)>, Error> {
        let Some(tool) = tools::by_id(self.db(), id).await? else { return Ok(None) };
        let server = servers::by_id(self.db(), tool.server_id).await?;
        Ok(server.map(|server| (server, tool)))
    }

    /// Checks everything that can be checked before a guest starts, then runs the call, which goes on when nobody
    /// waits for it any more.
    async fn begin(&self, caller: &Caller, mut request: CallRequest, purpose: Purpose) -> Result<CallAnswer, Error> {
        if self.0.parts.stopping.is_cancelled() {
            return Err(Error::Stopping);
        }
        let writes = self.db().writes();
        let found = self.found(caller, &purpose, &request.entry).await?;
        of_version(&found.ready, &request)?;
        let given = || request.arguments.take().map_or_else(|| "{}".to_owned(), |raw| Box::<str>::from(raw).into());
        let arguments = offered::arguments_of(&request.entry).unwrap_or_else(given);
        self.arguments_checked(&found.ready.runnable.name, &found.ready.held, &arguments).await?;
        let service = self.clone();
        let caller = caller.clone();
        let Found { ready, is_draft } = found;
        let call = Call { id: CallId::new(), ready, is_draft, arguments, purpose, writes };
        let work = async move { service.carry_out(&caller, call, request).await };
        let answered = Begun::of(work, self.0.parts.calls.clone()).answer().await;
        answered.unwrap_or_else(|| Err(Error::internal("running a call", "it panicked")))
    }

    async fn carry_out(&self, caller: &Caller, mut call: Call, request: CallRequest) -> Result<CallAnswer, Error> {
        let place = self.executor().place(call.ready.server.id, &caller.key()).await?;
        if place.has_waited() || self.db().writes() != call.writes {
            // A person may have decided otherwise meanwhile: about the version, and about what it is given.
            let Found { ready, is_draft } = self.found(caller, &call.purpose, &request.entry).await?;
            let is_same = Arc::ptr_eq(&ready, &call.ready);
            (call.ready, call.is_draft) = (ready, is_draft);
            of_version(&call.ready, &request)?;
            if !is_same {
                self.arguments_checked(&call.ready.runnable.name, &call.ready.held, &call.arguments).await?;
            }
        }
        let policies = self.policy().await?;
        let Ready { server, tool, version, runnable, held, given } = &*call.ready;
        let redactor = &given.redactor;
        let own = version.timeout_ms.or(server.default_timeout_ms).map(|ms| Duration::from_millis(ms.0));
        let mut budget = Budget::new(self.limits(), own);
        budget.written_bytes = budget.written_bytes.min(given.room_bytes.unwrap_or(u64::MAX));
        // What the caller reads, if a person wants it so; what is kept never holds a secret.
        let shown = match policies.redact_secrets_in_output {
            true => Arc::clone(redactor),
            // No tool saw these, and no policy shows them.
            false => Arc::clone(&given.bound.redactor),
        };
        let notifier = Notifier::of(self.events(), server, version);
        let hears = request.events.is_some() || notifier.is_some();
        let listener = hears.then(|| listener(request.events, notifier, Arc::clone(&shown)));
        let started_at = self.clock().now();
        let report = match &runnable.runs {
            Runs::Guest(program) => {
                let job = Job {
                    program: program.clone(),
                    arguments: call.arguments.clone(),
                    secrets: Arc::clone(&given.secrets),
                    bound: Arc::clone(&given.bound),
                    grants: Arc::clone(&given.grants),
                    budget: budget.clone(),
                    client: Arc::new(Behind::new(Arc::clone(&request.client), Arc::clone(&shown))),
                };
                let cancel = Cancel::by(request.cancel, self.0.parts.ending.clone());
                let report = self.executor().run(place, job, cancel, listener).await;
                report.map_err(|error| refused(tool, error))?
            }
            Runs::Source(to) => {
                let _place = place;
                let call = PassedOn { to, version, arguments: &call.arguments, budget: &budget };
                // Boxed: it is far larger than what a guest's call needs here.
                Box::pin(self.pass_on(call, &request.cancel, listener)).await?
            }
        };
        let report = self.result_checked(held, report).await?;
        let mut report = skills::file_checked(version, &runnable.runs, report);
        let stdout_returned = crate::limits::Limits::size(self.limits().stdout_returned_bytes);
        // Where people see what is never kept, there are two of it.
        let kept = (!policies.redact_secrets_in_output)
            .then(|| answer::compose(&mut report.clone(), &budget, redactor, stdout_returned));
        let mut answer = answer::compose(&mut report, &budget, &shown, stdout_returned);
        if call.is_draft {
            answer.notices.push(format!(
                "this was version {}, which nobody approved: it ran without secrets, folders and network",
                version.number
            ));
        }
        metrics::tool_call(
            report.outcome.label(),
            report.usage.duration,
            report.usage.fuel,
            report.usage.peak_memory_bytes,
        );
        let kept = kept.as_ref().unwrap_or(&answer);
        let row = self.row(caller, &call, &request.request_id, &report, kept, redactor, started_at);
        self.0.log.push(row).await;
        Ok(CallAnswer {
            is_error: answer.error.is_some(),
            end: answer::end(&report.outcome, &shown),
            version: version.digest,
            uris_of: offered::uris_of(server, version),
            execution: Execution {
                call_id: call.id,
                outcome: report.outcome.label(),
                duration_ms: report.usage.duration.as_secs_f64() * 1e3,
                fuel: report.usage.fuel,
                peak_memory_bytes: report.usage.peak_memory_bytes,
                stdout: answer.stdout,
                notices: answer.notices,
            },
            result: answer.result,
        })
    }
}

/// A call that has passed every check.
pub(super) struct Call {
    pub(super) id: CallId,
    pub(super) ready: Arc<Ready>,
    is_draft: bool,
    pub(super) arguments: String,
    pub(super) purpose: Purpose,
    /// `ready` was found as the database stood after so many writes.
    writes: u64,
}

/// # Errors
/// [`Error::Conflict`] when the answers that come along were given to another version.
fn of_version(ready: &Ready, request: &CallRequest) -> Result<(), Error> {
    match request.version {
        Some(digest) if digest != ready.version.digest => Err(Error::Conflict {
            message: "this is another version than the one that asked; call it again without its answers".to_owned(),
        }),
        _ => Ok(()),
    }
}

/// The name of what a test runs.
fn own_name<'a>(tool: &'a Tool, live: &'a Version, export: Option<&str>) -> Result<&'a str, Error> {
    if !live.kind.has_exports() {
        return match export {
            Some(other) if other != tool.name => {
                Err(Error::invalid("/export", "this tool is a source and has no exports"))
            }
            _ => Ok(&tool.name),
        };
    }
    let names = || live.exports.0.iter().map(|export| export.name.as_str()).collect::<Vec<_>>().join(", ");
    match (export, live.exports.0.as_slice()) {
        (None, [only]) => Ok(&only.name),
        (None, _) => Err(Error::invalid("/export", format!("say which of its tools to run: {}", names()))),
        (Some(name), _) => match programs::export(live, name) {
            Some(export) => Ok(&export.name),
            None => Err(Error::invalid("/export", format!("the component has no tool `{name}`; it has {}", names()))),
        },
    }
}

/// A component that was taken once and is refused now is no longer what it was.
fn refused(tool: &Tool, error: ExecutorError) -> Error {
    match error.refusal() {
        Some(why) => {
            tracing::error!(tool = %tool.id, why, "a component that was taken before is refused");
            Error::forbidden(format!("the component `{}` does not run: {why}", tool.name))
        }
        None => error.into(),
    }
}

/// What an approval of this version covers.
pub(super) fn content(version: &Version) -> VersionContent {
    VersionContent {
        kind: version.kind,
        name: version.name.clone(),
        description: version.description.clone(),
        source_digest: version.source_digest,
        timeout_ms: version.timeout_ms.map(u64::from),
        input_schema: version.input_schema.clone(),
        output_schema: version.output_schema.clone(),
        exports: version.exports.0.clone(),
        hosts: version.hosts.0.clone(),
        modules: version.modules.0.clone(),
        secret_names: version.secret_names.0.clone(),
    }
}

fn listener(events: Option<mpsc::Sender<GuestEvent>>, notifier: Option<Notifier>, redactor: Arc<Redactor>) -> Listener {
    Arc::new(move |mut event| {
        match &mut event {
            GuestEvent::Log(line) => line.message = redactor.apply(&line.message).into_owned(),
            GuestEvent::Progress(progress) => {
                progress.message = progress.message.as_deref().map(|text| redactor.apply(text).into_owned());
            }
            GuestEvent::ListChanged(_) => {}
            GuestEvent::ResourceUpdated(uri) => *uri = redactor.apply(uri).into_owned(),
        }
        if let Some(notifier) = &notifier {
            notifier.tell(&event);
        }
        // A door that cannot keep up loses events, never the call.
        let _ = events.as_ref().map(|events| events.try_send(event));
    })
}
