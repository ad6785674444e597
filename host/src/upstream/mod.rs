//! The client to external sources: other MCP servers, whose tools are offered as ours.
//!
//! Nothing that a source says is trusted. What it sends is bounded in size, how long it is waited for is
//! bounded in time, and how many calls wait for it is bounded in number; after so many failures in a row
//! it is left alone for a while. So a source that hangs, dies, floods or talks nonsense hurts the calls of
//! its own tools, and nobody else's.
//!
//! A session serves one call at a time, and is closed when a call in it did not end well. A credential is
//! sent to the host that a person named, and to nobody else; redirects are not followed.

mod circuits;
mod door;
mod heard;
mod oauth;
mod read;
mod session;
mod sse;
mod wire;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::OwnedMutexGuard;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::circuits::{Gate, Gates};
use self::door::Changed;
pub use self::heard::Listener;
pub use self::oauth::{Client, Login, LoginStarted, LoginWish, Token};
use self::session::{Ended, Session};
use self::wire::Wire;
use crate::clock::Clock;
use crate::domain::budget::Budget;
use crate::domain::circuit::CircuitView;
use crate::domain::digest::Digest;
use crate::domain::ids::SourceId;
use crate::domain::outcome::{Bound, Captured, Outcome, Report, Usage};
use crate::domain::secret::SecretValue;
use crate::domain::source::{About, SourceTransport};
use crate::egress::{Egress, Reach};
use crate::limits::Limits;
use crate::telemetry::metrics;

/// How a source is reached; made anew for every use.
#[derive(Clone, Debug)]
pub struct Access {
    pub id: SourceId,
    /// `{server}.{source}`, for people.
    pub name: String,
    pub url: String,
    pub transport: SourceTransport,
    pub reach: Reach,
    /// A header that lets us in: its name and its value.
    pub credential: Option<(String, SecretValue)>,
}

/// One call of a tool of a source.
#[derive(Clone, Debug)]
pub struct ToolCall {
    /// As the source calls it.
    pub tool: String,
    /// JSON, an object.
    pub arguments: String,
    pub budget: Budget,
    /// Whether the source wants to see some arguments in headers, so that the session must know its list.
    pub mirrors_headers: bool,
}

/// What a source offers.
#[derive(Clone, Debug)]
pub struct Offer {
    /// Each as the source sent it.
    pub tools: Vec<Value>,
    pub about: About,
}

/// Why a source gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    /// Not asked: as many calls wait for it as may, or it failed too often.
    #[error("{message}")]
    Busy { message: String, retry_after: Duration },
    /// It answered that we may not come in like this.
    #[error("the source refuses our credential (HTTP {status}); {}", unauthorized_hint(.status))]
    Unauthorized { status: u16 },
    #[error("{0}")]
    Failed(String),
    #[error("{0}")]
    TimedOut(String),
}

fn unauthorized_hint(status: &u16) -> &'static str {
    match status {
        403 => "it knows the credential and does not allow this",
        _ => "a person has to give it the right one, or to log in there again",
    }
}

/// The bounds, from the limits.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    /// Of a handshake with a list, a probe, a step of a login.
    time: Duration,
    /// Of one answer: a body, or a stream of events.
    answer_bytes: usize,
    tools: usize,
}

/// Clones share everything.
#[derive(Clone)]
pub struct Upstream(Arc<Inner>);

struct Inner {
    egress: Egress,
    bounds: Bounds,
    gates: Gates,
    clock: Clock,
    tasks: TaskTracker,
    told: OnceLock<ListChanged>,
}

/// Told that a source has another list.
type ListChanged = Box<dyn Fn(SourceId) + Send + Sync>;

/// How long a source may take to hear that a call was given up.
const FAREWELL: Duration = Duration::from_secs(2);

impl Upstream {
    /// `tasks` are those that end before the process does.
    pub fn new(egress: Egress, limits: &Limits, clock: Clock, tasks: TaskTracker) -> Self {
        let bounds = Bounds {
            time: Duration::from_millis(limits.source_time_ms),
            answer_bytes: Limits::size(limits.source_answer_bytes),
            tools: Limits::size(limits.source_tools),
        };
        Self(Arc::new(Inner { egress, bounds, gates: Gates::new(limits), clock, tasks, told: OnceLock::new() }))
    }

