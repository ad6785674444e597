//! Work that nobody asks for: what has to happen now and then, each line of one table in a task of its
//! own.
//!
//! A job never overlaps itself, is counted and logged, and ends when the host stops: between two runs
//! at once, within a run after the step at hand. A failure is logged and the next run tries again.

use std::pin::Pin;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::service::{Error, Service};

/// What came of a run: how much was done.
type Run = Pin<Box<dyn Future<Output = Result<u64, Error>> + Send>>;

/// One line of the table.
pub struct Job {
    pub name: &'static str,
    /// After the start, so that the start is quick.
    pub first: Duration,
    /// Between the end of a run and the next.
    pub every: Duration,
    run: fn(Service, CancellationToken) -> Run,
}

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

/// Every job.
pub const JOBS: &[Job] = &[
    Job {
        name: "logs",
        first: MINUTE,
        every: HOUR,
        run: |service, stopping| Box::pin(async move { service.logs_prune(&stopping).await }),
    },
    Job {
        name: "sessions",
        first: MINUTE,
        every: HOUR,
        run: |service, stopping| Box::pin(async move { service.sessions_prune(&stopping).await }),
    },
    Job {
        name: "tasks",
        first: MINUTE,
        every: Duration::from_secs(600),
        run: |service, stopping| Box::pin(async move { service.tasks_prune(&stopping).await }),
    },
    Job {
        name: "sources",
        first: MINUTE,
        every: Duration::from_secs(300),
        run: |service, stopping| Box::pin(async move { service.sources_refresh(&stopping).await }),
    },
];

/// Starts all jobs; they end when `stopping` is cancelled.
pub fn start(service: &Service, tasks: &TaskTracker, stopping: &CancellationToken) {
    for job in JOBS {
        let (service, stopping) = (service.clone(), stopping.clone());
        tasks.spawn(async move {
            let run = || (job.run)(service.clone(), stopping.clone());
            repeat(job.name, job.first, job.every, &stopping, run).await;
        });
    }
}

async fn repeat(
    name: &'static str,
    first: Duration,
    every: Duration,
    stopping: &CancellationToken,
    mut run: impl FnMut() -> Run,
) {
    let mut pause = first;
    while tokio::time::timeout(pause, stopping.cancelled()).await.is_err() {
        match run().await {
            Ok(0) => tracing::debug!(job = name, "nothing to do"),
            Ok(done) => tracing::info!(job = name, done, "done"),
            Err(error) => {
                tracing::error!(
                    job = name,
                    error = &error as &dyn std::error::Error,
                    "failed; the next run tries again"
                );
            }
        }
        pause = every;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_job_runs_again_after_a_failure_and_ends_when_the_host_stops() {
        let stopping = CancellationToken::new();
        let runs = Arc::new(AtomicU64::new(0));
        let (counted, stop) = (Arc::clone(&runs), stopping.clone());
        repeat("test", Duration::ZERO, Duration::from_millis(1), &stopping, move || {
            let (counted, stop) = (Arc::clone(&counted), stop.clone());
            Box::pin(async move {
                match counted.fetch_add(1, Ordering::Relaxed) {
                    0 => Err(Error::Stopping),
                    1 => Ok(7),
                    _ => {
                        stop.cancel();
                        Ok(0)
                    }
                }
            })
        })
        .await;
        assert_eq!(runs.load(Ordering::Relaxed), 3);
    }

    #[tokio::test]
    async fn a_job_that_waits_ends_at_once() {
        let stopping = CancellationToken::new();
        stopping.cancel();
        repeat("test", HOUR, HOUR, &stopping, || panic!("it must not run")).await;
    }

    #[test]
    fn every_job_has_a_name_of_its_own_and_a_pause() {
        let names: std::collections::BTreeSet<_> = JOBS.iter().map(|job| job.name).collect();
        assert_eq!(names.len(), JOBS.len());
        assert!(JOBS.iter().all(|job| job.every >= MINUTE));
    }
}
