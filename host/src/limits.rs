//! Every bound of the product: its name, unit, default, range and sentence, declared once.
//!
//! The table yields the [`Limits`] that the code reads, the environment variables, `docs/limits.md`
//! and `GET /api/limits`; a test demands that each row is exercised by a test of its own. A bound
//! that is not here does not exist; a row that nothing reads does not compile away, it fails the
//! coverage test.

pub mod pace;

use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;

/// What the number of a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    Bytes,
    Milliseconds,
    Seconds,
    Days,
    Fuel,
    /// Things: calls, handles, rows, connections.
    Count,
}

impl Unit {
    /// The word that documents print beside the number.
    pub fn word(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Milliseconds => "ms",
            Self::Seconds => "s",
            Self::Days => "days",
            Self::Fuel => "fuel",
            Self::Count => "",
        }
    }

    /// The number as documents print it: bytes also in the greatest binary unit that divides them.
    fn show(self, value: u64) -> String {
        let divides = |(_, size): &(&str, u64)| value > 0 && value.is_multiple_of(*size);
        match [("GiB", GIB), ("MiB", MIB), ("KiB", KIB)].into_iter().find(divides) {
            Some((word, size)) if self == Self::Bytes => format!("{value} ({} {word})", value / size),
            _ => value.to_string(),
        }
    }
}

/// One row of the table.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct Limit {
    pub name: &'static str,
    /// The environment variable that sets it.
    pub env: &'static str,
    pub unit: Unit,
    pub default: u64,
    pub min: u64,
    pub max: u64,
    /// What is bounded and what happens at the bound.
    pub sentence: &'static str,
}

