//! When to stop asking somebody who does not answer: closed while things go well, open for a while after
//! so many failures in a row, then half open until one that is let through has succeeded.
//!
//! A table of pure steps: the time is given, nothing waits here.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::ids::SourceId;

/// How patient a breaker is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = CircuitConfig)]
pub struct Patience {
    /// Failures in a row that open it.
    pub failure_threshold: u64,
    /// Successes in a row, of those that are let through, that close it again.
    pub success_threshold: u64,
    /// How long nobody is let through, in seconds.
    #[serde(rename = "timeout")]
    pub open_s: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CircuitState {
    Closed,
    Open,
    /// One at a time is let through, as a probe.
    HalfOpen,
}

/// A breaker, as people see it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CircuitView {
    #[serde(skip)]
    pub id: SourceId,
    pub service_name: String,
    pub state: CircuitState,
    pub failure_count: u64,
    pub success_count: u64,
    pub last_failure_time: Option<DateTime<Utc>>,
    pub config: Patience,
}

/// One breaker.
#[derive(Clone, Debug)]
pub struct Circuit {
    patience: Patience,
    failures: u64,
    successes: u64,
    last_failure: Option<DateTime<Utc>>,
    /// Since when it is open.
    opened: Option<DateTime<Utc>>,
    /// Since when a probe is under way.
    probing: Option<DateTime<Utc>>,
}

/// Nobody is let through now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    pub retry_after: TimeDelta,
}

impl Circuit {
    pub fn new(patience: Patience) -> Self {
        Self { patience, failures: 0, successes: 0, last_failure: None, opened: None, probing: None }
    }

    pub fn patience(&self) -> Patience {
        self.patience
    }

    pub fn failures(&self) -> u64 {
        self.failures
    }

    pub fn successes(&self) -> u64 {
        self.successes
    }

    pub fn last_failure(&self) -> Option<DateTime<Utc>> {
        self.last_failure
    }

    /// Whether it is open or half open.
    pub fn is_open(&self) -> bool {
        self.opened.is_some()
    }

    pub fn state(&self, now: DateTime<Utc>) -> CircuitState {
        match self.opened {
            None => CircuitState::Closed,
            Some(since) if now < since + self.pause() => CircuitState::Open,
            Some(_) => CircuitState::HalfOpen,
        }
    }

    /// Asks to be let through. What is let through tells how it went: [`succeeded`](Self::succeeded),
    /// [`failed`](Self::failed) or [`left`](Self::left).
    ///
    /// # Errors
    /// While it is open, and while a probe is under way; a probe that has not told for as long as the
    /// breaker stays open is forgotten.
    pub fn enter(&mut self, now: DateTime<Utc>) -> Result<(), Refused> {
        let Some(since) = self.opened else { return Ok(()) };
        let until = match self.probing {
            Some(begun) => begun + self.pause(),
            None => since + self.pause(),
        };
        if now < until {
            return Err(Refused { retry_after: until - now });
        }
        self.probing = Some(now);
        Ok(())
    }

    pub fn succeeded(&mut self) {
        self.failures = 0;
        self.probing = None;
        if self.opened.is_some() {
            self.successes += 1;
            if self.successes >= self.patience.success_threshold {
                self.opened = None;
                self.successes = 0;
            }
        }
    }

    /// Whether it opened by this failure.
    pub fn failed(&mut self, now: DateTime<Utc>) -> bool {
        self.failures = self.failures.saturating_add(1);
        self.successes = 0;
        self.last_failure = Some(now);
        self.probing = None;
        let was_closed = self.opened.is_none();
        if !was_closed || self.failures >= self.patience.failure_threshold {
            self.opened = Some(now);
        }
        was_closed && self.opened.is_some()
    }

    /// It ended without telling anything of the other side, as a caller who went away does.
    pub fn left(&mut self) {
        self.probing = None;
    }

    fn pause(&self) -> TimeDelta {
        TimeDelta::try_seconds(self.patience.open_s.try_into().unwrap_or(i64::MAX)).unwrap_or(TimeDelta::MAX)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_000_000 + seconds, 0).expect("a time")
    }

    fn circuit() -> Circuit {
        Circuit::new(Patience { failure_threshold: 3, success_threshold: 2, open_s: 30 })
    }

    #[test]
    fn it_opens_after_so_many_failures_in_a_row() {
        let mut circuit = circuit();
        assert!(!circuit.failed(at(0)) && !circuit.failed(at(1)));
        circuit.succeeded();
        assert!(!circuit.failed(at(2)) && !circuit.failed(at(3)) && circuit.enter(at(3)).is_ok());
        assert!(circuit.failed(at(4)));
        assert_eq!(circuit.state(at(4)), CircuitState::Open);
        assert_eq!(circuit.enter(at(10)), Err(Refused { retry_after: TimeDelta::seconds(24) }));
    }

    #[test]
    fn one_probe_at_a_time_decides_whether_it_closes() {
        let mut circuit = circuit();
        for second in 0..3 {
            circuit.failed(at(second));
        }
        assert_eq!(circuit.state(at(32)), CircuitState::HalfOpen);
        assert_eq!(circuit.enter(at(32)), Ok(()));
        assert!(circuit.enter(at(33)).is_err(), "a probe is under way");
        assert!(!circuit.failed(at(34)), "it was open already");
        assert_eq!(circuit.state(at(60)), CircuitState::Open, "and is for as long again");
        assert_eq!(circuit.enter(at(64)), Ok(()));
        circuit.succeeded();
        assert_eq!(circuit.state(at(64)), CircuitState::HalfOpen);
        assert_eq!(circuit.enter(at(65)), Ok(()));
        circuit.succeeded();
        assert_eq!((circuit.state(at(65)), circuit.failures()), (CircuitState::Closed, 0));
    }

    #[test]
    fn a_probe_that_tells_nothing_makes_room_for_the_next() {
        let mut circuit = circuit();
        for second in 0..3 {
            circuit.failed(at(second));
        }
        assert_eq!(circuit.enter(at(40)), Ok(()));
        circuit.left();
        assert_eq!(circuit.enter(at(41)), Ok(()));
        assert!(circuit.enter(at(70)).is_err());
        assert_eq!(circuit.enter(at(71)), Ok(()), "one that was lost is forgotten");
    }

    proptest! {
        #[test]
        fn whatever_happens_it_lets_somebody_through_again(steps in prop::collection::vec((0_u8..4, 0_i64..100), 0..60)) {
            let mut circuit = circuit();
            let mut now = 0;
            for (step, seconds) in steps {
                now += seconds;
                match step {
                    0 => _ = circuit.enter(at(now)),
                    1 => circuit.succeeded(),
                    2 => _ = circuit.failed(at(now)),
                    _ => circuit.left(),
                }
                prop_assert!(circuit.state(at(now)) != CircuitState::Open || circuit.enter(at(now)).is_err());
            }
            prop_assert!(circuit.enter(at(now + 31)).is_ok());
        }
    }
}
