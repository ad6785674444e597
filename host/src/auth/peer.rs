//! What can be told of a peer from its address and the headers that came with it.
//!
//! A request from this machine is one whose peer is loopback and which says nothing of a proxy: a
//! proxy or a tunnel on this machine is a loopback peer too, and speaks for strangers. A page of a
//! stranger in a browser on this machine is one as well; it gives itself away by the name that it
//! dialled, because that cannot be a name of this machine.

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;
use axum::http::header::HOST;

use crate::domain::address;

/// Headers, or the beginnings of their names, by which proxies and tunnels tell of themselves.
const OF_A_PROXY: &[&str] = &["forwarded", "x-forwarded-", "x-real-ip", "via", "cf-"];

/// Whether no proxy and no tunnel says that it passed the request on.
pub fn came_directly(headers: &HeaderMap) -> bool {
    !headers.keys().any(|name| {
        OF_A_PROXY.iter().any(|mark| match mark.strip_suffix('-') {
            Some(_) => name.as_str().starts_with(mark),
            None => name.as_str() == *mark,
        })
    })
}

/// Whether the peer itself, and nobody behind it, sits on this machine or in a private network.
pub fn is_private_peer(peer: SocketAddr, headers: &HeaderMap) -> bool {
    address::is_private(peer.ip()) && came_directly(headers)
}

/// Whether the request was made on this machine, to this machine by a name of its own.
pub(super) fn is_this_machine(peer: SocketAddr, headers: &HeaderMap) -> bool {
    address::is_loopback(peer.ip()) && came_directly(headers) && is_own_host(headers, &[])
}

/// Whether the name that a request dialled is one under which a listener answers.
///
/// A `local` one, on loopback only, answers to own names. Another one answers to any address too, which no
/// page can make its own name; and to every name as long as the operator listed none, because nobody but the
/// operator knows how others reach this machine.
pub fn is_answered_host(headers: &HeaderMap, local: bool, allowed: &[String]) -> bool {
    is_own_host(headers, allowed) || (!local && (allowed.is_empty() || is_address(headers)))
}

fn is_address(headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    host.to_str().ok().and_then(without_port).is_some_and(|name| name.parse::<IpAddr>().is_ok())
}

/// Whether the request dialled this machine by one of its own names, at any port: `localhost`, a
/// loopback address, or one of `allowed`, each with or without a port. Without a single `Host` it
/// did not.
fn is_own_host(headers: &HeaderMap, allowed: &[String]) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    let Some(host) = host.to_str().ok() else { return false };
    let Some(name) = without_port(host) else { return false };
    is_loopback_name(name)
        || allowed
            .iter()
            .any(|own| !own.is_empty() && (own.eq_ignore_ascii_case(host) || own.eq_ignore_ascii_case(name)))
}

/// The name in `name` or `name:port`; an IPv6 address without its brackets.
fn without_port(host: &str) -> Option<&str> {
    let is_port = |port: &str| port.parse::<u16>().is_ok();
    if let Some(rest) = host.strip_prefix('[') {
        let (address, after) = rest.split_once(']')?;
        return (after.is_empty() || after.strip_prefix(':').is_some_and(is_port)).then_some(address);
    }
    match host.split_once(':') {
        Some((name, port)) => is_port(port).then_some(name),
        None => Some(host),
    }
}

