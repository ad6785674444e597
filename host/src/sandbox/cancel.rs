//! Who may end a guest before its time is over: its caller, and the host that runs it.

use tokio_util::sync::CancellationToken;

/// Cancelled as soon as one of those who may end a call has cancelled.
#[derive(Clone, Debug)]
pub struct Cancel {
    caller: CancellationToken,
    host: Option<CancellationToken>,
}

impl Cancel {
    /// By either of them.
    pub fn by(caller: CancellationToken, host: CancellationToken) -> Self {
        Self { caller, host: Some(host) }
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.caller.is_cancelled() || self.host.as_ref().is_some_and(CancellationToken::is_cancelled)
    }

    /// Resolves once it is cancelled.
    pub(super) async fn cancelled(&self) {
        match &self.host {
            None => self.caller.cancelled().await,
            Some(host) => tokio::select! {
                () = self.caller.cancelled() => {}
                () = host.cancelled() => {}
            },
        }
    }
}

impl From<CancellationToken> for Cancel {
    /// By the caller alone.
    fn from(caller: CancellationToken) -> Self {
        Self { caller, host: None }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn a_call_is_ended_by_its_caller_and_by_the_host() {
        for by_caller in [true, false] {
            let (caller, host) = (CancellationToken::new(), CancellationToken::new());
            let cancel = Cancel::by(caller.clone(), host.clone());
            let mut cancelled = Box::pin(cancel.cancelled());
            assert!(!cancel.is_cancelled());
            assert_eq!(cancelled.as_mut().now_or_never(), None);
            if by_caller {
                caller.cancel()
            } else {
                host.cancel()
            }
            assert!(cancel.is_cancelled());
            assert_eq!(cancelled.now_or_never(), Some(()));
        }
    }
}
