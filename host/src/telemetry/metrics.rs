//! Every metric of the product: its name, kind, unit, labels and sentence, declared once.
//!
//! The table yields the description in `/metrics` and `docs/metrics.md`; a function for each is the
//! only way to record it, so that no other file spells a name. The four `http_*` metrics have the
//! names and labels that dashboards of the Python MCPbox read.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::limits::Unit;

/// What is done with the numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Only grows.
    Counter,
    Gauge,
    /// Counted by size; the upper bounds of the classes, without the last one, which has none.
    Histogram(&'static [f64]),
}

impl Kind {
    /// The word of the text format for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    pub name: &'static str,
    pub kind: Kind,
    pub unit: Unit,
    pub labels: &'static [&'static str],
    /// What is counted and when.
    pub sentence: &'static str,
}

/// From a call of a warm component to the longest call that there is.
const SECONDS: Kind = Kind::Histogram(&[
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0,
]);
/// Bodies: 256 bytes to 16 MiB.
const BODY_BYTES: Kind =
    Kind::Histogram(&[256.0, 1_024.0, 4_096.0, 16_384.0, 65_536.0, 262_144.0, 1_048_576.0, 4_194_304.0, 16_777_216.0]);
/// Memories of guests: 1 MiB to 3 GiB.
const MEMORY_BYTES: Kind = Kind::Histogram(&[
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    33_554_432.0,
    67_108_864.0,
    134_217_728.0,
    268_435_456.0,
    536_870_912.0,
    1_073_741_824.0,
    3_221_225_472.0,
]);

macro_rules! metrics {
    ($($row:ident: $name:literal, $kind:expr, $unit:ident, [$($label:literal),*], $sentence:literal;)*) => {
        $(const $row: Metric = Metric {
            name: $name, kind: $kind, unit: Unit::$unit, labels: &[$($label),*], sentence: $sentence,
        };)*

        /// The table, in the order in which documents print it.
        pub const TABLE: &[Metric] = &[$($row),*];
    };
}

metrics! {
    HTTP_REQUESTS: "http_requests_total", Kind::Counter, Count, ["method", "handler", "status"],
        "Answered HTTP requests; the handler is the route, the status its class, such as 2xx.";
    HTTP_DURATION: "http_request_duration_seconds", SECONDS, Seconds, ["method", "handler"],
        "Time from the head of an HTTP request to the head of its answer.";
    HTTP_REQUEST_SIZE: "http_request_size_bytes", BODY_BYTES, Bytes, ["handler"],
        "Body of an HTTP request, where its length is announced.";
    HTTP_RESPONSE_SIZE: "http_response_size_bytes", BODY_BYTES, Bytes, ["handler"],
        "Body of an HTTP answer, where its length is known beforehand.";
    TOOL_CALLS: "mcpbox_tool_calls_total", Kind::Counter, Count, ["outcome"],
        "Calls of tools that came to an end, by that end.";
    TOOL_DURATION: "mcpbox_tool_call_duration_seconds", SECONDS, Seconds, ["outcome"],
        "Wall-clock time that a guest ran.";
    TOOL_FUEL: "mcpbox_tool_fuel_total", Kind::Counter, Fuel, [],
        "Fuel that guests burned.";
    TOOL_PEAK_MEMORY: "mcpbox_tool_peak_memory_bytes", MEMORY_BYTES, Bytes, [],
        "Greatest size of the memories and tables of a call.";
    CALLS_RUNNING: "mcpbox_calls_running", Kind::Gauge, Count, [],
        "Calls that run now.";
    CALLS_WAITING: "mcpbox_calls_waiting", Kind::Gauge, Count, [],
        "Calls that wait for a place now.";
    SPARES_READY: "mcpbox_spares_ready", Kind::Gauge, Count, [],
        "Prepared instances that wait for a call now.";
    SPARES_TAKEN: "mcpbox_spares_taken_total", Kind::Counter, Count, ["result"],
        "Calls that looked for a prepared instance: hit found one, miss made its own.";
    MCP_SESSIONS: "mcpbox_mcp_sessions", Kind::Gauge, Count, [],
        "MCP sessions that are open now.";
    SSE_CONNECTIONS: "mcpbox_sse_connections", Kind::Gauge, Count, [],
        "Event streams and sockets that are open now.";
    EXECUTION_LOG_ROWS: "mcpbox_execution_log_rows_total", Kind::Counter, Count, ["result"],
        "Execution log rows: written to the database; failed and tried again, counted at each attempt; lost, because the database refuses what they hold.";
    ACTIVITY_LOG_ROWS: "mcpbox_activity_log_rows_total", Kind::Counter, Count, ["result"],
        "Activity log rows: written to the database; failed and tried again, counted at each attempt; lost, because the database refuses what they hold.";
    COMPILATIONS: "mcpbox_compilations_total", Kind::Counter, Count, ["result"],
        "Components that were compiled or taken from the cache, by what came of it.";
    UPSTREAM_CALLS: "mcpbox_upstream_calls_total", Kind::Counter, Count, ["result"],
        "Calls to external sources: answered, rejected by the source, failed, timed_out, cancelled, or refused here.";
    CIRCUITS_OPEN: "mcpbox_circuits_open", Kind::Gauge, Count, [],
        "External sources that failed too often and are left alone now.";
    TOOLS_QUARANTINED: "mcpbox_tools_quarantined", Kind::Gauge, Count, [],
        "Approved tools of running servers that nobody is offered, because their schemas cannot be used.";
    EGRESS_REQUESTS: "mcpbox_egress_requests_total", Kind::Counter, Count, ["result"],
        "HTTP requests that guests asked for, by what came of them.";
}

