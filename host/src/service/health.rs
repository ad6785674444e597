//! Signs of life of what the host is made of.

use std::error::Error;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Service;

/// A part that takes longer to say that it lives does not.
const WAIT: Duration = Duration::from_secs(2);

/// What answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    /// It answers, and takes the rows of the logs: where it does not, calls will wait for their rows.
    pub database: bool,
    pub sandbox: bool,
}

impl Service {
    /// Asks the database and the sandbox now.
    pub async fn health(&self) -> Health {
        let (database, sandbox) =
            tokio::join!(answers("database", self.db().ping()), answers("sandbox", self.executor().ping()));
        let flows = self.0.log.flows() && self.0.activity.flows();
        if !flows {
            tracing::warn!("the database does not take the rows of the logs");
        }
        Health { database: database && flows, sandbox }
    }

    /// Set when the host goes down and takes no new calls.
    pub fn stopping(&self) -> CancellationToken {
        self.0.parts.stopping.clone()
    }

    /// Whether the host is going down and takes no new calls.
    pub fn is_stopping(&self) -> bool {
        self.0.parts.stopping.is_cancelled()
    }
}

async fn answers<E: Error + 'static>(part: &str, sign: impl Future<Output = Result<(), E>>) -> bool {
    match tokio::time::timeout(WAIT, sign).await {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            tracing::warn!(error = &error as &dyn Error, "the {part} does not answer");
            false
        }
        Err(_) => {
            tracing::warn!(seconds = WAIT.as_secs(), "the {part} does not answer in time");
            false
        }
    }
}
