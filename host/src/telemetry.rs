//! What the operator sees of a running host: log lines, metrics, and the request id that ties them
//! together. Says nothing of content: no arguments, results, secrets or tokens come here.

mod fields;
pub mod logs;
pub mod metrics;
mod request_id;

pub use logs::{flush_logs, init_logs};
pub use metrics::Telemetry;
pub use request_id::{REQUEST_ID_HEADER, RequestId, RequestIdError, carried, of_request, uuid_v7};
