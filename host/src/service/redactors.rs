//! The redactors of servers, kept while their secrets stay as they are: making one takes longer than a
//! short call.
//!
//! A call reads and opens the secrets of its server as ever; what is kept is found only if those are,
//! value for value, what it was made of. It goes when a secret of its server is set or deleted, when
//! it was not used for a while, and when it is too much together with others.

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;
use sha2::{Digest as _, Sha256};

use super::Service;
use crate::domain::ids::ServerId;
use crate::domain::redact::Redactor;
use crate::domain::secret::SecretValue;

/// Bytes of all that are kept.
const KEPT_BYTES: u64 = 32 << 20;
/// How long one is kept without a call.
const KEPT_IDLE: Duration = Duration::from_secs(60);

/// By server: what it was made of, and the redactor.
pub(super) struct Redactors(Cache<(ServerId, Of), (Values, Arc<Redactor>)>);

/// Which of a server's secrets one finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Of {
    All,
    /// Those that no guest sees.
    Bound,
}

/// A digest of the values of a server.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Values([u8; 32]);

impl Values {
    fn of(secrets: &[&SecretValue]) -> Self {
        let mut digest = Sha256::new();
        for value in secrets {
            digest.update((value.reveal().len() as u64).to_le_bytes());
            digest.update(value.reveal());
        }
        Self(digest.finalize().into())
    }
}

impl Default for Redactors {
    fn default() -> Self {
        let cache = Cache::builder()
            .max_capacity(KEPT_BYTES)
            .weigher(|_, (_, redactor): &(Values, Arc<Redactor>)| {
                u32::try_from(redactor.size_bytes()).unwrap_or(u32::MAX)
            })
            .time_to_idle(KEPT_IDLE);
        Self(cache.build())
    }
}

impl Redactors {
    /// The redactor for these secrets of a server.
    pub(super) async fn of(&self, server: ServerId, which: Of, secrets: &[&SecretValue]) -> Arc<Redactor> {
        let made = || Arc::new(Redactor::new(secrets.iter().map(|value| value.reveal())));
        if secrets.is_empty() {
            return made();
        }
        let values = Values::of(secrets);
        match self.0.get(&(server, which)).await {
            Some((kept, redactor)) if kept == values => redactor,
            _ => {
                let redactor = made();
                self.0.insert((server, which), (values, Arc::clone(&redactor))).await;
                redactor
            }
        }
    }
}

impl Service {
    /// The values of a server have changed: what was made of the old ones goes.
    pub(super) async fn redactor_forget(&self, server: ServerId) {
        for which in [Of::All, Of::Bound] {
            self.0.redactors.0.invalidate(&(server, which)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::redact::REDACTED;

    fn values(values: &[&str]) -> Vec<SecretValue> {
        values.iter().map(|value| SecretValue::new((*value).to_owned())).collect()
    }

    fn digest(given: &[&str]) -> Values {
        Values::of(&values(given).iter().collect::<Vec<_>>())
    }

    #[tokio::test]
    async fn a_redactor_is_kept_for_as_long_as_the_values_are_the_same() {
        let redactors = Redactors::default();
        let (server, other) = (ServerId::new(), ServerId::new());
        let (old, new) = (values(&["hunter22"]), values(&["hunter23"]));
        let (old, new) = ([&old[0]], [&new[0]]);
        let first = redactors.of(server, Of::All, &old).await;
        assert!(Arc::ptr_eq(&first, &redactors.of(server, Of::All, &old).await));
        assert!(!Arc::ptr_eq(&first, &redactors.of(other, Of::All, &old).await));
        assert!(!Arc::ptr_eq(&first, &redactors.of(server, Of::Bound, &old).await));
        let second = redactors.of(server, Of::All, &new).await;
        assert_eq!(second.apply("hunter23 hunter22"), format!("{REDACTED} hunter22"));
        assert_eq!(redactors.of(server, Of::All, &old).await.apply("hunter22"), REDACTED);
    }

    #[test]
    fn values_are_told_apart_also_where_their_letters_are_the_same() {
        assert!(digest(&["ab", "c"]) != digest(&["a", "bc"]));
        assert!(digest(&["ab"]) != digest(&["ab", ""]));
    }
}