fn is_loopback_name(name: &str) -> bool {
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(address::is_loopback)
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(all: &[(&'static str, &str)]) -> HeaderMap {
        all.iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).expect("a value")))
            .collect()
    }

    #[test]
    fn this_machine_is_a_loopback_peer_that_dialled_a_loopback_name() {
        for (peer, host, local) in [
            ("127.0.0.1:5000", "localhost", true),
            ("127.0.0.1:5000", "localhost:8000", true),
            ("127.0.0.1:5000", "LOCALHOST", true),
            ("127.0.0.1:5000", "LocalHost:8000", true),
            ("127.0.0.1:5000", "127.0.0.1:8000", true),
            ("127.0.0.1:5000", "127.1.2.3", true),
            ("127.1.2.3:5000", "127.1.2.3:8000", true),
            ("127.0.0.1:5000", "[::1]", true),
            ("[::1]:5000", "[::1]:8000", true),
            ("[::ffff:127.0.0.1]:5000", "127.0.0.1:8000", true),
            ("[::ffff:127.0.0.1]:5000", "[::ffff:127.0.0.1]:8000", true),
            ("[::ffff:192.168.1.5]:5000", "localhost", false),
            ("192.168.1.5:5000", "localhost:8000", false),
            ("0.0.0.0:5000", "localhost", false),
            ("[fe80::1]:5000", "localhost", false),
            ("127.0.0.1:5000", "localhost.evil.com", false),
            ("127.0.0.1:5000", "127.0.0.1.nip.io", false),
            ("127.0.0.1:5000", "evil.com", false),
            ("127.0.0.1:5000", "evil.com:8000", false),
            ("127.0.0.1:5000", "localhost.", false),
            ("127.0.0.1:5000", "0.0.0.0:8000", false),
            ("127.0.0.1:5000", "192.168.1.5", false),
            ("127.0.0.1:5000", "2130706433", false),
            ("127.0.0.1:5000", "127.1", false),
            ("127.0.0.1:5000", "localhost:evil.com", false),
            ("127.0.0.1:5000", "localhost:8000:1", false),
            ("127.0.0.1:5000", "localhost@evil.com", false),
            ("127.0.0.1:5000", "[::1", false),
            ("127.0.0.1:5000", "[::1]evil.com", false),
            ("127.0.0.1:5000", "[::1]:port", false),
            ("127.0.0.1:5000", "::1", false),
            ("127.0.0.1:5000", "", false),
        ] {
            let headers = headers(&[("host", host)]);
            assert_eq!(is_this_machine(peer.parse().expect(peer), &headers), local, "{peer} {host}");
        }
    }

    #[test]
    fn a_request_without_a_single_host_is_not_of_this_machine() {
        let peer = "127.0.0.1:5000".parse().expect("an address");
        assert!(!is_this_machine(peer, &HeaderMap::new()));
        assert!(!is_this_machine(peer, &headers(&[("host", "localhost"), ("host", "localhost")])));
    }

    #[test]
    fn what_a_proxy_passed_on_is_not_of_this_machine() {
        let peer = "127.0.0.1:5000".parse().expect("an address");
        for (name, direct) in [
            ("forwarded", false),
            ("x-forwarded-for", false),
            ("x-forwarded-host", false),
            ("x-forwarded-anything", false),
            ("x-real-ip", false),
            ("via", false),
            ("cf-connecting-ip", false),
            ("cf-ray", false),
            ("accept", true),
            ("x-request-id", true),
            ("viable", true),
            ("x-real-ipsum", true),
        ] {
            let headers = headers(&[("host", "localhost"), (name, "")]);
            assert_eq!(came_directly(&headers), direct, "{name}");
            assert_eq!(is_this_machine(peer, &headers), direct, "{name}");
            assert_eq!(is_private_peer(peer, &headers), direct, "{name}");
        }
    }

    #[test]
    fn a_listener_for_others_answers_to_listed_names_and_to_addresses() {
        let listed = ["box.example.com".to_owned()];
        for (host, local, open, with_list) in [
            ("localhost:8000", true, true, true),
            ("[::1]", true, true, true),
            ("box.example.com", true, true, true),
            ("192.168.1.2:8000", false, true, true),
            ("[fd00::2]:8000", false, true, true),
            ("evil.example.com", false, true, false),
            ("192.168.1.2.nip.io", false, true, false),
            ("0xc0a80102", false, true, false),
            ("192.168.1.2:evil", false, true, false),
            ("", false, true, false),
        ] {
            let headers = headers(&[("host", host)]);
            assert_eq!(is_answered_host(&headers, true, &listed), local, "{host}");
            assert_eq!(is_answered_host(&headers, false, &[]), open, "{host}");
            assert_eq!(is_answered_host(&headers, false, &listed), with_list, "{host}");
        }
        assert!(!is_answered_host(&HeaderMap::new(), false, &listed));
        let twice = headers(&[("host", "192.168.1.2"), ("host", "192.168.1.2")]);
        assert!(!is_answered_host(&twice, false, &listed));
    }

    #[test]
    fn a_listed_host_is_an_own_name_with_or_without_a_port() {
        let allowed = ["box.example.com".to_owned(), "other.example.com:8443".to_owned()];
        for (host, own) in [
            ("box.example.com", true),
            ("BOX.example.com:1234", true),
            ("other.example.com:8443", true),
            ("other.example.com", false),
            ("evil.example.com", false),
            ("localhost:8000", true),
        ] {
            assert_eq!(is_own_host(&headers(&[("host", host)]), &allowed), own, "{host}");
        }
    }
}
