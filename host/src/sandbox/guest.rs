//! One live guest under supervision, and the report of how it ended.
//!
//! A guest ends in one of six ways: it returns, it traps, its time is over, its caller cancels, it has
//! called the host too often, or a call of the host ends it (a question whose answer comes with another
//! call). Whichever it is, the store survives the guest's future, so that what it used and printed is
//! still there to be told.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};
use wasmtime::component::ResourceTableError;
use wasmtime::{PoolConcurrencyLimitError, Store, Trap};

use super::cancel::Cancel;
use super::fetch::Fetches;
use super::state::{BoundReached, State};
use crate::domain::outcome::{Bound, Exception, Outcome, Report, Usage};

/// One guest under supervision.
pub(super) struct Watch {
    started: Instant,
    ends: Ends,
}

impl Watch {
    pub(super) fn new(time: Duration, cancel: impl Into<Cancel>) -> Self {
        let started = Instant::now();
        let time = Mutex::new(Time::Until(started + time));
        Self { started, ends: Ends(Arc::new(Outside { time, cancel: cancel.into() })) }
    }
}

/// What ends a guest from outside; clones are the same. Its time stands still while the guest waits for answers of
/// its client.
#[derive(Clone)]
pub(super) struct Ends(Arc<Outside>);

struct Outside {
    time: Mutex<Time>,
    cancel: Cancel,
}

enum Time {
    Until(Instant),
    /// It stands still, and goes on with so much.
    Left(Duration),
}

impl Ends {
    fn time(&self) -> MutexGuard<'_, Time> {
        self.0.time.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether somebody has cancelled.
    pub(super) fn is_cancelled(&self) -> bool {
        self.0.cancel.is_cancelled()
    }

    /// The moment at which the time is over, unless it stands still.
    fn moment(&self) -> Option<Instant> {
        match *self.time() {
            Time::Until(until) => Some(until),
            Time::Left(_) => None,
        }
    }

    /// Whether the time is over.
    pub(super) fn is_over(&self) -> bool {
        self.moment().is_some_and(|until| until <= Instant::now())
    }

    /// Lets the time stand still until the answer is dropped.
    pub(super) fn stand_still(&self) -> Standing {
        let mut time = self.time();
        if let Time::Until(until) = *time {
            *time = Time::Left(until.saturating_duration_since(Instant::now()));
        }
        drop(time);
        Standing(self.clone())
    }

    /// Looks at the clock, and has this task woken when the time is over. While it stands still nobody
    /// is woken: whoever lets it go on is woken itself.
    fn poll_over(&self, mut alarm: Pin<&mut Sleep>, context: &mut Context<'_>) -> bool {
        let Some(until) = self.moment() else { return false };
        if alarm.deadline() != until {
            alarm.as_mut().reset(until);
        }
        alarm.poll(context).is_ready()
    }
}

/// As long as this lives, a guest's time stands still.
pub(super) struct Standing(Ends);

impl Drop for Standing {
    fn drop(&mut self) {
        let mut time = self.0.time();
        if let Time::Left(left) = *time {
            *time = Time::Until(Instant::now() + left);
        }
    }
}

/// The end of one step of a guest, when it was not an answer.
pub(super) type Ended<T> = Result<T, Outcome>;

/// As [`supervise`], and tells at debug level how long the step took.
pub(super) async fn timed<T>(
    name: &'static str,
    store: &mut Store<State>,
    watch: &Watch,
    step: impl AsyncFnOnce(&mut Store<State>) -> wasmtime::Result<T>,
) -> Ended<T> {
    let began = Instant::now();
    let ended = supervise(store, watch, step).await;
    let duration_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
    tracing::debug!(step = name, duration_us, "a step of a guest has ended");
    ended
}

/// Drives one step of a guest (instantiating it, or one of its exports) to its end.
///
/// The step is polled again each time the guest yields, which happens after at most a million fuel, and
/// after a turn of host calls; that is where the deadline, the caller and the count of host calls are
/// looked at. Each call of the host looks at them too (`pace.rs`).
pub(super) async fn supervise<T>(
    store: &mut Store<State>,
    watch: &Watch,
    step: impl AsyncFnOnce(&mut Store<State>) -> wasmtime::Result<T>,
) -> Ended<T> {
    let host_calls = store.data().host_calls.clone();
    let host_calls_max = store.data().budget.host_calls;
    store.data_mut().ends_at(watch.ends.clone());
    let result = {
        let (step, cancelled) = (step(store), watch.ends.0.cancel.cancelled());
        let alarm = tokio::time::sleep_until(watch.ends.moment().unwrap_or(watch.started));
        tokio::pin!(step, cancelled, alarm);
        let watched = std::future::poll_fn(|context| {
            // Waited for only behind a turn that was not the last: most guests need one, and an alarm and a
            // place among those that wait cost as much as they compute.
            if watch.ends.is_cancelled() {
                return Poll::Ready(Err(Outcome::Cancelled));
            }
            if watch.ends.is_over() {
                return Poll::Ready(Ok(Err(BoundReached(Bound::Time).into())));
            }
            host_calls.turn_over();
            match step.as_mut().poll(context) {
                Poll::Ready(result) => return Poll::Ready(Ok(result)),
                Poll::Pending if host_calls.count() > host_calls_max => {
                    return Poll::Ready(Ok(Err(BoundReached(Bound::HostCalls).into())));
                }
                Poll::Pending => {}
            }
            if cancelled.as_mut().poll(context).is_ready() {
                return Poll::Ready(Err(Outcome::Cancelled));
            }
            // The step may have moved the deadline.
            match watch.ends.poll_over(alarm.as_mut(), context) {
                true => Poll::Ready(Ok(Err(BoundReached(Bound::Time).into()))),
                false => Poll::Pending,
            }
        });
        watched.await?
    };
    result.map_err(|error| judge(store, &error))
}

