//! Streams of calls that a client may take up again: what was said on each is kept for a while, so that a
//! client whose connection broke, or was closed to it, reads on where it stopped.
//!
//! A stream belongs to its session. What the streams of calls that have ended hold is bounded, together; the
//! oldest goes first.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use super::outbox::Outbox;
use super::session::Session;
use super::stream::EventId;
use crate::clock::Clock;
use crate::limits::Limits;

/// Names a stream: random, so that it is the same in no two processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StreamId(u128);

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for StreamId {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u128::from_str_radix(text, 16).map(Self)
    }
}

/// The streams of this process that can be taken up; clones are the same.
#[derive(Clone)]
pub(super) struct Kept {
    clock: Clock,
    most_bytes: usize,
    time: TimeDelta,
    streams: Arc<Mutex<Streams>>,
    /// This process, in the ids of events.
    process: StreamId,
    /// How many events of sessions' own streams have an id.
    told: Arc<AtomicU64>,
}

#[derive(Default)]
struct Streams {
    all: HashMap<StreamId, Stream>,
    /// Those whose calls have ended, oldest first: since when, and how many bytes they hold.
    ended: VecDeque<(StreamId, DateTime<Utc>, usize)>,
    bytes: usize,
}

struct Stream {
    session: String,
    outbox: Outbox,
}

impl Kept {
    pub(super) fn new(limits: &Limits, clock: Clock) -> Self {
        let time = i64::try_from(limits.stream_kept_s).ok().and_then(TimeDelta::try_seconds);
        let most_bytes = Limits::size(limits.streams_kept_bytes);
        Self {
            clock,
            most_bytes,
            time: time.unwrap_or(TimeDelta::MAX),
            streams: Arc::default(),
            process: StreamId(rand::random()),
            told: Arc::default(),
        }
    }

    /// The id of an event on a session's own stream: no other has it, on no stream and in no process.
    pub(super) fn event_of_session(&self, generation: u64) -> EventId {
        EventId::Session { process: self.process, generation, number: self.told.fetch_add(1, Ordering::Relaxed) }
    }

    /// Whether nothing has happened since an event of a session's own stream. Generations of other processes say
    /// nothing here.
    pub(super) fn is_newest(&self, last: EventId, generation: u64) -> bool {
        matches!(last, EventId::Session { process, generation: known, .. } if process == self.process && known == generation)
    }

    /// Keeps the stream of a call that runs. Whoever calls this says when it has ended.
    pub(super) fn begin(&self, session: &Session, outbox: &Outbox) -> StreamId {
        let id = StreamId(rand::random());
        let stream = Stream { session: session.id().to_owned(), outbox: outbox.clone() };
        self.held().all.insert(id, stream);
        id
    }

    /// The call of this stream has ended: from now on it is kept for its time, while there is room.
    pub(super) fn ended(&self, id: StreamId) {
        let mut streams = self.held();
        let Some(stream) = streams.all.get(&id) else { return };
        let bytes = stream.outbox.bytes();
        streams.ended.push_back((id, self.clock.now(), bytes));
        streams.bytes += bytes;
        self.make_room(&mut streams);
    }

    /// The stream of this id, if it is this session's.
    pub(super) fn find(&self, session: &Session, id: StreamId) -> Option<Outbox> {
        let mut streams = self.held();
        self.make_room(&mut streams);
        let stream = streams.all.get(&id).filter(|stream| stream.session == session.id())?;
        Some(stream.outbox.clone())
    }

    fn make_room(&self, streams: &mut Streams) {
        let before = self.clock.now().checked_sub_signed(self.time).unwrap_or(DateTime::<Utc>::MIN_UTC);
        while let Some((id, since, bytes)) = streams.ended.front().copied() {
            if since > before && streams.bytes <= self.most_bytes {
                break;
            }
            streams.ended.pop_front();
            streams.all.remove(&id);
            streams.bytes -= bytes;
        }
    }

    fn held(&self) -> MutexGuard<'_, Streams> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;
    use crate::domain::caller::{Caller, Who};
    use crate::mcp::jsonrpc::Id;
    use crate::mcp::scope::Scope;
    use crate::mcp::session::{Agreed, Here};
    use crate::mcp::versions::Version;

    fn ended(kept: &Kept, session: &Session, bytes: usize) -> StreamId {
        let outbox = Outbox::kept(Id::Integer(1.into()), &Limits::default());
        let id = kept.begin(session, &outbox);
        outbox.finish(Some(Ok(vec![b' '; bytes].into())));
        kept.ended(id);
        id
    }

    fn session(clock: &Clock) -> Session {
        let (version, scope) = (Version::NEWEST_LEGACY, Scope::Everything);
        let agreed = Agreed { version, scope, capabilities: Map::new(), client: None };
        Here::new(&Limits::default(), clock.clone()).make(&Caller { who: Who::Local, from: None }, agreed)
    }

    /// Holds: stream_kept_s, streams_kept_bytes.
    #[test]
    fn streams_are_kept_for_their_time_while_there_is_room() {
        let clock = Clock::system();
        let limits = Limits { stream_kept_s: 60, streams_kept_bytes: 1_000, ..Limits::default() };
        let kept = Kept::new(&limits, clock.clone());
        let (session, other) = (session(&clock), session(&clock));
        let first = ended(&kept, &session, 400);
        assert!(kept.find(&session, first).is_some());
        assert!(kept.find(&other, first).is_none(), "it is nobody else's");
        let second = ended(&kept, &session, 400);
        assert!(kept.find(&session, first).is_some() && kept.find(&session, second).is_some());
        let third = ended(&kept, &session, 400);
        assert!(kept.find(&session, first).is_none(), "the oldest made room");
        assert!(kept.find(&session, second).is_some());
        let running = kept.begin(&session, &Outbox::kept(Id::Integer(1.into()), &limits));
        clock.turn(TimeDelta::seconds(61));
        assert!(kept.find(&session, second).is_none() && kept.find(&session, third).is_none());
        assert!(kept.find(&session, running).is_some(), "its call has not ended");
        assert_eq!(kept.held().bytes, 0);
    }

    #[test]
    fn the_id_of_a_stream_reads_back() {
        for id in [StreamId(0), StreamId(u128::MAX), StreamId(rand::random())] {
            assert_eq!(id.to_string().parse(), Ok(id));
        }
        assert!("".parse::<StreamId>().is_err() && "x".parse::<StreamId>().is_err());
    }
}
