//! Running a tool. There is one way, and every door takes it.
//!
//! What runs is what was approved: the digest of the version that is about to run is computed again
//! from its own bytes and compared with the digest that a person approved, whenever anything was written
//! since the last call ([`ready`](super::ready)).
//!
//! A call that has begun leaves a row in the execution log, also when its caller goes away: it runs
//! in a task of its own, which ends with the row.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;
use utoipa::ToSchema;

use super::answer::{self, Answer};
use super::error::Error;
use super::passthrough::PassedOn;
use super::programs::{Runnable, Runs};
use super::ready::{Given, Ready};
use super::{Service, programs};
use crate::db::Texts;
use crate::db::execution_logs::ExecutionLog as Row;
use crate::db::servers::{self, Server};
use crate::db::tools::{self, Tool};
use crate::db::versions::{self, Version};
use crate::domain::budget::Budget;
use crate::domain::caller::Caller;
use crate::domain::client::Nobody;
use crate::domain::content::ToolResult;
use crate::domain::grant::Grants;
use crate::domain::ids::{CallId, ToolId};
use crate::domain::outcome::{GuestEvent, Label, Outcome, Report};
use crate::domain::redact::{Redactor, redact_arguments};
use crate::domain::tool::ToolKind;
use crate::domain::version::VersionContent;
use crate::executor::{ExecutorError, Job, Listener};
use crate::telemetry::{RequestId, metrics};

/// One call as a door hands it over.
#[derive(Debug)]
pub struct CallRequest {
    /// `{server}__{tool}`.
    pub name: String,
    /// None: no arguments.
    pub arguments: Option<Box<RawValue>>,
    pub request_id: RequestId,
    /// Cancelled: the guest is stopped, and the answer says so.
    pub cancel: CancellationToken,
    /// Hears the guest while it runs; what finds the channel full is not repeated.
    pub events: Option<mpsc::Sender<GuestEvent>>,
}

/// What came of a call.
#[derive(Debug)]
pub struct CallAnswer {
    pub result: ToolResult,
    pub is_error: bool,
    pub execution: Execution,
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
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Call,
    Test,
    /// Of a version that nobody approved: with nothing that a person would have to give.
    DraftTest,
}

impl Service {
    /// Calls an approved tool.
    ///
    /// The answer is there when the guest has ended and its row is on its way to the database.
    /// Dropping the future does not stop the guest; cancelling the request's token does.
    ///
    /// # Errors
    /// When there is no such tool, the arguments do not fit, there is no place for the call, or the
    /// host is broken. What a guest does wrong is an answer.
    pub async fn call_run(&self, caller: &Caller, request: CallRequest) -> Result<CallAnswer, Error> {
        let ready = self.ready(caller, &request.name).await?;
        self.begin(caller, ready, request, Purpose::Call).await
    }

