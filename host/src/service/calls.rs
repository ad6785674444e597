//! Running a tool. There is one way, and every door takes it.
//!
//! What runs is what was approved: the digest of the version that is about to run is computed again
//! from its own bytes and compared with the digest that a person approved, at every call.
//!
//! A call that has begun leaves a row in the execution log, also when its caller goes away: it runs
//! in a task of its own, which ends with the row.

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::Service;
use super::answer::{self, Answer};
use super::error::{Error, Problem};
use crate::db::execution_logs::ExecutionLog as Row;
use crate::db::servers::Server;
use crate::db::tools::{self, Callable, Tool};
use crate::db::versions::{self, Version};
use crate::db::{Texts, blobs, servers};
use crate::domain::budget::Budget;
use crate::domain::caller::Caller;
use crate::domain::content::ToolResult;
use crate::domain::digest::Digest;
use crate::domain::ids::{CallId, ToolId};
use crate::domain::names;
use crate::domain::outcome::{GuestEvent, Outcome, Report};
use crate::domain::redact::{Redactor, redact_arguments};
use crate::domain::tool::ServerStatus;
use crate::domain::version::VersionContent;
use crate::executor::{Job, Listener, Program};
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
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Execution {
    pub call_id: CallId,
    pub outcome: &'static str,
    pub duration_ms: f64,
    pub fuel: u64,
    pub peak_memory_bytes: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stdout: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<String>,
}

/// Compiled input schemas by their text's digest.
pub(super) struct Validators(Cache<Digest, Arc<jsonschema::Validator>>);

/// Schemas that are kept compiled.
const VALIDATORS: u64 = 1_000;
/// Problems with arguments that are told at once.
const PROBLEMS: usize = 10;

impl Default for Validators {
    fn default() -> Self {
        Self(Cache::new(VALIDATORS))
    }
}