const PAGE_HEAD: &str = "\
# Metrics

What `GET /metrics` tells, as Prometheus text. It answers peers in the own network only, and nobody with
`ENABLE_METRICS=false`. A metric appears when there is something to tell of it; a histogram as its
`_bucket`, `_sum` and `_count`.

This page is made from the table in `host/src/telemetry/metrics.rs`: change that, then run
`make docs`.

| metric | kind | unit | labels | what is counted, and when |
| --- | --- | --- | --- | --- |
";

/// `docs/metrics.md`.
pub fn markdown() -> String {
    let mut page = String::from(PAGE_HEAD);
    for Metric { name, kind, unit, labels, sentence } in TABLE {
        let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
        page += &format!("| `{name}` | {} | {} | {} | {sentence} |\n", kind.word(), unit.word(), labels.join(", "));
    }
    page
}

/// What a request to one of the doors came to.
#[derive(Clone, Copy, Debug)]
pub struct HttpExchange<'a> {
    pub method: &'a str,
    /// The route's pattern, never the path: paths are without end.
    pub handler: &'a str,
    pub status: u16,
    pub duration: Duration,
    pub request_bytes: Option<u64>,
    pub response_bytes: Option<u64>,
}

/// What is recorded of a route, found once: to look a metric up by its labels costs more than to record it.
#[derive(Default)]
struct Exchanges {
    duration: OnceLock<Histogram>,
    request_bytes: OnceLock<Histogram>,
    response_bytes: OnceLock<Histogram>,
    by_status: [OnceLock<Counter>; 5],
}

/// Records an answered HTTP request.
pub fn http_exchange(exchange: HttpExchange<'_>) {
    static ROUTES: RwLock<BTreeMap<&'static str, HashMap<String, Arc<Exchanges>>>> = RwLock::new(BTreeMap::new());
    let method = method_label(exchange.method);
    let handler = || exchange.handler.to_owned();
    let known = {
        let routes = ROUTES.read().unwrap_or_else(PoisonError::into_inner);
        routes.get(method).and_then(|of_method| of_method.get(exchange.handler)).map(Arc::clone)
    };
    let known = known.unwrap_or_else(|| {
        let mut routes = ROUTES.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(routes.entry(method).or_default().entry(handler()).or_default())
    });
    let status = status_class(exchange.status);
    let class = usize::from(exchange.status / 100).clamp(1, 5) - 1;
    kept(
        &known.by_status[class],
        || counter!(HTTP_REQUESTS.name, "method" => method, "handler" => handler(), "status" => status),
        |requests| requests.increment(1),
    );
    kept(
        &known.duration,
        || histogram!(HTTP_DURATION.name, "method" => method, "handler" => handler()),
        |durations| durations.record(exchange.duration),
    );
    for (row, slot, bytes) in [
        (HTTP_REQUEST_SIZE, &known.request_bytes, exchange.request_bytes),
        (HTTP_RESPONSE_SIZE, &known.response_bytes, exchange.response_bytes),
    ] {
        if let Some(bytes) = bytes {
            let sizes = || histogram!(row.name, "handler" => handler());
            kept(slot, sizes, |sizes| sizes.record(bytes as f64));
        }
    }
}

/// Gives `then` the handle in `slot`, found at the first use behind [`Telemetry::install`]; one from before would
/// record nothing for ever.
fn kept<H, R>(slot: &OnceLock<H>, find: impl FnOnce() -> H, then: impl FnOnce(&H) -> R) -> R {
    match INSTALLED.get() {
        Some(_) => then(slot.get_or_init(find)),
        None => then(&find()),
    }
}

