//! What a request came to: the address of everything, or that of one server.
//!
//! At `/mcp` names carry their server (`weather__forecast`), and the management tools are there. At
//! `/mcp/servers/weather` that server is an MCP server by itself: its own names, nothing else.

use std::borrow::Cow;
use std::str::FromStr;

use super::error::{Failure, Kind, shorten};
use crate::domain::names::{ExportName, ServerName, gateway_name};
use crate::service::catalogue::Catalogue;

/// Which part of the catalogue an address serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    Everything,
    Server(ServerName),
}

/// Which tools a client wants to see in the list of everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wish {
    /// All of them, unless they are too many.
    #[default]
    Fitting,
    /// All of them: `/mcp?tools=all`.
    All,
    /// Those that find and call the others: `/mcp?tools=search`.
    Search,
}

impl Wish {
    /// What the query of an address says.
    ///
    /// # Errors
    /// When it says something of tools that is not known here.
    pub fn of(query: Option<&str>) -> Result<Self, Failure> {
        let said = query.unwrap_or_default().split('&').find_map(|part| part.strip_prefix("tools="));
        let Some(said) = said else { return Ok(Self::default()) };
        said.parse().map_err(|fault| Failure::new(Kind::InvalidRequest, format!("`tools` of the address {fault}")))
    }
}

impl FromStr for Wish {
    type Err = String;

    fn from_str(said: &str) -> Result<Self, String> {
        match said {
            "all" => Ok(Self::All),
            "search" => Ok(Self::Search),
            other => Err(format!("is `all` or `search`, and not `{}`", shorten(other))),
        }
    }
}

/// What stands before the name of a server in its address.
pub const SERVERS: &str = "/mcp/servers/";

/// Addresses that an error names.
const NAMED: usize = 100;

impl Scope {
    /// Whether the tools that manage others are here.
    pub fn has_management(&self) -> bool {
        *self == Self::Everything
    }

    /// The name under which the service knows what is called `name` here; none when nothing can be
    /// called so.
    pub fn full_name<'a>(&self, name: &'a str) -> Option<Cow<'a, str>> {
        match self {
            Self::Everything => Some(Cow::Borrowed(name)),
            Self::Server(server) => {
                name.parse::<ExportName>().ok().map(|name| Cow::Owned(gateway_name(server, name.as_str())))
            }
        }
    }
}

/// Nothing is served at this address: an answer that says what is.
pub fn unknown(server: &str, catalogue: &Catalogue) -> Failure {
    let addresses: Vec<String> = std::iter::once("/mcp".to_owned())
        .chain(catalogue.servers.iter().map(|server| format!("{SERVERS}{}", server.name)))
        .take(NAMED)
        .collect();
    let message = format!(
        "there is no running server `{}`; `data.addresses` has those that there are, and `/mcp` serves all of them",
        shorten(server)
    );
    Failure { data: Some(serde_json::json!({ "addresses": addresses })), ..Failure::new(Kind::AddressUnknown, message) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_name_leads_to_its_own_server_only() {
        let scope = Scope::Server("weather".parse().expect("a name"));
        assert_eq!(scope.full_name("forecast").as_deref(), Some("weather__forecast"));
        assert_eq!(scope.full_name("mail__send").as_deref(), Some("weather__mail__send"));
        assert_eq!(scope.full_name(&"x".repeat(64)).map(|name| name.len()), Some(64));
        for bad in ["", "ä", "a b", &"x".repeat(65), &"ä".repeat(40)] {
            assert_eq!(scope.full_name(bad), None, "{bad}");
        }
        assert_eq!(Scope::Everything.full_name("weather__forecast").as_deref(), Some("weather__forecast"));
    }
}
