//! Where a request goes: a URL taken apart once, judged once, and from then on never read again.
//!
//! Accepts absolute `http` and `https` URLs. Refuses credentials in a URL, hosts that are none, and
//! whatever [`super::guard`] refuses. What is dialled, what TLS asks for and what the `Host` header
//! says are all made from the judged destination, not from the text that the guest gave.

use std::net::IpAddr;

use hyper::Uri;
use url::{Url, form_urlencoded};

use super::SendError;
use super::guard::{self, Class};
use crate::domain::grant::{Destination, Grants};

/// Longest URL, in bytes; what servers commonly accept.
const URL_BYTES: usize = 8 << 10;

/// Who asks: it decides what may be dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Guest,
    /// Somebody that a person or the operator named; `near`: also where it is on this machine or in a
    /// private network.
    Named {
        near: bool,
    },
}

#[derive(Debug)]
pub(super) struct Target {
    secure: bool,
    destination: Destination,
    port: u16,
    /// Path and query, as they are sent.
    path: Uri,
}

impl Target {
    /// # Errors
    /// `Invalid`, with the rule. No part of the URL but its scheme and host is repeated.
    pub(super) fn parse(text: &str) -> Result<Self, SendError> {
        let invalid = |rule: &str| Err(SendError::Invalid(rule.to_owned()));
        if text.len() > URL_BYTES {
            return invalid("the URL is longer than 8192 bytes");
        }
        let Ok(url) = Url::parse(text) else {
            return invalid("the URL cannot be read; give an absolute one such as https://api.example.com/path");
        };
        let secure = match url.scheme() {
            "http" => false,
            "https" => true,
            _ => return invalid("the URL's scheme is neither http nor https"),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return invalid("the URL holds credentials; send them in an Authorization header instead");
        }
        let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else {
            return invalid("the URL has no host");
        };
        let destination = Destination::of(&host);
        if let Destination::Name(name) = &destination
            && !is_host_name(name)
        {
            return invalid("the URL's host is no host name");
        }
        if port == 0 {
            return invalid("port 0 cannot be reached");
        }
        let path = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        let Ok(path) = path.parse() else {
            return invalid("the URL's path or query holds characters that must be percent-encoded");
        };
        Ok(Self { secure, destination, port, path })
    }

    /// Whether these grants let a request go there, as far as that can be said without a look-up.
    ///
    /// # Errors
    /// `Denied`, with what the author can do about it.
    pub(super) fn permit(&self, grants: &Grants) -> Result<(), SendError> {
        let never = match &self.destination {
            Destination::Name(name) => guard::name_is_local(name),
            Destination::Address(address) => guard::class(*address) == Class::Never,
        };
        if never {
            return Err(SendError::Denied(format!(
                "`{}` means this machine, its own network or its cloud's metadata, which a tool never reaches by that \
                 name or address, whatever is approved",
                self.destination
            )));
        }
        if grants.allow(&self.destination, self.port) {
            return Ok(());
        }
        let private = match &self.destination {
            Destination::Address(address) if guard::class(*address) == Class::Private => {
                " It is a private address: it is reached only when it is approved by address itself."
            }
            _ => "",
        };
        let (origin, host, port) = (self.origin(), self.host(), self.port);
        Err(SendError::Denied(format!(
            "this tool has no grant for {origin}. Ask for it with `mcpbox_request_network_access` (host=`{host}`, \
             port={port}); a person approves it. If that was done, it waits for a person or was refused; \
             `mcpbox_get_tool_status` tells which.{private}"
        )))
    }

    /// Whether a request may go there for what a person named, as far as that can be said without a look-up.
    ///
    /// # Errors
    /// `Denied`.
    pub(super) fn permit_named(&self, near: bool) -> Result<(), SendError> {
        let open = match &self.destination {
            Destination::Name(name) => near || !guard::name_is_local(name),
            Destination::Address(address) => guard::may_dial(*address, near),
        };
        if open {
            return Ok(());
        }
        let why = match &self.destination {
            Destination::Address(address) if !guard::may_dial(*address, true) => {
                "means a link, a cloud's metadata or nothing that can answer, which is never reached"
            }
            _ => {
                "means this machine or a private network, which is reached only where a person said so of this address"
            }
        };
        Err(SendError::Denied(format!("`{}` {why}", self.destination)))
    }