/// Records the end of a call. `outcome` is a label of `domain::outcome::Outcome`.
pub fn tool_call(outcome: &'static str, duration: Duration, fuel: u64, peak_memory_bytes: u64) {
    static ENDS: Mutex<BTreeMap<&'static str, (Counter, Histogram)>> = Mutex::new(BTreeMap::new());
    static BURNED: OnceLock<Counter> = OnceLock::new();
    static PEAK: OnceLock<Histogram> = OnceLock::new();
    let find = || {
        let (calls, durations) = (TOOL_CALLS.name, TOOL_DURATION.name);
        (counter!(calls, "outcome" => outcome), histogram!(durations, "outcome" => outcome))
    };
    let (calls, durations) = match INSTALLED.get() {
        Some(_) => ENDS.lock().unwrap_or_else(PoisonError::into_inner).entry(outcome).or_insert_with(find).clone(),
        None => find(),
    };
    calls.increment(1);
    durations.record(duration);
    kept(&BURNED, || counter!(TOOL_FUEL.name), |burned| burned.increment(fuel));
    kept(&PEAK, || histogram!(TOOL_PEAK_MEMORY.name), |peak| peak.record(peak_memory_bytes as f64));
}

/// Counts one in a gauge for as long as it lives.
#[must_use = "it counts only while it lives"]
pub struct Counted(Gauge);

impl Counted {
    fn in_gauge(row: Metric) -> Self {
        Self::of(gauge!(row.name))
    }

    fn of(gauge: Gauge) -> Self {
        gauge.increment(1);
        Self(gauge)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.decrement(1);
    }
}

/// Records a call to an external source, by what came of it.
pub fn upstream_call(result: &'static str) {
    counter!(UPSTREAM_CALLS.name, "result" => result).increment(1);
}

/// Tells how many external sources are left alone.
pub fn circuits_open(open: usize) {
    gauge!(CIRCUITS_OPEN.name).set(open as f64);
}

/// Tells how many tools are in quarantine.
pub fn tools_quarantined(tools: usize) {
    gauge!(TOOLS_QUARANTINED.name).set(tools as f64);
}

/// Counts a running call.
pub fn call_running() -> Counted {
    static RUNNING: OnceLock<Gauge> = OnceLock::new();
    Counted::of(kept(&RUNNING, || gauge!(CALLS_RUNNING.name), Gauge::clone))
}

/// Counts a call that waits for a place.
pub fn call_waiting() -> Counted {
    Counted::in_gauge(CALLS_WAITING)
}

/// Counts a prepared instance.
pub fn spare_ready() -> Counted {
    Counted::in_gauge(SPARES_READY)
}

/// Counts an MCP session.
pub fn mcp_session() -> Counted {
    Counted::in_gauge(MCP_SESSIONS)
}

/// Counts an open event stream or socket.
pub fn sse_connection() -> Counted {
    Counted::in_gauge(SSE_CONNECTIONS)
}

/// Records that a call looked for a prepared instance, and whether there was one.
pub fn spare_taken(hit: bool) {
    counter!(SPARES_TAKEN.name, "result" => if hit { "hit" } else { "miss" }).increment(1);
}

/// Records what became of execution log rows: `written`, `failed` or `lost`.
pub fn execution_log_rows(result: &'static str, rows: u64) {
    counter!(EXECUTION_LOG_ROWS.name, "result" => result).increment(rows);
}

/// Records what became of activity log rows: `written`, `failed` or `lost`.
pub fn activity_log_rows(result: &'static str, rows: u64) {
    counter!(ACTIVITY_LOG_ROWS.name, "result" => result).increment(rows);
}

/// Records a compilation. `result` is one of a few words, such as `compiled`, `cached` or `failed`.
pub fn compilation(result: &'static str) {
    counter!(COMPILATIONS.name, "result" => result).increment(1);
}

/// Records a guest's HTTP request. `result` is one of a few words, such as `answered` or `refused`.
pub fn egress_request(result: &'static str) {
    counter!(EGRESS_REQUESTS.name, "result" => result).increment(1);
}

/// A stranger cannot make new label values by inventing methods.
fn method_label(method: &str) -> &'static str {
    const METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
    METHODS.into_iter().find(|known| *known == method).unwrap_or("OTHER")
}

fn status_class(status: u16) -> &'static str {
    match status / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    }
}

/// The recorder of this process. What is recorded before [`Telemetry::install`] is lost, and without
/// it recording does nothing.
#[derive(Clone)]
pub struct Telemetry {
    handle: PrometheusHandle,
}

static INSTALLED: OnceLock<PrometheusHandle> = OnceLock::new();