    /// Runs the approved version of a tool for its author: the same call, marked as a test in the log.
    /// Of a component, the tool `export`, which can be left out when it has only one. Where the policy
    /// `draft_tests` allows it, the newest version runs, and if nobody approved that one, without secrets,
    /// folders and network. The request's name is not looked at.
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
        let purpose = if draft.is_some() { Purpose::DraftTest } else { Purpose::Test };
        let Some(version) = draft.or(live) else {
            return Err(Error::forbidden(
                "only an approved version may run (policy draft_tests); ask for approval with mcpbox_request_publish \
                 and wait for a person",
            ));
        };
        let own_name = tested(&tool, &version, export)?.to_owned();
        let request = CallRequest { name: super::tools::called(&server, &own_name)?, ..request };
        let (expected, given) = match purpose {
            Purpose::DraftTest => {
                let imports = self.imports_of(&tool, &version).await?;
                let grants = Arc::new(Grants { imports, ..Grants::default() });
                (Some(version.digest), Given { grants, ..Given::default() })
            }
            Purpose::Call | Purpose::Test => (tool.live_digest, self.given(&tool, &version).await?),
        };
        let export = programs::export(&version, &own_name);
        let runnable = self.program(&tool, &version, export, expected).await?;
        let ready = Arc::new(Ready { server, tool, version, runnable, given });
        self.begin(caller, ready, request, purpose).await
    }

    pub(super) async fn located(&self, id: ToolId) -> Result<Option<(Server, Tool)>, Error> {
        let Some(tool) = tools::by_id(self.db(), id).await? else { return Ok(None) };
        let server = servers::by_id(self.db(), tool.server_id).await?;
        Ok(server.map(|server| (server, tool)))
    }

    /// Checks everything that can be checked before a guest starts, then runs the call in a task of
    /// its own and waits for it.
    async fn begin(
        &self,
        caller: &Caller,
        ready: Arc<Ready>,
        request: CallRequest,
        purpose: Purpose,
    ) -> Result<CallAnswer, Error> {
        if self.0.parts.stopping.is_cancelled() {
            return Err(Error::Stopping);
        }
        if purpose == Purpose::DraftTest && ready.version.kind == ToolKind::McpPassthrough {
            return Err(Error::forbidden(
                "a tool of an external source runs elsewhere, and only what a person approved is passed on there",
            ));
        }
        let arguments = request.arguments.as_deref().map_or("{}", RawValue::get).to_owned();
        let Runnable { name, input_schema, output_schema, .. } = &ready.runnable;
        self.arguments_checked(name, input_schema, &arguments).await?;
        self.output_usable(name, output_schema.as_deref()).await?;
        let service = self.clone();
        let caller = caller.clone();
        let call = Call { id: CallId::new(), ready, arguments, purpose };
        // Boxed once, because it is handed on several times and is large.
        let work = Box::pin(async move { service.carry_out(&caller, call, request).await });
        // The span of the request goes along, and with it the request's id in every line.
        let task = self.0.parts.calls.spawn(work.instrument(tracing::Span::current()));
        task.await.map_err(|error| Error::internal("running a call", error))?
    }

    async fn carry_out(&self, caller: &Caller, mut call: Call, request: CallRequest) -> Result<CallAnswer, Error> {
        let place = self.executor().place(call.ready.server.id, &caller.key()).await?;
        if call.purpose == Purpose::Call {
            // It may have waited for its place while a person decided otherwise.
            call.ready = self.ready(caller, &request.name).await?;
        }
        let policies = self.policy().await?;
        let Ready { server, tool, version, runnable, given } = &*call.ready;
        let redactor = &given.redactor;
        let own = version.timeout_ms.or(server.default_timeout_ms).map(|ms| Duration::from_millis(ms.0));
        let budget = Budget::new(self.limits(), own);
        // What the caller reads, if a person wants it so; what is kept never holds a secret.
        let shown = match policies.redact_secrets_in_output {
            true => Arc::clone(redactor),
            // No tool saw these, and no policy shows them.
            false => Arc::clone(&given.bound.redactor),
        };
        let listener = request.events.map(|events| listener(events, Arc::clone(&shown)));
        let started_at = self.clock().now();
        let ending = self.0.parts.ending.child_token();
        let running = async {
            match &runnable.runs {
                Runs::Guest(program) => {
                    let job = Job {
                        program: program.clone(),
                        arguments: call.arguments.clone(),
                        secrets: Arc::clone(&given.secrets),
                        bound: Arc::clone(&given.bound),
                        grants: Arc::clone(&given.grants),
                        budget: budget.clone(),
                        client: Arc::new(Nobody),
                    };
                    let report = self.executor().run(place, job, ending.clone(), listener).await;
                    report.map_err(|error| refused(tool, error))
                }
                Runs::Source(to) => {
                    let _place = place;
                    let call = PassedOn { to, version, arguments: &call.arguments, budget: &budget };
                    self.pass_on(call, &ending, listener).await
                }
            }
        };
        let report = {
            tokio::pin!(running);
            tokio::select! {
                report = &mut running => report,
                () = request.cancel.cancelled() => {
                    ending.cancel();
                    running.await
                }
            }
        }?;
        let report = self.result_checked(runnable.output_schema.as_deref(), report).await;
        let stdout_returned = crate::limits::Limits::size(self.limits().stdout_returned_bytes);
        let mut answer = answer::compose(&report, &budget, &shown, stdout_returned);
        if call.purpose == Purpose::DraftTest {
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
        let row = if policies.redact_secrets_in_output {
            self.row(caller, &call, &request.request_id, &report, &answer, redactor, started_at)
        } else {
            let kept = answer::compose(&report, &budget, redactor, stdout_returned);
            self.row(caller, &call, &request.request_id, &report, &kept, redactor, started_at)
        };
        self.0.log.push(row).await;
        Ok(CallAnswer {
            is_error: answer.error.is_some(),
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

    #[expect(clippy::too_many_arguments, reason = "a row tells of everything that met in this call")]
    fn row(
        &self,
        caller: &Caller,
        call: &Call,
        request_id: &RequestId,
        report: &Report,
        answer: &Answer,
        redactor: &Redactor,
        started_at: chrono::DateTime<chrono::Utc>,
    ) -> Row {
        let (limits, ready) = (self.limits(), &call.ready);
        let result = matches!(report.outcome, Outcome::Returned(_) | Outcome::ReturnedError(_))
            .then(|| serde_json::to_string(&answer.result).unwrap_or_default());
        let mut cut = Vec::new();
        let mut keep = |name: &str, text: &str, bound: u64| {
            let kept = kept(text, bound);
            if text.len() as u64 > bound {
                cut.push(name.to_owned());
            }
            kept
        };
        let arguments = keep("arguments", &logged_arguments(&call.arguments, redactor), limits.log_arguments_bytes);
        let result_bytes = result.as_ref().map_or(0, String::len) as u64;
        let result = result.map(|text| keep("result", &text, limits.log_result_bytes));
        let error = answer.error.as_deref().map(|text| keep("error", text, limits.log_error_bytes));
        let stdout = keep("stdout", &redactor.apply(&report.stdout.text), limits.log_stdout_bytes);
        let over = [("stdout", report.stdout.dropped_bytes), ("log_lines", report.dropped_lines)];
        cut.extend(over.into_iter().filter(|(_, dropped)| *dropped > 0).map(|(name, _)| name.to_owned()));
        cut.dedup();
        Row {
            id: call.id,
            server_id: ready.server.id,
            tool_id: ready.tool.id,
            version_id: ready.version.id,
            version_number: ready.version.number,
            tool_name: format!("{}__{}", ready.server.name, ready.runnable.name),
            caller: caller.to_string(),
            request_id: request_id.to_string(),
            is_test: call.purpose != Purpose::Call,
            arguments,
            result,
            error,
            arguments_bytes: (call.arguments.len() as u64).into(),
            result_bytes: result_bytes.into(),
            stdout_bytes: (report.stdout.text.len() as u64).saturating_add(report.stdout.dropped_bytes).into(),
            stdout,
            cut: Texts(cut),
            outcome: report.outcome.label().to_owned(),
            success: report.outcome.is_success(),
            fuel: report.usage.fuel.into(),
            peak_memory_bytes: report.usage.peak_memory_bytes.into(),
            duration_us: u64::try_from(report.usage.duration.as_micros()).unwrap_or(u64::MAX).into(),
            http_requests: report.usage.http_requests.into(),
            http_sent_bytes: report.usage.http_sent_bytes.into(),
            http_received_bytes: report.usage.http_received_bytes.into(),
            started_at,
        }
    }
}

/// A call that has passed every check.
struct Call {
    id: CallId,
    ready: Arc<Ready>,
    arguments: String,
    purpose: Purpose,
}

/// The name of what a test runs.
fn tested<'a>(tool: &'a Tool, live: &'a Version, export: Option<&str>) -> Result<&'a str, Error> {
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

fn listener(events: mpsc::Sender<GuestEvent>, redactor: Arc<Redactor>) -> Listener {
    Arc::new(move |mut event| {
        match &mut event {
            GuestEvent::Log(line) => line.message = redactor.apply(&line.message).into_owned(),
            GuestEvent::Progress(progress) => {
                progress.message = progress.message.as_deref().map(|text| redactor.apply(text).into_owned());
            }
            GuestEvent::ListChanged(_) => {}
            GuestEvent::ResourceUpdated(uri) => *uri = redactor.apply(uri).into_owned(),
        }
        // A door that cannot keep up loses events, never the call.
        let _ = events.try_send(event);
    })
}

/// Arguments for the log: values of keys that sound secret, and values that are secret, blotted out.
fn logged_arguments(arguments: &str, redactor: &Redactor) -> String {
    match serde_json::from_str(arguments) {
        Ok(mut value) => {
            redact_arguments(&mut value);
            redactor.apply_json(&mut value);
            value.to_string()
        }
        Err(_) => redactor.apply(arguments).into_owned(),
    }
}

/// Text up to a bound, with a word about what is missing. Without U+0000, which PostgreSQL does not
/// keep.
fn kept(text: &str, bytes: u64) -> String {
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    let clean = if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text.to_owned() };
    if clean.len() <= bytes {
        return clean;
    }
    let end = (0..=bytes).rev().find(|at| clean.is_char_boundary(*at)).unwrap_or(0);
    format!("{}… ({} more bytes)", &clean[..end], clean.len() - end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_cut_at_a_character_and_says_so() {
        assert_eq!(kept("ab\0c", 10), "ab\u{fffd}c");
        assert_eq!(kept("aéé", 2), "a… (4 more bytes)");
    }

    #[test]
    fn logged_arguments_hold_no_secrets() {
        let redactor = Redactor::new(["hunter22"]);
        let logged = logged_arguments(r#"{"password":"x","note":"it is hunter22","n":1}"#, &redactor);
        assert!(!logged.contains("hunter22") && !logged.contains("\"x\""), "{logged}");
        assert!(logged.contains("\"n\":1"), "{logged}");
    }
}
