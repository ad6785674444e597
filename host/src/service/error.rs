//! The one error that both doors see. Each door turns it into an answer in one exhaustive match.

use std::time::Duration;

use crate::crypto::vault::VaultError;
use crate::db::DbError;
use crate::domain::grant::GrantError;
use crate::domain::names::NameError;
use crate::domain::request::RequestTransitionError;
use crate::domain::schema::{Misfit, Unfit};
use crate::domain::tool::TransitionError;
use crate::executor::ExecutorError;
use crate::upstream::UpstreamError;

/// One thing that is wrong with what a caller gave.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[schema(as = ImportProblem)]
pub struct Problem {
    /// JSON Pointer (RFC 6901) into what was given; empty: the whole.
    pub pointer: String,
    pub message: String,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Also the answer to those who may not know that it exists.
    #[error("there is no {what} `{name}`{}", hint_text(.hint))]
    NotFound { what: &'static str, name: String, hint: String },
    #[error("{}", problems_text(.problems))]
    Invalid { problems: Vec<Problem> },
    #[error("{message}")]
    Conflict { message: String },
    #[error("{message}")]
    Forbidden { message: String },
    #[error("{message}")]
    Unauthenticated { message: String },
    /// A browser's cookie came with a request that none of our pages is known to have made.
    #[error("{message}")]
    CrossSite { message: String },
    #[error("{message}")]
    RateLimited { retry_after: Duration, message: String },
    /// No place for a call now.
    #[error("{message}")]
    Busy { retry_after: Duration, message: String },
    #[error("{message}")]
    TooLarge { message: String },
    /// An external source, or the server that lets us in there, did not do its part.
    #[error("{message}")]
    SourceFailed { message: String },
    #[error("the host is stopping; try again in a moment")]
    Stopping,
    /// Ours to mend. Logged by the door that answers, with the request id.
    #[error("{doing} failed: {source}")]
    Internal { doing: &'static str, source: Box<dyn std::error::Error + Send + Sync> },
}

fn hint_text(hint: &str) -> String {
    if hint.is_empty() { String::new() } else { format!("; {hint}") }
}

fn problems_text(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems
        .iter()
        .map(|problem| match problem.pointer.as_str() {
            "" => problem.message.clone(),
            pointer => format!("{pointer}: {}", problem.message),
        })
        .collect();
    lines.join("; ")
}

impl Error {
    pub fn invalid(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid { problems: vec![Problem { pointer: pointer.into(), message: message.into() }] }
    }

    /// Of arguments that were held to a schema.
    pub fn unfit(unfit: Unfit) -> Self {
        match unfit {
            Unfit::Misfits(misfits) => {
                let problem = |misfit: Misfit| Problem { pointer: misfit.pointer, message: misfit.expected };
                Self::Invalid { problems: misfits.into_iter().map(problem).collect() }
            }
            Unfit::TooMuch => Self::TooLarge {
                message: "to hold these arguments to the schema takes too long; send less at once".to_owned(),
            },
        }
    }

    pub fn not_found(what: &'static str, name: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::NotFound { what, name: name.into(), hint: hint.into() }
    }

    pub fn conflict(message: impl Into<String>) -> Self {
        Self::Conflict { message: message.into() }
    }

    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::Forbidden { message: message.into() }
    }

    pub fn cross_site(message: impl Into<String>) -> Self {
        Self::CrossSite { message: message.into() }
    }

    pub fn internal(doing: &'static str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal { doing, source: source.into() }
    }

    /// What is wrong with a part, told of the whole that has it at `at`.
    pub(super) fn within(self, at: &str) -> Self {
        let told = |problem: Problem| Problem { pointer: format!("{at}{}", problem.pointer), ..problem };
        match self {
            Self::Invalid { problems } => Self::Invalid { problems: problems.into_iter().map(told).collect() },
            other => other,
        }
    }

    /// A name that does not fit, at its place in what was given.
    pub fn name(pointer: &str, error: &NameError) -> Self {
        Self::invalid(pointer, error.to_string())
    }
}

impl From<DbError> for Error {
    fn from(error: DbError) -> Self {
        match error {
            DbError::Conflict { .. } => Self::conflict(error.to_string()),
            DbError::OwnerGone { .. } => Self::conflict(error.to_string()),
            DbError::Unstorable => Self::invalid("", error.to_string()),
            other => Self::internal("reading or writing the database", other),
        }
    }
}

impl From<VaultError> for Error {
    fn from(error: VaultError) -> Self {
        Self::internal("opening a secret", error)
    }
}

impl From<TransitionError> for Error {
    fn from(error: TransitionError) -> Self {
        Self::conflict(error.to_string())
    }
}

impl From<RequestTransitionError> for Error {
    fn from(error: RequestTransitionError) -> Self {
        Self::conflict(error.to_string())
    }
}

impl From<GrantError> for Error {
    fn from(error: GrantError) -> Self {
        Self::invalid("/host", error.to_string())
    }
}

impl From<UpstreamError> for Error {
    fn from(error: UpstreamError) -> Self {
        match error {
            UpstreamError::Busy { message, retry_after } => Self::Busy { retry_after, message },
            other => Self::SourceFailed { message: other.to_string() },
        }
    }
}

impl From<ExecutorError> for Error {
    fn from(error: ExecutorError) -> Self {
        match error {
            ExecutorError::Busy { message, retry_after } => Self::Busy { retry_after, message },
            other => Self::internal("running a guest", other),
        }
    }
}
