//! Who is asking. Every service function takes one first.

use std::fmt;
use std::net::IpAddr;

use super::ids::{AdminId, ApiKeyId};
use super::text::Text;

/// Somebody who was recognised, and where they came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    pub who: Who,
    /// The peer's address; none for the command line.
    pub from: Option<IpAddr>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Who {
    /// A person with an administrator's account.
    Admin { id: AdminId, username: String },
    /// A client with a key.
    ApiKey { id: ApiKeyId, name: String },
    /// An MCP client on this machine that showed nothing.
    Local,
    /// The operator at the command line of this installation.
    Operator,
    /// An external source that says something new of its tools; nobody asked.
    Source { name: String },
}

impl Caller {
    /// An external source, by its name.
    pub fn source(name: &str) -> Self {
        Self { who: Who::Source { name: name.to_owned() }, from: None }
    }

    pub fn operator() -> Self {
        Self { who: Who::Operator, from: None }
    }

    /// Whether this is a person, who alone may approve and see what only people may.
    pub fn is_person(&self) -> bool {
        matches!(self.who, Who::Admin { .. } | Who::Operator)
    }

    /// What tells this caller apart from every other, also from one that gets its name later.
    pub fn principal(&self) -> String {
        match &self.who {
            Who::Admin { id, .. } => format!("admin:{id}"),
            Who::ApiKey { id, .. } => format!("key:{id}"),
            Who::Local | Who::Operator | Who::Source { .. } => self.key(),
        }
    }

    /// As it prints itself.
    pub fn text(&self) -> Text {
        self.who.word().map_or_else(|| self.to_string().into(), Text::from)
    }

    /// A short name that is the same for every request of the same caller: for rates, places and
    /// log rows.
    pub fn key(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.who.fmt(f)
    }
}

impl Who {
    /// The word for those of whom there is one.
    pub fn word(&self) -> Option<&'static str> {
        match self {
            Self::Local => Some("local"),
            Self::Operator => Some("operator"),
            Self::Admin { .. } | Self::ApiKey { .. } | Self::Source { .. } => None,
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Admin { username, .. } => write!(f, "admin:{username}"),
            Self::ApiKey { name, .. } => write!(f, "key:{name}"),
            Self::Source { name } => write!(f, "source:{name}"),
            Self::Local | Self::Operator => f.write_str(self.word().unwrap_or_default()),
        }
    }
}
