//! Log lines on standard error: JSON, one object a line, or text for people when debugging. Standard
//! output is for what a command answers, such as the address in the first line of `mcpbox serve`.
//!
//! A thread of its own writes them, so that a slow or stuck reader of the output never stops a
//! request. Past a bounded queue lines are dropped, and a line says how many.

use std::io::{self, IsTerminal as _, Write};
use std::iter;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};
use std::{fmt, thread};

use serde::Serialize;
use serde_json::{Map, Value};
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::{EnvFilter, ParseError};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{self as lines, FmtContext, FormatEvent, FormatFields, FormattedFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;

use super::fields::{self, JsonFields};
use super::request_id;

/// Lines that wait to be written.
const QUEUE_LINES: usize = 4_096;
/// How long the end of the process waits for them.
const FLUSH_TIME: Duration = Duration::from_secs(2);
/// Between two tries when the output is full and does not block.
const RETRY_PAUSE: Duration = Duration::from_millis(5);

#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error(
        "`{level}` is no log level; give error, warn, info, debug, trace or off, or directives such as `info,hyper=debug`"
    )]
    Level { level: String, source: Option<ParseError> },
    #[error("starting the thread that writes log lines")]
    Thread { source: io::Error },
}

/// After a write lines gather for this long: who logs a line need not wake the thread for each.
const GATHER: Duration = Duration::from_millis(1);
/// More than this is not gathered.
const WRITE_BYTES: usize = 64 << 10;

static QUEUE: OnceLock<&'static Queue> = OnceLock::new();

/// Sends what is logged to standard error from now on. A level is for our own lines; libraries are
/// heard from `warn` on, or later when the level is later. Text with `=` is taken as directives of
/// [`EnvFilter`]. Only the first call in a process has an effect.
///
/// # Errors
/// A level that is none, and a thread that cannot be started.
pub fn init_logs(debug: bool, level: &str) -> Result<(), LogError> {
    let filter = filter(level)?;
    if QUEUE.get().is_some() {
        return Ok(());
    }
    let queue = Queue::start(io::stderr(), QUEUE_LINES).map_err(|source| LogError::Thread { source })?;
    if QUEUE.set(queue).is_err() {
        return Ok(());
    }
    let registry = tracing_subscriber::registry().with(filter);
    // It fails only when this process already logs elsewhere, as a test may: then it stays so.
    let _ = if debug {
        let text = lines::layer().with_writer(queue).with_timer(TimeAndRequest).with_ansi(io::stderr().is_terminal());
        tracing::subscriber::set_global_default(registry.with(text))
    } else {
        tracing::subscriber::set_global_default(registry.with(json_lines(queue)))
    };
    Ok(())
}

/// Waits until what was logged is written, two seconds at most. For the end of the process.
pub fn flush_logs() {
    if let Some(queue) = QUEUE.get() {
        queue.flush(FLUSH_TIME);
    }
}

fn filter(level: &str) -> Result<EnvFilter, LogError> {
    let failed = |source| LogError::Level { level: level.to_owned(), source };
    let (ours, libraries) = match level.trim().to_ascii_lowercase().as_str() {
        "off" => ("off", "off"),
        "error" | "critical" => ("error", "error"),
        "warn" | "warning" => ("warn", "warn"),
        "" | "info" => ("info", "warn"),
        "debug" => ("debug", "warn"),
        "trace" => ("trace", "warn"),
        directives if directives.contains('=') => {
            return EnvFilter::try_new(level.trim()).map_err(|source| failed(Some(source)));
        }
        _ => return Err(failed(None)),
    };
    EnvFilter::try_new(format!("{libraries},mcpbox={ours}")).map_err(|source| failed(Some(source)))
}

fn json_lines<S>(queue: &'static Queue) -> impl tracing_subscriber::Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    lines::layer().with_writer(queue).fmt_fields(JsonFields).event_format(JsonLine)
}

/// For people: when, and for which request.
struct TimeAndRequest;

impl FormatTime for TimeAndRequest {
    fn format_time(&self, out: &mut Writer<'_>) -> fmt::Result {
        SystemTime.format_time(out)?;
        match request_id::current() {
            Some(id) => write!(out, " {id}"),
            None => Ok(()),
        }
    }
}

/// One JSON object: when, how bad and where, then for which request, then the fields of the event and of
/// the spans around it, all at the top. The inner of two equal names wins.
struct JsonLine;

#[derive(Serialize)]
struct Line<'a> {
    timestamp: &'a str,
    level: &'a str,
    target: &'a str,
    #[serde(flatten)]
    fields: Map<String, Value>,
}