/// A value that its row does not allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    #[error("{env}={value} is not a whole number; give one from {min} to {max}")]
    NotANumber { env: &'static str, value: String, min: u64, max: u64 },
    #[error("{env}={value} is outside {min} to {max}")]
    OutOfRange { env: &'static str, value: u64, min: u64, max: u64 },
}

macro_rules! limits {
    ($($field:ident, $env:literal, $unit:ident, $default:expr, $min:expr, $max:expr, $sentence:literal;)*) => {
        /// The limits in force, each in the unit of its row.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Limits { $(#[doc = $sentence] pub $field: u64,)* }

        /// The table, in the order in which documents print it.
        pub const TABLE: &[Limit] = &[$(Limit {
            name: stringify!($field), env: $env, unit: Unit::$unit,
            default: $default, min: $min, max: $max, sentence: $sentence,
        },)*];

        impl Default for Limits {
            fn default() -> Self { Self { $($field: $default,)* } }
        }

        impl Limits {
            /// Reads each limit from `lookup` by the name of its environment variable; absent and
            /// empty mean the default.
            ///
            /// # Errors
            /// The first value that is not a number or not in its range.
            pub fn read(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, LimitError> {
                let mut rows = TABLE.iter();
                let mut next = || match rows.next() {
                    Some(row) => row.read(&lookup),
                    None => Ok(0),
                };
                Ok(Self { $($field: next()?,)* })
            }

            /// Each row with the value in force.
            pub fn in_force(&self) -> Vec<(&'static Limit, u64)> {
                let values = [$(self.$field,)*];
                TABLE.iter().zip(values).collect()
            }
        }
    };
}

impl Limit {
    fn read(&self, lookup: impl Fn(&str) -> Option<String>) -> Result<u64, LimitError> {
        let Some(text) = lookup(self.env).filter(|text| !text.trim().is_empty()) else { return Ok(self.default) };
        let Self { env, min, max, .. } = *self;
        let value: u64 =
            text.trim().parse().map_err(|_| LimitError::NotANumber { env, value: text.clone(), min, max })?;
        if !(min..=max).contains(&value) {
            return Err(LimitError::OutOfRange { env, value, min, max });
        }
        Ok(value)
    }
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

limits! {
    // One call.
    call_time_ms, "MCPBOX_CALL_TIME_MS", Milliseconds, 30_000, 100, 300_000,
        "Wall-clock time of one call when the tool sets none; the guest is stopped wherever it is.";
    call_time_max_ms, "MCPBOX_CALL_TIME_MAX_MS", Milliseconds, 300_000, 1_000, 3_600_000,
        "The longest time limit that a tool may set for itself.";
    call_cpu_s, "MCPBOX_CALL_CPU_S", Seconds, 60, 1, 3_600,
        "CPU time of one call, turned into fuel by the rate below; at the end the guest is stopped.";
    fuel_per_cpu_second, "MCPBOX_FUEL_PER_CPU_SECOND", Fuel, 6_000_000_000, 1_000_000, 100_000_000_000,
        "Fuel that stands for one second of CPU: what Python code that does real work burns in a second.";
    call_memory_bytes, "MCPBOX_CALL_MEMORY_BYTES", Bytes, 256 * MIB, 32 * MIB, 3 * GIB,
        "Linear memories and tables of one call together; past it an allocation fails inside the guest.";
    call_table_elements, "MCPBOX_CALL_TABLE_ELEMENTS", Count, 60_000, 20_000, 1_000_000,
        "Elements of one table of a guest; past it growing the table fails inside the guest.";
    call_handles, "MCPBOX_CALL_HANDLES", Count, 64, 16, 4_096,
        "Handles that one call may hold open: streams, files, pollables and HTTP requests together.";
    call_host_calls, "MCPBOX_CALL_HOST_CALLS", Count, 100_000, 1_000, 10_000_000,
        "How often one call may call the host; past it the guest is stopped.";
    call_http_requests, "MCPBOX_CALL_HTTP_REQUESTS", Count, 100, 1, 10_000,
        "HTTP requests that one call may start; past it a request is refused.";
    call_stdout_bytes, "MCPBOX_CALL_STDOUT_BYTES", Bytes, MIB, KIB, 64 * MIB,
        "Standard output and standard error kept of one call, each; what follows is dropped and counted.";
    stdout_returned_bytes, "MCPBOX_STDOUT_RETURNED_BYTES", Bytes, 10 * KIB, 0, MIB,
        "Standard output that an answer carries back, with a notice when it was cut.";
    call_result_bytes, "MCPBOX_CALL_RESULT_BYTES", Bytes, MIB, KIB, 64 * MIB,
        "Size of a result; a larger one makes the call fail and is not returned.";
    call_log_lines, "MCPBOX_CALL_LOG_LINES", Count, 1_000, 1, 100_000,
        "Log lines and progress reports of one call, each; further ones are dropped and counted.";
    call_log_line_bytes, "MCPBOX_CALL_LOG_LINE_BYTES", Bytes, 4 * KIB, 64, MIB,
        "Length of one log line; a longer one is cut.";
    call_questions, "MCPBOX_CALL_QUESTIONS", Count, 100, 1, 10_000,
        "Questions that one call may put to its client, repeated ones included; the next are refused.";
    call_question_bytes, "MCPBOX_CALL_QUESTION_BYTES", Bytes, 64 * KIB, KIB, MIB,
        "Parameters of one question to a client, as JSON; a question with larger ones is refused.";
    call_notices, "MCPBOX_CALL_NOTICES", Count, 100, 0, 10_000,
        "Notices of one call that a list or a resource has changed; further ones are dropped and counted.";
    call_written_bytes, "MCPBOX_CALL_WRITTEN_BYTES", Bytes, 100 * MIB, 0, 64 * GIB,
        "Bytes that one call may write into the folders it was granted; past it a write fails as on a full disk.";
    folder_free_bytes, "MCPBOX_FOLDER_FREE_BYTES", Bytes, 512 * MIB, 0, 1 << 60,
        "Space that tools leave free on the file system of a folder that they write to; below it their writes fail.";
    arguments_bytes, "MCPBOX_ARGUMENTS_BYTES", Bytes, MIB, KIB, 64 * MIB,
        "Size of the arguments of one call, as JSON.";

    schema_steps, "MCPBOX_SCHEMA_STEPS", Count, 1_000_000, 1_000, 100_000_000,
        "Steps of holding arguments, or a result, to the schema of a tool, as measured before; past it the call fails.";

    // HTTP of guests.
    http_body_bytes, "MCPBOX_HTTP_BODY_BYTES", Bytes, 10 * MIB, KIB, 256 * MIB,
        "Body of one HTTP request or response of a guest; a larger one fails that request.";
    http_header_bytes, "MCPBOX_HTTP_HEADER_BYTES", Bytes, 64 * KIB, KIB, MIB,
        "Headers of one HTTP request or response of a guest, together; larger ones fail that request.";
    http_time_ms, "MCPBOX_HTTP_TIME_MS", Milliseconds, 30_000, 100, 300_000,
        "Time of one HTTP request of a guest, from the name look-up to the last byte.";
    http_in_flight, "MCPBOX_HTTP_IN_FLIGHT", Count, 16, 1, 64,
        "HTTP requests of one call that run at the same time; the next ones wait.";

    // Calls side by side.
    calls_at_once, "MCPBOX_CALLS_AT_ONCE", Count, 64, 1, 1_000,
        "Calls that run at the same time in one process.";
    calls_at_once_per_server, "MCPBOX_CALLS_AT_ONCE_PER_SERVER", Count, 32, 1, 1_000,
        "Calls to the tools of one server that run at the same time.";
    calls_at_once_per_caller, "MCPBOX_CALLS_AT_ONCE_PER_CALLER", Count, 32, 1, 1_000,
        "Calls of one caller that run at the same time.";
    calls_waiting, "MCPBOX_CALLS_WAITING", Count, 256, 0, 100_000,
        "Calls that wait for a place; the next one is refused at once.";
    call_wait_ms, "MCPBOX_CALL_WAIT_MS", Milliseconds, 10_000, 0, 300_000,
        "How long a call waits for a place before it is refused.";

    // Warm spares.
    spares_per_tool, "MCPBOX_SPARES_PER_TOOL", Count, 2, 0, 64,
        "Prepared instances kept ready for a tool that is being used.";
    spares_total, "MCPBOX_SPARES_TOTAL", Count, 32, 0, 1_000,
        "Prepared instances kept ready in all.";
    spare_idle_s, "MCPBOX_SPARE_IDLE_S", Seconds, 120, 1, 86_400,
        "How long a prepared instance waits for a call before it is dropped.";

    // Code.
    source_bytes, "MCPBOX_SOURCE_BYTES", Bytes, 100 * KIB, KIB, 10 * MIB,
        "Source of one tool.";
    component_bytes, "MCPBOX_COMPONENT_BYTES", Bytes, 64 * MIB, KIB, GIB,
        "A compiled component, as it is given to the compiler.";
    component_tools, "MCPBOX_COMPONENT_TOOLS", Count, 256, 1, 10_000,
        "Tools of one component, or functions that it exports; one with more is refused at upload.";
    component_offers, "MCPBOX_COMPONENT_OFFERS", Count, 500, 1, 10_000,
        "Prompts, resources and templates of one component, each; one with more is refused at upload.";
    component_skills, "MCPBOX_COMPONENT_SKILLS", Count, 50, 1, 1_000,
        "Skills of one component; one with more is refused at upload.";
    skill_files, "MCPBOX_SKILL_FILES", Count, 512, 1, 512,
        "Files of one skill of a component, which clients take up to 512 of; one with more is refused at upload.";
    skill_bytes, "MCPBOX_SKILL_BYTES", Bytes, 16 * MIB, KIB, 16 * MIB,
        "The files of one skill of a component together, of which clients take 16 MiB; one with more is refused at upload.";
    icon_bytes, "MCPBOX_ICON_BYTES", Bytes, 64 * KIB, KIB, MIB,
        "One icon of a component that is given as a `data:` URI; a component with a larger one is refused.";
    components_open, "MCPBOX_COMPONENTS_OPEN", Count, 256, 1, 100_000,
        "Components whose compiled code is kept open; the least recently used is opened again when it is called.";
    compile_time_s, "MCPBOX_COMPILE_TIME_S", Seconds, 300, 1, 3_600,
        "Wall-clock time of compiling one component, in a process of its own.";
    compile_cpu_s, "MCPBOX_COMPILE_CPU_S", Seconds, 300, 1, 3_600,
        "CPU time of that process.";
    compile_memory_bytes, "MCPBOX_COMPILE_MEMORY_BYTES", Bytes, 4 * GIB, 256 * MIB, 64 * GIB,
        "Address space of that process.";

    // Packages of Python tools.
    package_install_s, "MCPBOX_PACKAGE_INSTALL_S", Seconds, 300, 1, 3_600,
        "Time of resolving, fetching and compiling packages; then none of them is installed.";
    packages, "MCPBOX_PACKAGES", Count, 200, 1, 10_000,
        "Packages that are installed, with all that they need; with more none is.";
    package_set_bytes, "MCPBOX_PACKAGE_SET_BYTES", Bytes, 64 * MIB, KIB, GIB,
        "Size of all packages together, unpacked and compiled, each; larger ones are not installed.";
    package_set_files, "MCPBOX_PACKAGE_SET_FILES", Count, 20_000, 1, 1_000_000,
        "Files of all packages together; with more none is installed.";
    // External sources.
    source_calls_at_once, "MCPBOX_SOURCE_CALLS_AT_ONCE", Count, 8, 1, 1_000,
        "Calls that one external source works on at the same time; the next is refused at once.";
    source_time_ms, "MCPBOX_SOURCE_TIME_MS", Milliseconds, 30_000, 100, 300_000,
        "Time that an external source has to shake hands and list its tools, and for one step of a login there.";
    source_answer_bytes, "MCPBOX_SOURCE_ANSWER_BYTES", Bytes, 16 * MIB, KIB, 256 * MIB,
        "What an external source sends in one answer, a stream of events included; past it the answer is given up.";
    source_tools, "MCPBOX_SOURCE_TOOLS", Count, 500, 1, 10_000,
        "Tools that an external source may offer; a longer list is not taken, and the last good one stays.";
    source_fresh_s, "MCPBOX_SOURCE_FRESH_S", Seconds, 300, 1, 86_400,
        "How long the list of an external source is believed; a call after that asks for it again first.";
    circuit_failures, "CIRCUIT_BREAKER_FAILURE_THRESHOLD", Count, 10, 1, 10_000,
        "Failures of an external source in a row after which it is left alone.";
    circuit_open_s, "CIRCUIT_BREAKER_TIMEOUT", Seconds, 30, 1, 86_400,
        "How long it is left alone; then one call is let through to see.";
    circuit_successes, "CIRCUIT_BREAKER_SUCCESS_THRESHOLD", Count, 1, 1, 1_000,
        "Calls in a row that have to succeed then before all are let through again.";

    // MCP and API.
    request_body_bytes, "MCPBOX_REQUEST_BODY_BYTES", Bytes, MIB, KIB, 64 * MIB,
        "Body of one request to the API or to MCP, counted as it arrives.";
    uploads_at_once, "MCPBOX_UPLOADS_AT_ONCE", Count, 4, 1, 100,
        "Components that are uploaded at the same time, each in memory; the next one is refused at once.";
    export_bytes, "MCPBOX_EXPORT_BYTES", Bytes, 128 * MIB, 64 * KIB, 2 * GIB,
        "A file with servers and tools, as it is exported or imported; components count with a third more, in base64.";
    export_items, "MCPBOX_EXPORT_ITEMS", Count, 20_000, 10, 1_000_000,
        "Servers, tools, versions, requests, secrets and components of such a file together.";
    request_head_ms, "MCPBOX_REQUEST_HEAD_MS", Milliseconds, 30_000, 100, 300_000,
        "Time for the head of a request, from the connection or the answer before; then 408, or an idle connection is closed.";
    request_body_ms, "MCPBOX_REQUEST_BODY_MS", Milliseconds, 30_000, 100, 3_600_000,
        "Time for each MiB of a request's body that was begun, from its head; a slower one is refused with 408.";
    batch_messages, "MCPBOX_BATCH_MESSAGES", Count, 50, 1, 1_000,
        "Messages in one MCP request body, in the one protocol version that has batches.";
    tools_listed, "MCPBOX_TOOLS_LISTED", Count, 100, 0, 1_000_000,
        "Tools that `tools/list` at `/mcp` shows; of more it shows none, but one that finds tools and one that calls them.";
    sse_connections, "MCPBOX_SSE_CONNECTIONS", Count, 50, 1, 10_000,
        "Open event streams in one process; the next is refused with the reason.";
    sse_keep_alive_s, "MCPBOX_SSE_KEEP_ALIVE_S", Seconds, 15, 1, 300,
        "Pause after which an event stream gets a comment, so that proxies keep it open.";
    live_streams, "MCPBOX_LIVE_STREAMS", Count, 50, 1, 10_000,
        "Event streams and sockets of the API that are open in one process; the next is refused with the reason.";
    write_stall_ms, "MCPBOX_WRITE_STALL_MS", Milliseconds, 30_000, 100, 3_600_000,
        "How long a client may take nothing of what it is sent; then its connection is closed.";
    connection_requests, "MCPBOX_CONNECTION_REQUESTS", Count, 100, 1, 10_000,
        "Requests of one MCP client at standard input, or at the old event stream, that are answered at the same time; the next is refused.";
    sessions, "MCPBOX_SESSIONS", Count, 1_000, 1, 1_000_000,
        "MCP sessions in one process; the longest idle one makes room for a new one.";
    task_after_ms, "MCPBOX_TASK_AFTER_MS", Milliseconds, 10_000, 10, 3_600_000,
        "How long a call runs before it becomes a task, if its client follows tasks.";
    task_ttl_s, "MCPBOX_TASK_TTL_S", Seconds, 3_600, 60, 604_800,
        "How long what came of a task is kept; the task itself is there for as long as it runs.";
    task_lease_s, "MCPBOX_TASK_LEASE_S", Seconds, 30, 4, 3_600,
        "How long a process that runs a task is believed to be there without saying so; it does twice in that time. Then the task has failed.";
    tasks_per_caller, "MCPBOX_TASKS_PER_CALLER", Count, 200, 0, 1_000_000,
        "Tasks of one caller that are kept; with as many, no further call becomes one.";
    calls_asking, "MCPBOX_CALLS_ASKING", Count, 32, 0, 10_000,
        "Calls in one process that wait for an answer of their client; the next one is told that nobody answers.";
    answer_wait_s, "MCPBOX_ANSWER_WAIT_S", Seconds, 300, 1, 86_400,
        "How long a call waits for an answer of its client; that is no time of its own.";
    request_state_s, "MCPBOX_REQUEST_STATE_S", Seconds, 600, 10, 86_400,
        "How long a modern client may take to come back with answers before its state is too old.";
    request_state_bytes, "MCPBOX_REQUEST_STATE_BYTES", Bytes, 256 * KIB, KIB, 16 * MIB,
        "The answers of earlier rounds that a call carries along, sealed; a call whose answers are larger fails.";
    session_idle_s, "MCPBOX_SESSION_IDLE_S", Seconds, 3_600, 10, 604_800,
        "How long an MCP session lives without a request.";
    session_subscriptions, "MCPBOX_SESSION_SUBSCRIPTIONS", Count, 200, 1, 10_000,
        "Resources of whose changes the client of one MCP session may want to hear; the next is refused.";
    stream_kept_bytes, "MCPBOX_STREAM_KEPT_BYTES", Bytes, 4 * MIB, KIB, GIB,
        "Messages of one MCP call that its client has read and may ask for again, after its connection broke.";
    streams_kept_bytes, "MCPBOX_STREAMS_KEPT_BYTES", Bytes, 64 * MIB, KIB, 16 * GIB,
        "The same of all calls that have ended, and what was not read of them; the oldest are forgotten first.";
    stream_kept_s, "MCPBOX_STREAM_KEPT_S", Seconds, 300, 1, 86_400,
        "How long the messages of an MCP call are kept after its end, for a client that comes back for them.";
    stream_poll_s, "MCPBOX_STREAM_POLL_S", Seconds, 240, 1, 86_400,
        "How long the event stream of one call stays open to a client that can take it up again; then it is closed, and the call goes on.";
    open_questions, "MCPBOX_OPEN_QUESTIONS", Count, 16, 1, 1_000,
        "Questions of guests to the client of one MCP session that wait for an answer; the next is refused.";
    page_size_max, "MCPBOX_PAGE_SIZE_MAX", Count, 100, 1, 1_000,
        "Rows on one page of a list.";
    api_requests_per_minute, "RATE_LIMIT_REQUESTS_PER_MINUTE", Count, 100, 1, 1_000_000,
        "Requests to the API from one address in a minute.";
    mcp_requests_per_minute, "MCPBOX_MCP_REQUESTS_PER_MINUTE", Count, 300, 10, 1_000_000,
        "MCP requests of one caller in a minute.";
    logins_per_minute, "MCPBOX_LOGINS_PER_MINUTE", Count, 5, 1, 1_000,
        "Failed logins, setups and refreshes in a minute, counted for the address and for the name; then both wait.";
    passwords_at_once, "MCPBOX_PASSWORDS_AT_ONCE", Count, 2, 1, 64,
        "Passwords that are compared or hashed at the same time, each with 64 MiB; the next ones wait.";
    password_wait_ms, "MCPBOX_PASSWORD_WAIT_MS", Milliseconds, 5_000, 0, 300_000,
        "How long a password waits for that before its owner is asked to try again.";
    access_token_s, "MCPBOX_ACCESS_TOKEN_S", Seconds, 900, 60, 86_400,
        "Life of an administrator's access token.";
    refresh_token_s, "MCPBOX_REFRESH_TOKEN_S", Seconds, 604_800, 300, 7_776_000,
        "Life of an administrator's refresh token; each exchange gives a new one.";
    admin_session_s, "MCPBOX_ADMIN_SESSION_S", Seconds, 2_592_000, 300, 31_536_000,
        "The longest life of an administrator's session, however often its tokens are exchanged; then the password is asked for.";
    stop_grace_s, "MCPBOX_STOP_GRACE_S", Seconds, 10, 0, 600,
        "How long running calls may finish after the order to stop, before they are ended.";
    stop_write_s, "MCPBOX_STOP_WRITE_S", Seconds, 30, 1, 3_600,
        "How long the end of all work and the writing of the logs may take after that; then the process ends without the rows that are left, and says how many.";

    // Logs.
    log_arguments_bytes, "MCPBOX_LOG_ARGUMENTS_BYTES", Bytes, 10_000, 0, MIB,
        "Arguments kept in an execution log row.";
    log_result_bytes, "MCPBOX_LOG_RESULT_BYTES", Bytes, 10_000, 0, MIB,
        "Result kept in an execution log row.";
    log_error_bytes, "MCPBOX_LOG_ERROR_BYTES", Bytes, 5_000, 0, MIB,
        "Error kept in an execution log row.";
    log_stdout_bytes, "MCPBOX_LOG_STDOUT_BYTES", Bytes, 10_000, 0, MIB,
        "Standard output kept in an execution log row.";
    log_queue_rows, "MCPBOX_LOG_QUEUE_ROWS", Count, 1_000, 1, 100_000,
        "Rows of each log on their way to the database; past it a call waits for its row.";
    log_retention_days, "LOG_RETENTION_DAYS", Days, 30, 1, 3_650,
        "How long rows of the execution log and of the activity log are kept; then they are deleted, some at a time.";

    // Database.
    db_connections, "DB_POOL_SIZE", Count, 20, 1, 1_000,
        "Database connections of one process that stay open when nothing uses them.";
    db_overflow, "DB_MAX_OVERFLOW", Count, 20, 0, 1_000,
        "Database connections beyond that, opened while all others are in use, closed when they are no longer needed.";
    db_wait_s, "DB_POOL_TIMEOUT", Seconds, 30, 1, 300,
        "How long a query waits for a connection.";
    db_recycle_s, "DB_POOL_RECYCLE", Seconds, 1_800, 1, 604_800,
        "Age at which a database connection is replaced by a new one, once nothing uses it.";
}

impl Limits {
    /// The fuel of one call: CPU seconds by the rate.
    ///
    /// Measured by the benchmarks (`benches/README.md`, "Fuel"), in thousand million fuel in a second
    /// of CPU: Python that works on scattered memory 6.3, an empty Python loop 10, a sieve in Python
    /// 12, SHA-256 in Python 19, an empty compiled loop 1.7. The rate is that of Python at real work:
    /// such a tool has the seconds that the limit says, one that spins has fewer. A compiled loop has
    /// more, and meets the wall-clock limit of its call first.
    pub fn call_fuel(&self) -> u64 {
        self.call_cpu_s.saturating_mul(self.fuel_per_cpu_second)
    }

    /// A count for interfaces that want `usize`.
    pub fn size(value: u64) -> usize {
        usize::try_from(value).unwrap_or(usize::MAX)
    }

    pub fn call_time(&self) -> Duration {
        Duration::from_millis(self.call_time_ms)
    }
}

/// `docs/limits.md`: the table for people. A test holds the file to this text.
pub fn markdown() -> String {
    let mut page = String::from(PAGE_HEAD);
    for Limit { name, env, unit, default, min, max, sentence } in TABLE {
        let [default, min, max] = [default, min, max].map(|value| unit.show(*value));
        let unit = unit.word();
        page += &format!("| `{name}` | `{env}` | {unit} | {default} | {min} | {max} | {sentence} |\n");
    }
    page
}

const PAGE_HEAD: &str = "\
# Limits

Every bound of MCPbox. Each is an environment variable that takes a whole number in its unit, where
no unit means a count; absent or empty means the default, and a value outside its range is refused
at the start.

This page is made from the table in `host/src/limits.rs`: change that, then run
`make docs`.

| limit | variable | unit | default | from | to | what is bounded, and what happens then |
| --- | --- | --- | --- | --- | --- | --- |
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_lies_in_its_range() {
        for row in TABLE {
            assert!(row.min <= row.default && row.default <= row.max, "{}", row.name);
            assert!(row.sentence.ends_with('.'), "{}", row.name);
        }
    }

    #[test]
    fn bytes_are_shown_in_the_unit_that_divides_them() {
        let shown = [0, 1, KIB, 10 * KIB, 1_500, MIB + KIB, 3 * GIB].map(|value| Unit::Bytes.show(value));
        let expected = ["0", "1", "1024 (1 KiB)", "10240 (10 KiB)", "1500", "1049600 (1025 KiB)", "3221225472 (3 GiB)"];
        assert_eq!(shown, expected);
        assert_eq!(Unit::Count.show(KIB), "1024");
    }

    #[test]
    fn names_and_variables_occur_once() {
        let mut seen = std::collections::BTreeSet::new();
        for row in TABLE {
            assert!(seen.insert(row.name), "{}", row.name);
            assert!(seen.insert(row.env), "{}", row.env);
        }
    }

    #[test]
    fn a_limit_is_read_from_its_variable_and_refused_outside_its_range() {
        for row in TABLE {
            let read = |text: &str| {
                let text = text.to_owned();
                Limits::read(move |name| (name == row.env).then(|| text.clone()))
            };
            let value = read(&row.max.to_string()).map(|limits| {
                limits.in_force().into_iter().find(|(found, _)| found.name == row.name).map(|(_, value)| value)
            });
            assert_eq!(value, Ok(Some(row.max)), "{}", row.name);
            assert!(matches!(read("many"), Err(LimitError::NotANumber { .. })), "{}", row.name);
            let above = u128::from(row.max) + 1;
            assert!(read(&above.to_string()).is_err(), "{}", row.name);
            assert_eq!(read(" "), Ok(Limits::default()), "{}", row.name);
        }
    }
}
