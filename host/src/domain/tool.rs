//! What a tool is and how its approval moves: a table, not a scattering of ifs.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The language of a source. TypeScript is JavaScript here: its types make the schemas and are
/// then stripped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    #[default]
    Python,
    Javascript,
}

impl Language {
    pub const ALL: [Self; 2] = [Self::Python, Self::Javascript];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::Javascript => "javascript",
        }
    }

    /// As people write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Python => "Python",
            Self::Javascript => "JavaScript",
        }
    }
}

/// In which form the author gave the tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ToolKind {
    PythonCode,
    JavascriptCode,
    /// A WebAssembly component, whose exports are the tools.
    Component,
    /// A tool of an external source.
    McpPassthrough,
}

impl ToolKind {
    pub const ALL: [Self; 4] = [Self::PythonCode, Self::JavascriptCode, Self::Component, Self::McpPassthrough];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::PythonCode => "python_code",
            Self::JavascriptCode => "javascript_code",
            Self::Component => "component",
            Self::McpPassthrough => "mcp_passthrough",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// The language of its source; none when it has no source.
    pub fn language(self) -> Option<Language> {
        match self {
            Self::PythonCode => Some(Language::Python),
            Self::JavascriptCode => Some(Language::Javascript),
            Self::Component | Self::McpPassthrough => None,
        }
    }

    /// Whether its tools are what it exports: several of a component, one of a source's tool.
    pub fn has_exports(self) -> bool {
        matches!(self, Self::Component | Self::McpPassthrough)
    }
}

impl From<Language> for ToolKind {
    fn from(language: Language) -> Self {
        match language {
            Language::Python => Self::PythonCode,
            Language::Javascript => Self::JavascriptCode,
        }
    }
}

/// Where one version stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalStatus {
    Draft,
    PendingReview,
    Approved,
    Rejected,
}

/// What can happen to a version's approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalAction {
    /// The author asks for it to be published.
    Submit,
    Approve,
    Reject,
    /// A person takes an approval back.
    Revoke,
}

/// A step that the state does not allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a tool that is {} cannot be {}", from.words(), action.participle())]
pub struct TransitionError {
    pub from: ApprovalStatus,
    pub action: ApprovalAction,
}

impl ApprovalStatus {
    pub const ALL: [Self; 4] = [Self::Draft, Self::PendingReview, Self::Approved, Self::Rejected];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::PendingReview => "pending_review",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    fn words(self) -> &'static str {
        match self {
            Self::Draft => "a draft",
            Self::PendingReview => "waiting for review",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
        }
    }

    /// The state after `action`.
    ///
    /// # Errors
    /// When the action makes no sense in this state.
    pub fn after(self, action: ApprovalAction) -> Result<Self, TransitionError> {
        use ApprovalAction::{Approve, Reject, Revoke, Submit};
        use ApprovalStatus::{Approved, Draft, PendingReview, Rejected};
        match (self, action) {
            (Draft | Rejected, Submit) => Ok(PendingReview),
            (PendingReview | Draft | Rejected, Approve) => Ok(Approved),
            (PendingReview | Draft, Reject) | (Approved, Revoke) => Ok(Rejected),
            (from, action) => Err(TransitionError { from, action }),
        }
    }
}

impl ApprovalAction {
    pub const ALL: [Self; 4] = [Self::Submit, Self::Approve, Self::Reject, Self::Revoke];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::Approve => "approve",
            Self::Reject => "reject",
            Self::Revoke => "revoke",
        }
    }

    pub(super) fn participle(self) -> &'static str {
        match self {
            Self::Submit => "submitted for review",
            Self::Approve => "approved",
            Self::Reject => "rejected",
            Self::Revoke => "revoked",
        }
    }
}

/// Where one version came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChangeSource {
    /// A person.
    Manual,
    /// A model, over MCP.
    Llm,
    Import,
    /// An older version that was made the newest again.
    Rollback,
}

impl ChangeSource {
    pub const ALL: [Self; 4] = [Self::Manual, Self::Llm, Self::Import, Self::Rollback];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::Llm => "llm",
            Self::Import => "import",
            Self::Rollback => "rollback",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.as_str() == text)
    }
}

/// Whether a server's tools are offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ServerStatus {
    Running,
    Stopped,
}

impl ServerStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Running, Self::Stopped].into_iter().find(|status| status.as_str() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows: from; columns: submit, approve, reject, revoke. `-` is refused.
    const TABLE: &str = "
        draft          pending_review approved rejected -
        pending_review -              approved rejected -
        approved       -              -        -        rejected
        rejected       pending_review approved -        -
    ";

    #[test]
    fn approval_moves_as_the_table_says() {
        let mut rows = 0;
        for row in TABLE.lines().filter(|line| !line.trim().is_empty()) {
            let words: Vec<&str> = row.split_whitespace().collect();
            let from = ApprovalStatus::parse(words[0]).expect("a state");
            for (action, expected) in ApprovalAction::ALL.into_iter().zip(&words[1..]) {
                let to = from.after(action).map_or("-", ApprovalStatus::as_str);
                assert_eq!(to, *expected, "{from:?} {action:?}");
            }
            rows += 1;
        }
        assert_eq!(rows, ApprovalStatus::ALL.len());
    }
}