impl<S, N> FormatEvent<S, N> for JsonLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(&self, ctx: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Map::new();
        if let Some(id) = request_id::current() {
            fields.insert("request_id".to_owned(), id.as_str().into());
        }
        for span in ctx.event_scope().into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(text) = span.extensions().get::<FormattedFields<N>>() {
                add_fields(&mut fields, text);
            }
        }
        let mut text = String::new();
        ctx.format_fields(Writer::new(&mut text), event)?;
        add_fields(&mut fields, &text);
        let mut timestamp = String::new();
        SystemTime.format_time(&mut Writer::new(&mut timestamp))?;
        let (level, target) = (event.metadata().level().as_str(), event.metadata().target());
        let line = Line { timestamp: &timestamp, level, target, fields };
        writeln!(out, "{}", serde_json::to_string(&line).map_err(|_| fmt::Error)?)
    }
}

/// Adds the fields that [`JsonFields`] wrote, but for those that would be there twice.
fn add_fields(fields: &mut Map<String, Value>, text: &str) {
    let more = fields::read(text).into_iter();
    fields.extend(more.filter(|(key, _)| !["timestamp", "level", "target"].contains(&key.as_str())));
}

/// The lines on their way to the thread that writes them.
struct Queue {
    jobs: SyncSender<Job>,
    dropped: AtomicU64,
}

enum Job {
    Line(Vec<u8>),
    /// Answered when everything before it is written.
    Flush(SyncSender<()>),
}

impl Queue {
    /// A queue that lives as long as the process, as its thread does.
    fn start(out: impl Write + Send + 'static, lines: usize) -> io::Result<&'static Self> {
        let (jobs, work) = sync_channel(lines);
        let queue: &'static Self = Box::leak(Box::new(Self { jobs, dropped: AtomicU64::new(0) }));
        thread::Builder::new().name("logs".to_owned()).spawn(move || queue.run(out, work))?;
        Ok(queue)
    }

    fn run(&self, mut out: impl Write, work: Receiver<Job>) {
        let mut text = Vec::new();
        while let Ok(first) = work.recv() {
            for job in iter::once(first).chain(work.try_iter()) {
                match job {
                    Job::Line(line) => text.extend(line),
                    Job::Flush(done) => {
                        write_whole(&mut out, &text);
                        text.clear();
                        write_whole(&mut out, b"");
                        // Whoever asked may have stopped waiting.
                        let _ = done.try_send(());
                    }
                }
                if text.len() >= WRITE_BYTES {
                    break;
                }
            }
            write_whole(&mut out, &text);
            text.clear();
            let lines_dropped = self.dropped.swap(0, Ordering::Relaxed);
            if lines_dropped > 0 {
                tracing::warn!(lines_dropped, "log lines were dropped, because the output was not read fast enough");
            }
            thread::sleep(GATHER);
        }
    }

    fn flush(&self, time: Duration) {
        let end = Instant::now() + time;
        let (done, written) = sync_channel(1);
        let mut job = Job::Flush(done);
        while let Err(TrySendError::Full(back)) = self.jobs.try_send(job) {
            if Instant::now() >= end {
                return;
            }
            job = back;
            thread::sleep(RETRY_PAUSE);
        }
        // When the time is over, the end of the process does not wait for the reader of its logs.
        let _ = written.recv_timeout(end.saturating_duration_since(Instant::now()));
    }
}

/// Writes all and hands it on, also to an output that does not block. What cannot be written is lost:
/// there is nowhere to say so.
fn write_whole(out: &mut impl Write, mut bytes: &[u8]) {
    loop {
        let result = if bytes.is_empty() { out.flush().map(|()| 0) } else { out.write(bytes) };
        match result {
            Ok(0) => return,
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(RETRY_PAUSE),
            Err(_) => return,
        }
    }
}

/// The subscriber writes each event with a single call.
impl Write for &'static Queue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.jobs.try_send(Job::Line(line.to_vec())).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for &'static Queue {
    type Writer = &'static Queue;

