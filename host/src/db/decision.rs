//! What a person decides about a request for a host or a module.

use chrono::{DateTime, Utc};

use crate::domain::request::RequestStatus;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    pub status: RequestStatus,
    pub reviewed_at: DateTime<Utc>,
    pub reviewed_by: String,
    pub rejection_reason: Option<String>,
}
