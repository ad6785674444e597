//! Identifiers: UUIDv7, so that they sort by the time at which they were made (RFC 9562).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::telemetry::uuid_v7;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new one; later ones sort behind earlier ones.
            #[expect(clippy::new_without_default, reason = "a new id is not a default")]
            pub fn new() -> Self {
                Self(uuid_v7())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, uuid::Error> {
                Uuid::parse_str(text).map(Self)
            }
        }
    )*};
}

ids! {
    /// A group of tools that share secrets and hosts.
    ServerId;
    ToolId;
    /// One immutable state of a tool.
    VersionId;
    SecretId;
    /// A person's account.
    AdminId;
    /// One login of a person.
    SessionId;
    ApiKeyId;
    /// A request for a host or a module.
    GrantRequestId;
    /// One run of a tool; the row of the execution log.
    CallId;
    AuditId;
    /// A row of the activity log.
    ActivityId;
    /// Something that changed, told to those who listen.
    EventId;
    /// An external MCP server.
    SourceId;
    /// A call that became a task.
    TaskId;
}
