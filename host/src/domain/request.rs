//! A tool's request for a host or a module, and how a person decides it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::tool::ApprovalAction;

/// Where a request stands. Only an approved one grants anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RequestStatus {
    Pending,
    Approved,
    Rejected,
}

/// A step that the state of a request does not allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a request that is {} cannot be {}", from.as_str(), action.participle())]
pub struct RequestTransitionError {
    pub from: RequestStatus,
    pub action: ApprovalAction,
}

impl RequestStatus {
    pub const ALL: [Self; 3] = [Self::Pending, Self::Approved, Self::Rejected];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// The state after `action`. A person may think again: what was rejected can be approved.
    ///
    /// # Errors
    /// When the action makes no sense in this state.
    pub fn after(self, action: ApprovalAction) -> Result<Self, RequestTransitionError> {
        match (self, action) {
            (Self::Pending | Self::Rejected, ApprovalAction::Approve) => Ok(Self::Approved),
            (Self::Pending, ApprovalAction::Reject) | (Self::Approved, ApprovalAction::Revoke) => Ok(Self::Rejected),
            (from, action) => Err(RequestTransitionError { from, action }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_moves_only_as_a_person_decides() {
        use ApprovalAction::{Approve, Reject, Revoke};
        use RequestStatus::{Approved, Pending, Rejected};
        for (from, action, to) in [
            (Pending, Approve, Approved),
            (Pending, Reject, Rejected),
            (Rejected, Approve, Approved),
            (Approved, Revoke, Rejected),
        ] {
            assert_eq!(from.after(action), Ok(to), "{from:?} {action:?}");
        }
        let allowed = RequestStatus::ALL
            .into_iter()
            .flat_map(|from| ApprovalAction::ALL.map(|action| from.after(action)))
            .filter(Result::is_ok);
        assert_eq!(allowed.count(), 4);
        let told = Approved.after(Reject).map_err(|error| error.to_string());
        assert_eq!(told, Err("a request that is approved cannot be rejected".to_owned()));
    }
}