/// What an error of wasmtime says about the guest.
fn judge(store: &mut Store<State>, error: &wasmtime::Error) -> Outcome {
    if let Some(ended) = store.data_mut().ended.take() {
        return ended;
    }
    if let Some(BoundReached(bound)) = error.downcast_ref() {
        return Outcome::Stopped(*bound);
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => return Outcome::Stopped(Bound::Cpu),
        Some(Trap::StackOverflow) => return Outcome::Stopped(Bound::Stack),
        _ => {}
    }
    if store.data().limiter.refused() {
        return Outcome::Stopped(Bound::Memory);
    }
    if matches!(error.downcast_ref(), Some(ResourceTableError::Full)) {
        return Outcome::Stopped(Bound::Handles);
    }
    if error.downcast_ref::<PoolConcurrencyLimitError>().is_some() {
        return Outcome::Trapped { message: "this host has no room for one more instance now; try again".to_owned() };
    }
    // A trap has no words; a guest that gives up by itself may have said why.
    if let (Some(Trap::UnreachableCodeReached), Some(said)) = (error.downcast_ref(), &store.data().panic) {
        return Outcome::Trapped { message: said.chars().take(TRAP_CHARS).collect() };
    }
    if let Some(exit) = error.downcast_ref::<wasmtime_wasi::I32Exit>() {
        return Outcome::Trapped { message: format!("the guest left with exit code {}", exit.0) };
    }
    let text = format!("{error:#}");
    // These two errors have no public type in wasmtime 48; their words are checked by a test each.
    if text.contains("fuel allocated for hostcalls has been exhausted") {
        return Outcome::Stopped(Bound::ResultSize);
    }
    if text.contains("resource table has no free keys") || text.contains("store handle limit exceeded") {
        return Outcome::Stopped(Bound::Handles);
    }
    Outcome::Trapped { message: text.chars().take(TRAP_CHARS).collect() }
}

/// How a line of the log at level `error` begins that says why the guest is about to give up; the SDK
/// writes it for each panic, with the place: `panicked at src/lib.rs:10:5: message`.
pub(super) const PANIC: &str = "panicked at ";

/// Length of a trap's message; a backtrace of wasm functions can be long.
const TRAP_CHARS: usize = 2_000;

/// A guest that took more memory than this, in bytes, is cleared away before its answer is given: freeing
/// much takes as long as small calls do, so that too much could be waiting to be freed.
const CLEAR_FIRST_BYTES: u64 = 48 << 20;

/// What may be cleared away after the answer is given.
pub(super) fn left_over(report: &Report, store: Store<State>) -> Option<Store<State>> {
    (report.usage.peak_memory_bytes <= CLEAR_FIRST_BYTES).then_some(store)
}

/// The report of a guest that has come to `outcome`; takes what the store holds.
pub(super) fn report(store: &mut Store<State>, watch: &Watch, outcome: Outcome) -> Report {
    let left = store.get_fuel().unwrap_or(0);
    let state = store.data_mut();
    state.log_failed_requests();
    let outcome = match outcome {
        // A failed allocation is an ordinary exception of Python and of JavaScript; the cause is worth knowing.
        Outcome::Raised(exception)
            if (exception.kind == "MemoryError" && exception.message.is_empty())
                || (exception.kind == "InternalError" && exception.message == "out of memory") =>
        {
            Outcome::Raised(Exception {
                message: format!("the memory of one call is bounded by {} bytes", state.budget.memory_bytes),
                ..exception
            })
        }
        other => other,
    };
    Report {
        outcome,
        stdout: state.stdout.take(),
        stderr: state.stderr.take(),
        log: std::mem::take(&mut state.log),
        dropped_lines: state.dropped_lines,
        usage: Usage {
            fuel: state.budget.fuel.saturating_sub(left),
            peak_memory_bytes: state.limiter.peak(),
            duration: watch.started.elapsed(),
            host_calls: state.host_calls.count(),
            http_requests: state.network.begun().map_or(0, Fetches::started),
            http_sent_bytes: state.network.begun().map_or(0, Fetches::sent_bytes),
            http_received_bytes: state.network.begun().map_or(0, Fetches::received_bytes),
        },
    }
}
