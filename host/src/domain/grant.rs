//! What a tool may reach: hosts, by name or by address, and folders.
//!
//! Accepts `host`, `host:port`, `*.domain` and addresses (`10.0.0.5`, `[fd00::5]:8443`). Refuses
//! everything that a URL parser would read as another host than a person does: schemes, paths,
//! credentials, and whole-world wildcards. Equal hosts in other spellings (case, a trailing dot,
//! decimal or octal IPv4, IPv4 in IPv6) are the same host, because both sides pass through the URL
//! standard's host parser.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use url::Host;
use utoipa::ToSchema;

/// One approved destination.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostGrant {
    host: HostPattern,
    /// None: any port.
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum HostPattern {
    /// A domain, as the URL standard spells it, without a trailing dot.
    Name(String),
    /// Every name below a domain, not the domain itself.
    Below(String),
    Address(IpAddr),
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not a host: {rule}")]
pub struct GrantError {
    pub given: String,
    pub rule: &'static str,
}

/// A destination as a request names it, in one spelling.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Destination {
    Name(String),
    Address(IpAddr),
}

impl Destination {
    /// The destination of a parsed URL's host.
    pub fn of(host: &Host<&str>) -> Self {
        match host {
            Host::Domain(name) => Self::Name(name.trim_end_matches('.').to_owned()),
            Host::Ipv4(address) => Self::Address(IpAddr::V4(*address)),
            Host::Ipv6(address) => Self::Address(IpAddr::V6(*address).to_canonical()),
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(address) => address.fmt(f),
        }
    }
}

impl HostGrant {
    /// Whether this grant covers a destination.
    pub fn covers(&self, destination: &Destination, port: u16) -> bool {
        if self.port.is_some_and(|granted| granted != port) {
            return false;
        }
        match (&self.host, destination) {
            (HostPattern::Name(granted), Destination::Name(asked)) => granted == asked,
            (HostPattern::Below(domain), Destination::Name(asked)) => {
                asked.strip_suffix(domain.as_str()).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
            }
            (HostPattern::Address(granted), Destination::Address(asked)) => granted == asked,
            _ => false,
        }
    }

    /// The host as a request row keeps it.
    pub fn host(&self) -> String {
        match &self.host {
            HostPattern::Name(name) => name.clone(),
            HostPattern::Below(domain) => format!("*.{domain}"),
            HostPattern::Address(IpAddr::V6(address)) => format!("[{address}]"),
            HostPattern::Address(address) => address.to_string(),
        }
    }

    /// Whether it names an address, not a name.
    pub fn is_address(&self) -> bool {
        matches!(self.host, HostPattern::Address(_))
    }

    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// From the columns of a request row.
    ///
    /// # Errors
    /// When the host is none.
    pub fn new(host: &str, port: Option<u16>) -> Result<Self, GrantError> {
        let mut grant: Self = host.parse()?;
        if grant.port.is_some() && port.is_some() && grant.port != port {
            return Err(GrantError { given: host.to_owned(), rule: "it names another port than the one given" });
        }
        grant.port = grant.port.or(port);
        Ok(grant)
    }
}

impl FromStr for HostGrant {
    type Err = GrantError;

    fn from_str(text: &str) -> Result<Self, GrantError> {
        let fail = |rule| GrantError { given: text.chars().take(128).collect(), rule };
        let text_trimmed = text.trim();
        if text_trimmed.is_empty() || text_trimmed.len() > 255 {
            return Err(fail("give a name or an address of at most 255 characters"));
        }
        if text_trimmed.contains("://") || text_trimmed.contains(['/', '@', '?', '#', '\\', '%']) {
            return Err(fail("give only host or host:port, without scheme, path or credentials"));
        }
        let (host, port) = split_port(text_trimmed).ok_or_else(|| fail("the port is a number from 1 to 65535"))?;
        if let Some(domain) = host.strip_prefix("*.") {
            let Ok(Host::Domain(domain)) = Host::parse(domain) else {
                return Err(fail("a wildcard stands before a domain name"));
            };
            let domain = domain.trim_end_matches('.').to_owned();
            if !domain.contains('.') {
                return Err(fail("a wildcard needs a domain of at least two labels, such as *.example.com"));
            }
            return Ok(Self { host: HostPattern::Below(domain), port });
        }
        if host.contains('*') {
            return Err(fail("a wildcard stands only for whole labels in front: *.example.com"));
        }
        let host = match Host::parse(host) {
            Ok(Host::Domain(name)) => HostPattern::Name(name.trim_end_matches('.').to_owned()),
            Ok(Host::Ipv4(address)) => HostPattern::Address(IpAddr::V4(address)),
            Ok(Host::Ipv6(address)) => HostPattern::Address(IpAddr::V6(address).to_canonical()),
            Err(_) => return Err(fail("give a host name, an IPv4 address or an IPv6 address in brackets")),
        };
        if host == HostPattern::Name(String::new()) {
            return Err(fail("give a name or an address"));
        }
        Ok(Self { host, port })
    }
}