    /// From now on `told` hears, once until it is asked again, that a source has another list; must not wait. The
    /// first one stays. Sources of sessions say so, while one is open: during a call and for a minute afterwards.
    pub fn on_list_changed(&self, told: impl Fn(SourceId) + Send + Sync + 'static) {
        // There is one already: it goes on hearing everything.
        let _ = self.0.told.set(Box::new(told));
    }

    /// Whether a source said that its list is another one, and was not asked since.
    pub fn list_is_outdated(&self, id: SourceId) -> bool {
        self.0.gates.is_outdated(id)
    }

    fn changed(&self, id: SourceId) -> Changed {
        // Sessions that wait belong to the gates, which belong to this.
        let inner = Arc::downgrade(&self.0);
        Arc::new(move || {
            let Some(inner) = inner.upgrade() else { return };
            if inner.gates.outdated(id)
                && let Some(told) = inner.told.get()
            {
                told(id);
            }
        })
    }

    /// Calls a tool. What the source does wrong is an outcome of the report.
    ///
    /// # Errors
    /// `Busy` when it was not asked, `Unauthorized` when it did not let us in: then nothing was done.
    pub async fn call(
        &self,
        access: &Access,
        call: &ToolCall,
        cancel: &CancellationToken,
        listener: Option<Listener>,
    ) -> Result<Report, UpstreamError> {
        let gate = self.0.gates.of(access);
        let now = self.0.clock.now();
        let _place = gate.enter(now).inspect_err(|_| metrics::upstream_call("refused"))?;
        let begun = Instant::now();
        let waiting = gate.idle(access, now);
        let wire = waiting.as_ref().map_or_else(|| self.wire(access), |session| session.wire().clone());
        wire.begin(listener, &call.budget);
        // Dropped when the deadline is over or the caller goes; the source is then told so.
        let work = self.carry_out(access, &gate, waiting, &wire, call);
        let ended = tokio::select! {
            ended = tokio::time::timeout(call.budget.time, work) => ended.unwrap_or(Ended::TimedOut),
            () = cancel.cancelled() => Ended::Cancelled,
        };
        self.note(&gate, &ended);
        let outcome = match ended {
            Ended::Answered(answer) => read::outcome(&answer, call.budget.result_bytes),
            Ended::Refused(why) => {
                Outcome::SourceFailed { message: format!("the source `{}` refused the call: {why}", access.name) }
            }
            Ended::Failed(why) => {
                Outcome::SourceFailed { message: format!("the source `{}` did not answer: {why}", access.name) }
            }
            Ended::TimedOut => Outcome::Stopped(Bound::Time),
            Ended::Cancelled => Outcome::Cancelled,
            Ended::Unauthorized(status) => return Err(UpstreamError::Unauthorized { status }),
        };
        let said = wire.heard().take();
        let traffic = wire.traffic();
        Ok(Report {
            outcome,
            stdout: Captured::default(),
            stderr: Captured::default(),
            log: said.log,
            dropped_lines: said.dropped,
            usage: Usage {
                duration: begun.elapsed(),
                http_requests: traffic.requests,
                http_sent_bytes: traffic.sent_bytes,
                http_received_bytes: traffic.received_bytes,
                ..Usage::default()
            },
        })
    }

    /// In the session that waits, or in a new one.
    async fn carry_out(
        &self,
        access: &Access,
        gate: &Gate,
        waiting: Option<Session>,
        wire: &Wire,
        call: &ToolCall,
    ) -> Ended {
        let opened = match waiting {
            Some(session) => Ok(session),
            None => Session::open(wire.clone(), access, self.changed(access.id)).await,
        };
        let mut session = match opened {
            Ok(session) => session,
            Err(error) => return error.into(),
        };
        if call.mirrors_headers
            && let Err(error) = session.know_tools(self.0.bounds.tools).await
        {
            return error.into();
        }
        let (ended, session) = session.call(call, &self.0.tasks).await;
        if let Some(session) = session {
            gate.keep(access, session, self.0.clock.now());
        }
        ended
    }

    /// What a source offers, asked in a session of its own. `asked`: by somebody who waits for it, also while
    /// the source is left alone.
    ///
    /// # Errors
    /// See [`UpstreamError`].
    pub async fn tools(&self, access: &Access, asked: bool) -> Result<Offer, UpstreamError> {
        self.0.gates.of(access).listing();
        self.ask(access, asked, async |session: &mut Session| {
            let tools = session.tools(self.0.bounds.tools).await?;
            Ok(Offer { tools, about: session.about() })
        })
        .await
    }