/// Why a version runs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Call,
    Test,
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
        let found = self.callable(caller, &request.name).await?;
        self.begin(caller, found, request, Purpose::Call).await
    }

    /// Runs the approved version of a tool for its author: the same call, marked as a test in the log.
    /// The request's name is not looked at.
    ///
    /// # Errors
    /// As [`call_run`](Self::call_run); also when no version is approved.
    pub async fn tool_test(&self, caller: &Caller, tool: ToolId, request: CallRequest) -> Result<CallAnswer, Error> {
        let Some((server, tool)) = self.located(tool).await? else {
            return Err(Error::not_found("tool", tool.to_string(), "list the tools of its server"));
        };
        let live = match tool.live_version_id {
            Some(version) => versions::by_id(self.db(), version).await?,
            None => None,
        };
        if live.is_none() {
            return Err(Error::forbidden(
                "only an approved version may run; ask for approval with mcpbox_request_publish and wait for a person",
            ));
        }
        let server_name = server.name.parse().map_err(|error| Error::internal("reading a server's name", error))?;
        let tool_name = tool.name.parse().map_err(|error| Error::internal("reading a tool's name", error))?;
        let name = names::gateway_name(&server_name, &tool_name);
        let request = CallRequest { name, ..request };
        self.begin(caller, Callable { server, tool, live }, request, Purpose::Test).await
    }

    async fn located(&self, id: ToolId) -> Result<Option<(Server, Tool)>, Error> {
        let Some(tool) = tools::by_id(self.db(), id).await? else { return Ok(None) };
        let server = servers::by_id(self.db(), tool.server_id).await?;
        Ok(server.map(|server| (server, tool)))
    }

    /// What a name leads to, if it may be called now.
    async fn callable(&self, caller: &Caller, name: &str) -> Result<Callable, Error> {
        let unknown = || Error::not_found("tool", name, "list the tools again");
        let direct = match names::split_gateway_name(name) {
            Some((server, tool)) if name.len() < names::GATEWAY_NAME_MAX => {
                tools::callable(self.db(), server.as_str(), tool).await?
            }
            // A name of full length may stand for a longer one; the catalogue knows.
            _ => match self.catalogue(caller).await?.tool_id(name) {
                Some(id) => match self.located(id).await? {
                    Some((server, tool)) => tools::callable(self.db(), &server.name, &tool.name).await?,
                    None => None,
                },
                None => None,
            },
        };
        let found = direct.ok_or_else(unknown)?;
        let offered = found.server.status == ServerStatus::Running && found.tool.enabled && found.live.is_some();
        if offered { Ok(found) } else { Err(unknown()) }
    }

    /// Checks everything that can be checked before a guest starts, then runs the call in a task of
    /// its own and waits for it.
    async fn begin(
        &self,
        caller: &Caller,
        found: Callable,
        request: CallRequest,
        purpose: Purpose,
    ) -> Result<CallAnswer, Error> {
        if self.0.parts.stopping.is_cancelled() {
            return Err(Error::Stopping);
        }
        let Callable { server, tool, live: Some(version) } = found else {
            return Err(Error::not_found("tool", request.name, "list the tools again"));
        };
        let source = self.approved_source(&tool, &version).await?;
        let arguments = request.arguments.as_deref().map_or("{}", RawValue::get).to_owned();
        self.check_arguments(&version, &arguments).await?;
        let service = self.clone();
        let caller = caller.clone();
        let call = Call { id: CallId::new(), server, tool, version, source, arguments, purpose };
        let work = async move { service.carry_out(&caller, call, request).await };
        // The span of the request goes along, and with it the request's id in every line.
        let task = self.0.parts.calls.spawn(work.instrument(tracing::Span::current()));
        task.await.map_err(|error| Error::internal("running a call", error))?
    }

    /// The source of a version whose digest is the approved one.
    async fn approved_source(&self, tool: &Tool, version: &Version) -> Result<Arc<str>, Error> {
        let digest = content(version).digest();
        if tool.live_digest != Some(digest) || version.digest != digest {
            tracing::error!(tool = %tool.id, version = %version.id, "a version is not what was approved; refusing to run it");
            return Err(Error::forbidden(format!(
                "`{}` is not what was approved and does not run; a person has to review it again",
                tool.name
            )));
        }
        let bytes = blobs::get(self.db(), version.source_digest).await?;
        let bytes = bytes.filter(|bytes| Digest::of(bytes) == version.source_digest).ok_or_else(|| {
            tracing::error!(tool = %tool.id, version = %version.id, "the source is missing or changed; refusing to run it");
            Error::forbidden(format!("the source of `{}` is missing or was changed; it does not run", tool.name))
        })?;
        let source = String::from_utf8(bytes).map_err(|error| Error::internal("reading a source", error))?;
        Ok(source.into())
    }

    async fn check_arguments(&self, version: &Version, arguments: &str) -> Result<(), Error> {
        let limit = self.limits().arguments_bytes;
        if arguments.len() as u64 > limit {
            return Err(Error::TooLarge { message: format!("the arguments have more than {limit} bytes") });
        }
        let value: serde_json::Value =
            serde_json::from_str(arguments).map_err(|error| Error::invalid("", format!("not JSON: {error}")))?;
        if !value.is_object() {
            return Err(Error::invalid("", "the arguments must be a JSON object"));
        }
        let schema = &version.input_schema;
        let key = Digest::of(schema.as_bytes());
        let compiled = self.0.validators.0.try_get_with(key, async { compile(schema) }).await;
        let validator = compiled.map_err(|error| Error::internal("reading an input schema", error.to_string()))?;
        let problems: Vec<Problem> = validator
            .iter_errors(&value)
            .take(PROBLEMS)
            .map(|error| Problem { pointer: error.instance_path().to_string(), message: error.to_string() })
            .collect();
        if problems.is_empty() { Ok(()) } else { Err(Error::Invalid { problems }) }
    }

    async fn carry_out(&self, caller: &Caller, call: Call, request: CallRequest) -> Result<CallAnswer, Error> {
        let place = self.executor().place(call.server.id, &caller.key()).await?;
        let secrets = self.secrets_of(call.server.id).await?;
        let redactor = Arc::new(Redactor::new(secrets.values().map(|value| value.reveal())));
        let own = call.version.timeout_ms.or(call.server.default_timeout_ms).map(|ms| Duration::from_millis(ms.0));
        let budget = Budget::new(self.limits(), own);
        let job = Job {
            program: Program::Source {
                language: call.version.kind.language().unwrap_or_default(),
                source: Arc::clone(&call.source),
                digest: call.version.source_digest,
            },
            arguments: call.arguments.clone(),
            secrets,
            grants: Arc::new(self.grants_of(&call.tool, &call.version).await?),
            budget: budget.clone(),
        };
        let listener = request.events.map(|events| listener(events, Arc::clone(&redactor)));
        let started_at = self.clock().now();
        let ending = self.0.parts.ending.child_token();
        let report = {
            let running = self.executor().run(place, job, ending.clone(), listener);
            tokio::pin!(running);
            tokio::select! {
                report = &mut running => report,
                () = request.cancel.cancelled() => {
                    ending.cancel();
                    running.await
                }
            }
        }?;
        let answer = answer::compose(
            &report,
            &budget,
            &redactor,
            crate::limits::Limits::size(self.limits().stdout_returned_bytes),
        );
        metrics::tool_call(
            report.outcome.label(),
            report.usage.duration,
            report.usage.fuel,
            report.usage.peak_memory_bytes,
        );
        let row = self.row(caller, &call, &request.request_id, &report, &answer, &redactor, started_at);
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
        let limits = self.limits();
        let result = matches!(report.outcome, Outcome::Returned(_))
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
            server_id: call.server.id,
            tool_id: call.tool.id,
            version_id: call.version.id,
            version_number: call.version.number,
            tool_name: format!("{}__{}", call.server.name, call.tool.name),
            caller: caller.to_string(),
            request_id: request_id.to_string(),
            is_test: call.purpose == Purpose::Test,
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
    server: Server,
    tool: Tool,
    version: Version,
    source: Arc<str>,
    arguments: String,
    purpose: Purpose,
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
        exports: Vec::new(),
        hosts: version.hosts.0.clone(),
        modules: version.modules.0.clone(),
        secret_names: version.secret_names.0.clone(),
    }
}

fn compile(schema: &str) -> Result<Arc<jsonschema::Validator>, String> {
    let schema: serde_json::Value = serde_json::from_str(schema).map_err(|error| error.to_string())?;
    let validator = jsonschema::draft202012::new(&schema).map_err(|error| error.to_string())?;
    Ok(Arc::new(validator))
}

fn listener(events: mpsc::Sender<GuestEvent>, redactor: Arc<Redactor>) -> Listener {
    Arc::new(move |mut event| {
        match &mut event {
            GuestEvent::Log(line) => line.message = redactor.apply(&line.message).into_owned(),
            GuestEvent::Progress(progress) => {
                progress.message = progress.message.as_deref().map(|text| redactor.apply(text).into_owned());
            }
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