    /// Whether it means this machine or its networks by the way it is written.
    pub(super) fn is_near(&self) -> bool {
        match &self.destination {
            Destination::Name(name) => guard::name_is_local(name),
            Destination::Address(address) => guard::class(*address) != Class::Public,
        }
    }

    pub(super) fn destination(&self) -> &Destination {
        &self.destination
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// What an error may say of a URL: scheme, host and port, in the judged spelling.
    pub(super) fn origin(&self) -> String {
        format!("{}://{}:{}", self.scheme(), self.host(), self.port)
    }

    /// The `Host` header (RFC 9110, section 7.2): the port only when it is not the scheme's own.
    pub(super) fn authority(&self) -> String {
        let default = if self.secure { 443 } else { 80 };
        if self.port == default { self.host() } else { format!("{}:{}", self.host(), self.port) }
    }

    pub(super) fn is_secure(&self) -> bool {
        self.secure
    }

    /// Adds parameters to the query, encoded as forms are.
    ///
    /// # Errors
    /// `TooLarge` when path and query become longer than an address may be; nothing of them is repeated.
    pub(super) fn add_parameters(&mut self, parameters: &[(String, String)]) -> Result<(), SendError> {
        let encoded = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
        let joined = match self.path.query() {
            None => format!("{}?{encoded}", self.path),
            Some("") => format!("{}{encoded}", self.path),
            Some(_) => format!("{}&{encoded}", self.path),
        };
        match joined.parse() {
            Ok(path) if joined.len() <= URL_BYTES => {
                self.path = path;
                Ok(())
            }
            _ => Err(SendError::TooLarge(
                "with the parameter that the host adds to it, the URL is longer than 8192 bytes".to_owned(),
            )),
        }
    }

    /// Path and query for the request line.
    pub(super) fn path(&self) -> &Uri {
        &self.path
    }

    fn scheme(&self) -> &'static str {
        if self.secure { "https" } else { "http" }
    }

    fn host(&self) -> String {
        match &self.destination {
            Destination::Address(IpAddr::V6(address)) => format!("[{address}]"),
            other => other.to_string(),
        }
    }
}

