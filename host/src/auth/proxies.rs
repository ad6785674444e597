//! Proxies that speak for others, and are believed.
//!
//! Behind a proxy every request has the proxy's address, and everybody would share its rate and its
//! failed logins. Only a peer that the operator lists is believed, and of `X-Forwarded-For` only as
//! far back as listed proxies wrote it: what stands before that is the client's own claim.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use axum::http::{HeaderMap, HeaderName};
use ipnet::IpNet;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Addresses and networks of proxies, separated by commas.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies(Vec<IpNet>);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither an address nor a network such as 10.0.0.0/8")]
pub struct ProxyError(String);

/// Who is at the other end, as far as that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    pub peer: SocketAddr,
    /// Whether a proxy that is believed took the request over TLS.
    pub tls: bool,
}

impl FromStr for Proxies {
    type Err = ProxyError;

    fn from_str(text: &str) -> Result<Self, ProxyError> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        let one = |part: &str| part.parse().or_else(|_| part.parse::<IpAddr>().map(IpNet::from));
        parts.map(|part| one(part).map_err(|_| ProxyError(part.to_owned()))).collect::<Result<_, _>>().map(Self)
    }
}

impl Proxies {
    fn has(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Who sent a request that came from `peer`. A client behind a proxy has port 0.
    pub fn client(&self, peer: SocketAddr, headers: &HeaderMap) -> Client {
        if !self.has(peer.ip()) {
            return Client { peer, tls: false };
        }
        let mut client = peer;
        for said in listed(headers, &X_FORWARDED_FOR) {
            let Some(address) = said.and_then(|text| text.parse::<IpAddr>().ok()) else { break };
            client = SocketAddr::new(address.to_canonical(), 0);
            if !self.has(address) {
                break;
            }
        }
        let tls = listed(headers, &X_FORWARDED_PROTO).next().flatten();
        Client { peer: client, tls: tls.is_some_and(|scheme| scheme.eq_ignore_ascii_case("https")) }
    }
}

/// What stands in a header that is a list, the last first; none for what is no text.
fn listed<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = Option<&'a str>> {
    let values: Vec<_> = headers.get_all(name).iter().map(|value| value.to_str().ok()).collect();
    values.into_iter().rev().flat_map(|value| match value {
        Some(text) => text.rsplit(',').map(|part| Some(part.trim())).collect(),
        None => vec![None],
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(all: &[(HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in all {
            headers.append(name, HeaderValue::from_str(value).expect("a value"));
        }
        headers
    }

    #[test]
    fn proxies_are_addresses_and_networks() {
        assert_eq!("".parse(), Ok(Proxies::default()));
        let some: Proxies = "10.0.0.0/8, 127.0.0.1,::1,".parse().expect("proxies");
        for (address, has) in [
            ("10.1.2.3", true),
            ("127.0.0.1", true),
            ("::1", true),
            ("::ffff:10.1.2.3", true),
            ("127.0.0.2", false),
            ("11.0.0.1", false),
        ] {
            assert_eq!(some.has(address.parse().expect(address)), has, "{address}");
        }
        let error = "10.0.0.0/8,proxy".parse::<Proxies>().expect_err("a name is no address");
        assert_eq!(error.to_string(), "`proxy` is neither an address nor a network such as 10.0.0.0/8");
    }

    #[test]
    fn a_client_is_who_the_last_proxy_that_is_believed_saw() {
        let proxies: Proxies = "10.0.0.0/8".parse().expect("proxies");
        for (peer, forwarded, client) in [
            ("10.0.0.1:5", &["203.0.113.7"][..], "203.0.113.7:0"),
            ("10.0.0.1:5", &["198.51.100.1, 203.0.113.7"], "203.0.113.7:0"),
            ("10.0.0.1:5", &["198.51.100.1", "203.0.113.7"], "203.0.113.7:0"),
            ("10.0.0.1:5", &["203.0.113.7, 10.0.0.2"], "203.0.113.7:0"),
            ("10.0.0.1:5", &["10.0.0.3, 10.0.0.2"], "10.0.0.3:0"),
            ("10.0.0.1:5", &["203.0.113.7, nonsense"], "10.0.0.1:5"),
            ("10.0.0.1:5", &["203.0.113.7, nonsense, 10.0.0.2"], "10.0.0.2:0"),
            ("10.0.0.1:5", &["2001:db8::1"], "[2001:db8::1]:0"),
            ("10.0.0.1:5", &["::ffff:203.0.113.7"], "203.0.113.7:0"),
            ("10.0.0.1:5", &[], "10.0.0.1:5"),
            ("192.0.2.1:5", &["203.0.113.7"], "192.0.2.1:5"),
        ] {
            let all: Vec<_> = forwarded.iter().map(|value| (X_FORWARDED_FOR, *value)).collect();
            let found = proxies.client(peer.parse().expect(peer), &headers(&all));
            assert_eq!(found, Client { peer: client.parse().expect(client), tls: false }, "{peer} {forwarded:?}");
        }
    }

    #[test]
    fn tls_is_believed_of_listed_proxies_only() {
        let proxies: Proxies = "10.0.0.1".parse().expect("proxies");
        for (peer, proto, tls) in [
            ("10.0.0.1:5", "https", true),
            ("10.0.0.1:5", "HTTPS", true),
            ("10.0.0.1:5", "http, https", true),
            ("10.0.0.1:5", "https, http", false),
            ("10.0.0.1:5", "", false),
            ("10.0.0.2:5", "https", false),
        ] {
            let headers = headers(&[(X_FORWARDED_PROTO, proto)]);
            assert_eq!(proxies.client(peer.parse().expect(peer), &headers).tls, tls, "{peer} {proto}");
        }
    }
}
