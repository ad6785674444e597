//! How far a call is, for a caller who asked to be told.

use crate::host;

/// Tells it: `progress` must grow from report to report, `total` is none when it is not known.
///
/// ```
/// use mcpbox_sdk::progress;
///
/// for page in 1..=3 {
///     progress::report(page.into(), Some(3.0), Some("reading"));
/// }
/// ```
pub fn report(progress: f64, total: Option<f64>, message: Option<&str>) {
    host::progress_report(progress, total, message);
}
