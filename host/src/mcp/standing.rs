//! Whether somebody who listens may still do so: no longer than what let them in is in force.
//!
//! What may have ended it in this process is heard of at once. Another process ends keys and logins without a word to
//! this one, so that it is looked at every pause too. When nobody can tell, it is over.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use crate::domain::caller::Caller;
use crate::domain::ids::SessionId;
use crate::service::Service;

/// Of one who listens.
pub(super) struct Standing {
    service: Service,
    caller: Caller,
    login: Option<SessionId>,
    credentials: watch::Receiver<u64>,
    pause: Interval,
    /// Whether it is to be looked at before anything else is told.
    due: bool,
}

impl Standing {
    /// Of a caller, and the login that it came by, if it is an administrator.
    pub(super) fn of(service: &Service, caller: &Caller, login: Option<SessionId>) -> Self {
        let pause = Duration::from_secs(service.limits().sse_keep_alive_s);
        let mut pause = interval_at(Instant::now() + pause, pause);
        pause.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            service: service.clone(),
            caller: caller.clone(),
            login,
            credentials: service.events().credentials(),
            pause,
            // It may have ended between the look at the credential and this.
            due: true,
        }
    }

    /// Whether it is in force. The database is asked when it is time to.
    pub(super) async fn goes_on(&mut self) -> bool {
        if self.due {
            match self.service.caller_goes_on(&self.caller, self.login).await {
                Ok(goes_on) => self.due = !goes_on,
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "it could not be told whether a caller goes on; its stream ends");
                }
            }
        }
        !self.due
    }

    /// Resolves when it is time to look again.
    pub(super) async fn is_due(&mut self) {
        if !self.due {
            tokio::select! {
                biased;
                // It never fails: the service has the other end.
                _ = self.credentials.changed() => {}
                _ = self.pause.tick() => {}
            }
            self.due = true;
        }
    }
}