impl Telemetry {
    /// The one recorder of the process, made at the first call: several hosts in one process, as
    /// tests start them, count together.
    pub fn install() -> Self {
        let handle = INSTALLED.get_or_init(|| {
            let mut builder = PrometheusBuilder::new();
            for row in TABLE {
                if let Kind::Histogram(bounds) = row.kind {
                    #[expect(clippy::expect_used, reason = "it fails only without bounds, and these are constants")]
                    let with_bounds = builder
                        .set_buckets_for_metric(Matcher::Full(row.name.to_owned()), bounds)
                        .expect("a histogram has bounds");
                    builder = with_bounds;
                }
            }
            #[expect(clippy::expect_used, reason = "it fails only at a second recorder, and this is done once")]
            let handle = builder.install_recorder().expect("the first recorder");
            for row in TABLE {
                match row.kind {
                    Kind::Counter => metrics::describe_counter!(row.name, row.sentence),
                    Kind::Gauge => metrics::describe_gauge!(row.name, row.sentence),
                    Kind::Histogram(_) => metrics::describe_histogram!(row.name, row.sentence),
                }
            }
            handle
        });
        Self { handle: handle.clone() }
    }

    /// The text that `/metrics` answers (Prometheus text format 0.0.4).
    pub fn render(&self) -> String {
        self.handle.render()
    }

    /// Sorts what histograms have recorded into their classes. Without this or [`Self::render`] every
    /// few seconds the single records pile up in memory.
    pub fn upkeep(&self) {
        self.handle.run_upkeep();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record_each_once() -> Vec<Counted> {
        http_exchange(HttpExchange {
            method: "GET",
            handler: "/api/tools/{id}",
            status: 204,
            duration: Duration::from_millis(3),
            request_bytes: Some(0),
            response_bytes: Some(7),
        });
        tool_call("returned", Duration::from_millis(2), 41, 70_000_000);
        spare_taken(true);
        execution_log_rows("written", 2);
        activity_log_rows("written", 2);
        compilation("compiled");
        egress_request("answered");
        upstream_call("answered");
        circuits_open(0);
        tools_quarantined(0);
        vec![call_running(), call_waiting(), spare_ready(), mcp_session(), sse_connection()]
    }

    #[test]
    fn every_row_appears_with_its_help_type_and_labels() {
        let telemetry = Telemetry::install();
        let _counted = record_each_once();
        telemetry.upkeep();
        let text = Telemetry::install().render();
        for row in TABLE {
            let kind = row.kind.word();
            let name = format!("{}{}", row.name, if kind == "histogram" { "_count" } else { "" });
            assert!(text.contains(&format!("# HELP {} {}\n", row.name, row.sentence)), "{}\n{text}", row.name);
            assert!(text.contains(&format!("# TYPE {} {kind}\n", row.name)), "{}\n{text}", row.name);
            let line = text.lines().find(|line| line.starts_with(&name)).expect("a line of this metric");
            let labels = line.split_once('{').map_or("", |(_, rest)| rest.rsplit_once('}').map_or("", |(it, _)| it));
            let keys: Vec<&str> = labels.split(',').filter_map(|pair| Some(pair.split_once('=')?.0)).collect();
            assert_eq!(keys, row.labels, "{line}");
        }
    }

    #[test]
    fn the_table_is_well_formed() {
        let mut seen = std::collections::BTreeSet::new();
        for row in TABLE {
            assert!(seen.insert(row.name), "{}", row.name);
            assert!(row.sentence.ends_with('.'), "{}", row.name);
            assert_eq!(row.name.ends_with("_total"), row.kind == Kind::Counter, "{}", row.name);
            if let Kind::Histogram(bounds) = row.kind {
                assert!(bounds.is_sorted() && !bounds.is_empty(), "{}", row.name);
            }
            let (bytes, seconds) = (row.name.ends_with("_bytes"), row.name.ends_with("_seconds"));
            assert_eq!((bytes, seconds), (row.unit == Unit::Bytes, row.unit == Unit::Seconds), "{}", row.name);
        }
    }

    #[test]
    fn a_gauge_counts_what_lives() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        let shown = || handle.render().lines().find(|line| line.starts_with("mcpbox_sse")).map(str::to_owned);
        metrics::with_local_recorder(&recorder, || {
            let (one, two) = (sse_connection(), sse_connection());
            assert_eq!(shown().as_deref(), Some("mcpbox_sse_connections 2"));
            drop((one, two));
            assert_eq!(shown().as_deref(), Some("mcpbox_sse_connections 0"));
        });
    }

    #[test]
    fn strangers_cannot_make_label_values() {
        assert_eq!((method_label("PATCH"), method_label("patch"), method_label("X1")), ("PATCH", "OTHER", "OTHER"));
        assert_eq!((status_class(101), status_class(302), status_class(429)), ("1xx", "3xx", "4xx"));
        assert_eq!((status_class(503), status_class(999)), ("5xx", "5xx"));
    }
}