    fn make_writer(&'a self) -> &'static Queue {
        self
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::Sender;
    use std::sync::{Arc, Mutex};

    use futures_util::FutureExt as _;

    use super::*;
    use crate::telemetry::of_request;

    /// Long enough for the busiest machine.
    const PATIENCE: Duration = Duration::from_secs(60);

    /// Keeps what is written.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Kept {
        fn text(&self) -> String {
            String::from_utf8_lossy(&self.0.lock().expect("no panic")).into_owned()
        }
    }

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no panic").write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_is_one_object_with_the_request_id_at_the_top() {
        let kept = Kept::default();
        let queue = Queue::start(kept.clone(), 16).expect("a thread");
        let subscriber = tracing_subscriber::registry().with(filter("info").expect("a level")).with(json_lines(queue));
        tracing::subscriber::with_default(subscriber, || {
            let id = "r-1".parse().expect("an id");
            let work = async {
                let later = tracing::field::Empty;
                let span = tracing::info_span!(target: "mcpbox::api", "span", step = "outer", tries = 2, later);
                span.record("later", true);
                let error = filter("a=b=c").expect_err("it is refused");
                span.in_scope(|| {
                    let error = &error as &dyn std::error::Error;
                    tracing::info!(target: "mcpbox::api", error, duration_ms = 3, step = "inner", level = "fake", "a \"line\"\nof two");
                });
            };
            of_request(id, work).now_or_never().expect("it waits for nothing");
            tracing::debug!(target: "mcpbox::api", "too low");
            tracing::info!(target: "hyper", "not ours");
            tracing::warn!(target: "hyper", "heard");
        });
        queue.flush(PATIENCE);
        let text = kept.text();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let mut first = lines[0].clone();
        let timestamp = first.as_object_mut().and_then(|line| line.remove("timestamp")).expect("a timestamp");
        assert!(chrono::DateTime::parse_from_rfc3339(timestamp.as_str().expect("text")).is_ok(), "{timestamp}");
        let error = &lines[0]["error"];
        assert!(
            error.as_str().is_some_and(|text| text.contains("is no log level") && text.contains(": error parsing")),
            "{error}"
        );
        let expected = serde_json::json!({
            "level": "INFO", "target": "mcpbox::api", "message": "a \"line\"\nof two",
            "request_id": "r-1", "duration_ms": 3, "step": "inner", "tries": 2, "later": true,
            "error": error,
        });
        assert_eq!(first, expected);
        assert!(text.starts_with(r#"{"timestamp":"#), "{text}");
        assert_eq!((lines.len(), &lines[1]["message"]), (2, &"heard".into()));
    }

    #[test]
    fn a_stuck_reader_stops_nobody_and_lost_lines_are_counted() {
        struct Stuck(Sender<()>, Receiver<()>, Kept);
        impl Write for Stuck {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                let _ = self.0.send(());
                let _ = self.1.recv();
                self.2.write(bytes)
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let kept = Kept::default();
        let (began, first) = std::sync::mpsc::channel();
        let (free, freed) = std::sync::mpsc::channel();
        let mut queue = Queue::start(Stuck(began, freed, kept.clone()), 2).expect("a thread");
        queue.write_all(b"1\n").expect("queued");
        first.recv().expect("the thread writes the first line");
        for line in [b"2\n", b"3\n", b"4\n", b"5\n"] {
            queue.write_all(line).expect("queued or dropped");
        }
        assert_eq!(queue.dropped.load(Ordering::Relaxed), 2);
        queue.flush(Duration::ZERO);
        drop(free);
        queue.flush(PATIENCE);
        assert_eq!(kept.text(), "1\n2\n3\n");
        assert_eq!(queue.dropped.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn an_output_that_does_not_block_gets_every_byte() {
        struct Hesitant(bool, Kept);
        impl Write for Hesitant {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0 = !self.0;
                if self.0 { Err(io::ErrorKind::WouldBlock.into()) } else { self.1.write(&bytes[..1]) }
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let kept = Kept::default();
        let mut queue = Queue::start(Hesitant(false, kept.clone()), 2).expect("a thread");
        queue.write_all(b"slow\n").expect("queued");
        queue.flush(PATIENCE);
        assert_eq!(kept.text(), "slow\n");
    }

    #[test]
    fn levels_are_known_by_their_names_and_nothing_else_is_a_level() {
        for good in ["", "INFO", " info ", "warning", "Critical", "off", "debug", "info,mcpbox::mcp=trace"] {
            assert!(filter(good).is_ok(), "{good}");
        }
        for bad in ["loud", "5", "info debug", "mcpbox=loud"] {
            assert!(matches!(filter(bad), Err(LogError::Level { .. })), "{bad}");
        }
        assert_eq!(filter("ERROR").expect("a level").to_string(), "mcpbox=error,error");
        assert_eq!(filter("debug").expect("a level").to_string(), "mcpbox=debug,warn");
    }

    #[test]
    fn starting_the_logs_twice_changes_nothing() {
        init_logs(false, "off").expect("started");
        init_logs(true, "trace").expect("left alone");
        assert!(init_logs(false, "loud").is_err());
        flush_logs();
    }
}
