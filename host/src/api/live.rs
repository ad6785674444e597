//! Live streams of the API: how many there may be, and how long each goes on.
//!
//! A stream is open no longer than the session that opened it is in force. It hears at once when that may
//! have ended by what somebody did in this process, and looks at every pause, because another process ends
//! sessions without a word to this one. It ends when the host stops.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::domain::ids::EventId;
use crate::events::{Heard, Listener};
use crate::limits::Limits;
use crate::service::sessions::Session;
use crate::service::{Error, Service};
use crate::telemetry::metrics::{self, Counted};

/// The places for live streams of this process.
pub(super) struct Places {
    places: Arc<Semaphore>,
    most: u64,
}

/// One stream's place; free again when dropped.
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
    _counted: Counted,
}

impl Places {
    pub(super) fn new(limits: &Limits) -> Self {
        let most = limits.live_streams;
        Self { places: Arc::new(Semaphore::new(Limits::size(most).min(Semaphore::MAX_PERMITS))), most }
    }

    /// # Errors
    /// [`Error::Busy`] when all places are taken.
    pub(super) fn place(&self) -> Result<Place, Error> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map(|permit| Place { _permit: permit, _counted: metrics::sse_connection() });
        place.map_err(|_| Error::Busy {
            retry_after: Duration::from_secs(10),
            message: format!(
                "{} live streams are open and no more may be (MCPBOX_LIVE_STREAMS); close one or try later",
                self.most
            ),
        })
    }
}

/// What happens on a stream.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Next {
    Heard(Heard),
    /// Nothing, for a while.
    Quiet,
    Over(Why),
}

/// Why a stream is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// The session is in force no more, or nobody can tell.
    Session,
    Stopping,
}

/// An open stream, as long as its session goes on.
pub(super) struct Live {
    service: Service,
    session: Session,
    listener: Listener,
    stopping: CancellationToken,
    pause: Interval,
    /// Whether the session is to be looked at before anything else is told.
    due: bool,
    ready: VecDeque<Next>,
    _place: Place,
}

impl Live {
    /// What happens from now on, or behind `after`.
    pub(super) fn new(service: &Service, session: Session, place: Place, after: Option<EventId>) -> Self {
        let pause = Duration::from_secs(service.limits().sse_keep_alive_s);
        let mut pause = tokio::time::interval_at(tokio::time::Instant::now() + pause, pause);
        pause.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            listener: service.events().listen(after),
            stopping: service.stopping(),
            service: service.clone(),
            session,
            pause,
            // It may have ended between the look at its credential and the first event.
            due: true,
            ready: VecDeque::new(),
            _place: place,
        }
    }

    /// What comes next. Nothing is lost when this is dropped before it is done.
    pub(super) async fn next(&mut self) -> Next {
        loop {
            if self.due {
                if !self.session_goes_on().await {
                    return Next::Over(Why::Session);
                }
                self.due = false;
            }
            if let Some(next) = self.ready.pop_front() {
                return next;
            }
            tokio::select! {
                biased;
                () = self.stopping.cancelled() => return Next::Over(Why::Stopping),
                _ = self.pause.tick() => {
                    self.due = true;
                    self.ready.push_back(Next::Quiet);
                }
                heard = self.listener.next() => match heard {
                    Some(heard) => {
                        self.due = match &heard {
                            Heard::Event(event) => event.change.concerns_sessions(),
                            Heard::Missed(_) => true,
                        };
                        self.ready.push_back(Next::Heard(heard));
                    }
                    None => return Next::Over(Why::Stopping),
                },
            }
        }
    }

    async fn session_goes_on(&self) -> bool {
        match self.service.session_goes_on(&self.session).await {
            Ok(goes_on) => goes_on,
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "a session could not be looked at; its stream ends"
                );
                false
            }
        }
    }
}