    /// Whether a source answers a handshake, and what it says of itself.
    ///
    /// # Errors
    /// See [`UpstreamError`].
    pub async fn probe(&self, access: &Access) -> Result<About, UpstreamError> {
        self.ask(access, true, async |session: &mut Session| Ok(session.about())).await
    }

    async fn ask<T>(
        &self,
        access: &Access,
        asked: bool,
        question: impl AsyncFnOnce(&mut Session) -> Result<T, UpstreamError>,
    ) -> Result<T, UpstreamError> {
        let gate = self.0.gates.of(access);
        let now = self.0.clock.now();
        let _place = if asked { gate.place() } else { gate.enter(now) }?;
        let time = self.0.bounds.time;
        let work = async {
            let mut session = Session::open(self.wire(access), access, self.changed(access.id)).await?;
            question(&mut session).await
        };
        let answer = tokio::time::timeout(time, work).await.unwrap_or_else(|_| {
            Err(UpstreamError::TimedOut(format!("the source did not answer within {} ms", time.as_millis())))
        });
        match &answer {
            Err(UpstreamError::Failed(_) | UpstreamError::TimedOut(_)) => gate.failed(self.0.clock.now()),
            _ => gate.succeeded(),
        }
        self.0.gates.count_open();
        answer
    }

    fn wire(&self, access: &Access) -> Wire {
        Wire::new(self.0.egress.for_call(), access, self.0.bounds)
    }

    /// Tells the breaker and the metrics how a call went.
    fn note(&self, gate: &Gate, ended: &Ended) {
        let label = match ended {
            Ended::Answered(_) => "answered",
            Ended::Refused(_) | Ended::Unauthorized(_) => "rejected",
            Ended::Failed(_) => "failed",
            Ended::TimedOut => "timed_out",
            Ended::Cancelled => "cancelled",
        };
        metrics::upstream_call(label);
        match ended {
            Ended::Answered(_) | Ended::Refused(_) | Ended::Unauthorized(_) => gate.succeeded(),
            Ended::Failed(_) | Ended::TimedOut => gate.failed(self.0.clock.now()),
            Ended::Cancelled => gate.left(),
        }
        self.0.gates.count_open();
    }

    /// The turn of whoever renews the token for a source: one at a time, and the others find it done.
    pub async fn login_turn(&self, access: &Access) -> OwnedMutexGuard<()> {
        self.0.gates.of(access).login_turn().await
    }

    /// The turn of whoever asks a source for its list because calls wait for it.
    pub async fn list_turn(&self, access: &Access) -> OwnedMutexGuard<()> {
        self.0.gates.of(access).list_turn().await
    }

    /// Every breaker that was needed so far, by the name of its source.
    pub fn circuits(&self) -> Vec<CircuitView> {
        self.0.gates.views(self.0.clock.now())
    }

    /// Closes the breaker of a source, by its id or its name; whether there is one.
    pub fn circuit_reset(&self, name: &str) -> bool {
        self.0.gates.reset(|id, own| own == name || id.to_string() == name) > 0
    }

    /// Closes all breakers; answers how many there are.
    pub fn circuits_reset(&self) -> usize {
        self.0.gates.reset(|_, _| true)
    }

    /// Closes sessions that wait for nobody.
    pub fn sweep(&self) {
        self.0.gates.sweep(self.0.clock.now());
    }

    /// Forgets a source that is gone.
    pub fn forget(&self, id: SourceId) {
        self.0.gates.forget(id);
    }
}

impl Access {
    /// What a session is bound to: another address or credential means another session.
    fn key(&self) -> Digest {
        let (name, value) = match &self.credential {
            Some((name, value)) => (name.as_str(), value.reveal()),
            None => ("", ""),
        };
        Digest::of_parts([self.url.as_bytes(), self.transport.as_str().as_bytes(), name.as_bytes(), value.as_bytes()])
    }
}

/// A text of a peer, as part of a sentence of ours.
fn shown(text: &str) -> String {
    const CHARS: usize = 300;
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let mut out: String = text.chars().map(plain).take(CHARS).collect();
    if text.chars().nth(CHARS).is_some() {
        out.push('…');
    }
    out
}