/// Labels of 1 to 63 letters, digits, hyphens and underscores, together at most 253; not an address
/// that was written so that the URL standard takes it for a name (`127.0.0.1..`).
fn is_host_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    name.len() <= 253 && name.split('.').all(label) && name.parse::<IpAddr>().is_err()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn judge(grant: &str, url: &str) -> Result<(), SendError> {
        let hosts = if grant.is_empty() { vec![] } else { vec![grant.parse().expect("a grant")] };
        Target::parse(url)?.permit(&Grants { hosts, ..Grants::default() })
    }

    #[test]
    fn what_is_granted_goes_through_in_every_spelling() {
        for (grant, url) in [
            ("api.example.com", "https://api.example.com/v1?key=x#part"),
            ("api.example.com:443", "https://API.example.com.:443/"),
            ("*.example.com", "http://a.b.example.com:8080"),
            ("my_host.example.com", "http://my_host.example.com/"),
            ("192.168.1.5", "http://192.168.1.5:8123/api"),
            ("192.168.1.5", "http://0xc0a80105/"),
            ("[fd00::5]:8443", "https://[fd00::5]:8443"),
            ("10.0.0.1", "http://[::ffff:10.0.0.1]/"),
            ("8.8.8.8", "https://8.8.8.8/"),
        ] {
            assert_eq!(judge(grant, url), Ok(()), "{url}");
        }
    }

    #[test]
    fn loopback_link_and_metadata_are_refused_in_every_spelling_whatever_is_granted() {
        for url in [
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://0x7f000001/",
            "http://0177.0.0.1/",
            "http://127.1/",
            "http://0x7f.1/",
            "http://127.0.0.1./",
            "http://[::ffff:127.0.0.1]/",
            "http://[::ffff:7f00:1]/",
            "http://[::1]/",
            "http://[::]/",
            "http://0/",
            "http://0.0.0.0/",
            "http://%31%32%37.0.0.1/",
            "http://①②⑦.0.0.1/",
            "http://169.254.169.254/",
            "http://2852039166/",
            "http://0xa9fea9fe/",
            "http://0251.0376.0251.0376/",
            "http://[::ffff:169.254.169.254]/",
            "http://[64:ff9b::169.254.169.254]/",
            "http://[fd00:ec2::254]/",
            "http://[fe80::1]/",
            "http://255.255.255.255/",
            "http://224.0.0.1/",
            "http://localhost/",
            "http://LOCALHOST./",
            "http://x.localhost/",
            "http://metadata.google.internal/",
            "http://kubernetes.default.svc/",
        ] {
            let host = Url::parse(url).expect("a url").host_str().expect("a host").to_owned();
            match judge(&host, url) {
                Err(SendError::Denied(text)) => assert!(text.contains("never"), "{url} {text}"),
                other => panic!("{url} {other:?}"),
            }
        }
    }

    #[test]
    fn what_is_not_granted_is_denied_with_the_way_to_ask() {
        let Err(SendError::Denied(text)) = judge("", "https://api.example.com/secret?token=hidden") else {
            panic!("it went through")
        };
        assert_eq!(
            text,
            "this tool has no grant for https://api.example.com:443. Ask for it with `mcpbox_request_network_access` \
             (host=`api.example.com`, port=443); a person approves it. If that was done, it waits for a person or was \
             refused; `mcpbox_get_tool_status` tells which."
        );
        for (grant, url) in [
            ("nas.example.com", "http://192.168.1.5/"),
            ("192.168.1.6", "http://192.168.1.5/"),
            ("192.168.1.5:80", "http://192.168.1.5:81/"),
        ] {
            match judge(grant, url) {
                Err(SendError::Denied(text)) => assert!(text.contains("by address itself"), "{url} {text}"),
                other => panic!("{url} {other:?}"),
            }
        }
    }

    #[test]
    fn what_is_no_url_of_ours_is_invalid_and_its_secrets_are_not_repeated() {
        let long = format!("https://example.com/{}", "hidden".repeat(2_000));
        for url in [
            "",
            "/hidden",
            "example.com/hidden",
            "ftp://example.com/hidden",
            "file:///hidden",
            "data:,hidden",
            "http://",
            "http://./hidden",
            "http://user:hidden@example.com/",
            "https://hidden@example.com/",
            "http://127.0.0.1../",
            "http://a..b/hidden",
            "http://exa!mple.com/hidden",
            "http://example.com:0/hidden",
            "http://example.com:99999/",
            "unix:/hidden",
            "ws://example.com/hidden",
            &long,
        ] {
            match judge("example.com", url) {
                Err(SendError::Invalid(text)) => assert!(!text.contains("hidden"), "{url} {text}"),
                other => panic!("{url} {other:?}"),
            }
        }
    }

    #[test]
    fn the_host_header_is_made_from_what_was_judged() {
        for (url, authority, path) in [
            ("https://API.example.com.:443/a%20b?c=d|e", "api.example.com", "/a%20b?c=d|e"),
            ("http://api.example.com:443", "api.example.com:443", "/"),
            ("http://0x08080808/", "8.8.8.8", "/"),
            ("https://[2606:4700:0::1111]:8443/x", "[2606:4700::1111]:8443", "/x"),
            ("http://bücher.example/", "xn--bcher-kva.example", "/"),
            ("http://example.com?q={\"a\":[1]}", "example.com", "/?q={%22a%22:[1]}"),
        ] {
            let target = Target::parse(url).expect("a target");
            assert_eq!((target.authority().as_str(), target.path().to_string().as_str()), (authority, path), "{url}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_or_reaches_a_closed_address(text in "(https?://)?\\PC{0,40}") {
            if let Ok(target) = Target::parse(&text) {
                if let Destination::Address(address) = target.destination() {
                    let everything = Grants { hosts: vec![target.host().parse().expect("a grant")], ..Grants::default() };
                    let permitted = target.permit(&everything).is_ok();
                    prop_assert_eq!(permitted, guard::class(*address) != Class::Never);
                }
                prop_assert!(target.authority().parse::<hyper::http::uri::Authority>().is_ok());
            }
        }
    }
}