/// Splits `host:port`; none when there is a port that is none.
fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    let colon = match text.rfind(']') {
        Some(end) => text[end..].find(':').map(|at| end + at),
        None => text.rfind(':'),
    };
    let Some(colon) = colon else { return Some((text, None)) };
    let port: u16 = text[colon + 1..].parse().ok()?;
    (port != 0).then_some((&text[..colon], Some(port)))
}

impl fmt::Display for HostGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host())?;
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

impl TryFrom<String> for HostGrant {
    type Error = GrantError;
    fn try_from(text: String) -> Result<Self, GrantError> {
        text.parse()
    }
}

impl From<HostGrant> for String {
    fn from(grant: HostGrant) -> String {
        grant.to_string()
    }
}

/// What may be done in a granted folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FolderAccess {
    ReadOnly,
    ReadWrite,
}

impl FolderAccess {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReadOnly => "read_only",
            Self::ReadWrite => "read_write",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::ReadOnly, Self::ReadWrite].into_iter().find(|access| access.as_str() == text)
    }
}

/// One folder of this machine that a tool sees under a name of its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FolderGrant {
    /// Absolute.
    pub host: PathBuf,
    /// Absolute, such as `/data`.
    pub guest: String,
    pub access: FolderAccess,
}

/// Everything that one call may reach. Empty: nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grants {
    pub hosts: Vec<HostGrant>,
    pub folders: Vec<FolderGrant>,
}

impl Grants {
    pub fn allow(&self, destination: &Destination, port: u16) -> bool {
        self.hosts.iter().any(|grant| grant.covers(destination, port))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn allows(grant: &str, url: &str) -> bool {
        let grants = Grants { hosts: vec![grant.parse().expect("a grant")], ..Grants::default() };
        let url = url::Url::parse(url).expect("a url");
        let destination = Destination::of(&url.host().expect("a host"));
        grants.allow(&destination, url.port_or_known_default().expect("a port"))
    }

    #[test]
    fn a_grant_covers_its_host_in_every_spelling_and_nothing_else() {
        for (grant, url, expected) in [
            ("api.example.com", "https://API.example.com./x", true),
            ("API.Example.com.", "http://api.example.com:8080", true),
            ("api.example.com:443", "https://api.example.com", true),
            ("api.example.com:443", "http://api.example.com", false),
            ("example.com", "https://api.example.com", false),
            ("example.com", "https://notexample.com", false),
            ("*.example.com", "https://a.b.example.com", true),
            ("*.example.com", "https://example.com", false),
            ("*.example.com", "https://evil-example.com", false),
            ("bücher.example", "https://xn--bcher-kva.example", true),
            ("192.168.1.5", "http://192.168.1.5:8123", true),
            ("192.168.1.5", "http://0xc0a80105/", true),
            ("192.168.1.5", "http://3232235781/", true),
            ("192.168.1.5", "http://0300.0250.1.5/", true),
            ("192.168.1.5", "http://[::ffff:192.168.1.5]/", true),
            ("[fd00::5]:8443", "https://[fd00:0:0::5]:8443", true),
            ("[fd00::5]", "https://[fd00::6]", false),
            ("api.example.com", "https://api.example.com@evil.test/", false),
        ] {
            assert_eq!(allows(grant, url), expected, "{grant} {url}");
        }
    }

    #[test]
    fn what_is_no_host_is_refused_with_its_rule() {
        for bad in [
            "",
            "*",
            "*.com",
            "a*.example.com",
            "https://x.com",
            "x.com/path",
            "u@x.com",
            "x.com:0",
            "x.com:99999",
            "x.com:abc",
            "::1",
            "*.10.0.0.1",
            "a b.com",
        ] {
            assert!(bad.parse::<HostGrant>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_printing_round_trips(text in "\\PC{0,60}") {
            if let Ok(grant) = text.parse::<HostGrant>() {
                prop_assert_eq!(grant.to_string().parse::<HostGrant>(), Ok(grant));
            }
        }

        #[test]
        fn an_exact_grant_covers_only_its_own_name(a in "[a-z]{1,8}\\.[a-z]{2,4}", b in "[a-z.]{1,14}") {
            let grant: HostGrant = a.parse().expect("a grant");
            let destination = Destination::Name(b.clone());
            prop_assert_eq!(grant.covers(&destination, 443), a == b);
        }
    }
}
