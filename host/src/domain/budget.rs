//! What one call may use. Made once per call from the limits and the tool's own time limit.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::limits::Limits;

/// The bounds of one call. Bytes and counts as in the limits of the same names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    pub time: Duration,
    pub fuel: u64,
    pub memory_bytes: usize,
    pub table_elements: usize,
    pub handles: usize,
    pub host_calls: u64,
    pub http_requests: u64,
    pub http_in_flight: usize,
    pub http_body_bytes: usize,
    pub stdout_bytes: usize,
    pub result_bytes: usize,
    pub log_lines: usize,
    pub log_line_bytes: usize,
    pub questions: usize,
    pub question_bytes: usize,
    pub notices: usize,
    pub written_bytes: u64,
    /// What stays free on the file system of a folder.
    pub folder_free_bytes: u64,
}

impl Budget {
    /// The budget of a call; `tool_time` is the tool's own limit, held to the greatest allowed one.
    pub fn new(limits: &Limits, tool_time: Option<Duration>) -> Self {
        let time = tool_time.unwrap_or_else(|| limits.call_time());
        Self {
            time: time.min(Duration::from_millis(limits.call_time_max_ms)),
            fuel: limits.call_fuel(),
            memory_bytes: Limits::size(limits.call_memory_bytes),
            table_elements: Limits::size(limits.call_table_elements),
            handles: Limits::size(limits.call_handles),
            host_calls: limits.call_host_calls,
            http_requests: limits.call_http_requests,
            http_in_flight: Limits::size(limits.http_in_flight),
            http_body_bytes: Limits::size(limits.http_body_bytes),
            stdout_bytes: Limits::size(limits.call_stdout_bytes),
            result_bytes: Limits::size(limits.call_result_bytes),
            log_lines: Limits::size(limits.call_log_lines),
            log_line_bytes: Limits::size(limits.call_log_line_bytes),
            questions: Limits::size(limits.call_questions),
            question_bytes: Limits::size(limits.call_question_bytes),
            notices: Limits::size(limits.call_notices),
            written_bytes: limits.call_written_bytes,
            folder_free_bytes: limits.folder_free_bytes,
        }
    }
}
