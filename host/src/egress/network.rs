//! Look-ups and connections: the one seam between the rules of this room and a real network.
//!
//! What stands behind it judges nothing: it answers and dials what it is told. That the two fit, that
//! only judged addresses are dialled, is the connector's promise.

use std::io;
use std::net::{IpAddr, SocketAddr};

use futures_util::future::BoxFuture;
use hickory_resolver::config::LookupIpStrategy;
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::{ResolverBuilder, TokioResolver};
use tokio::net::TcpStream;

/// Answers names and opens connections.
pub trait Network: Send + Sync {
    /// All addresses of a name, in the order in which to try them. `name` is absolute: no search
    /// domain of the machine is appended.
    ///
    /// # Errors
    /// `NotFound` when the name has no address, anything else when nobody could say.
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>>;

    /// Opens a connection to exactly this address.
    fn dial(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<TcpStream>>;
}

/// The machine's network, by the name servers of its configuration.
///
/// The configuration is read once. Entries of the hosts file count, as they are the operator's own
/// words; they are judged like any other answer. Answers are cached for as long as they allow.
pub struct RealNetwork {
    /// Why there is none, when the configuration could not be read.
    resolver: Result<TokioResolver, String>,
}

impl RealNetwork {
    /// Reads the machine's configuration. A machine without one still starts: every look-up then
    /// fails and says why, while addresses can be dialled.
    pub fn new() -> Self {
        Self::by(TokioResolver::builder_tokio())
    }

    fn by(builder: Result<ResolverBuilder<TokioRuntimeProvider>, NetError>) -> Self {
        let resolver = builder
            .and_then(|mut builder| {
                // Both kinds; IPv4 first, because it is the one that works everywhere.
                builder.options_mut().ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
                builder.build()
            })
            .map_err(|error| error.to_string());
        if let Err(error) = &resolver {
            tracing::warn!(%error, "no name server is configured: tools reach no host by name");
        }
        Self { resolver }
    }
}

impl Default for RealNetwork {
    fn default() -> Self {
        Self::new()
    }
}

impl Network for RealNetwork {
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            let resolver = self.resolver.as_ref().map_err(|error| io::Error::other(error.clone()))?;
            match resolver.lookup_ip(format!("{name}.")).await {
                Ok(answer) => Ok(answer.iter().collect()),
                Err(error) if error.is_no_records_found() => Err(io::ErrorKind::NotFound.into()),
                Err(error) => Err(io::Error::other(error)),
            }
        })
    }

    fn dial(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<TcpStream>> {
        Box::pin(async move {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok(stream)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hickory_resolver::config::{NameServerConfig, ResolverConfig};
    use hickory_resolver::proto::rr::Name;
    use tokio::net::{TcpListener, UdpSocket};
    use tokio::task::JoinSet;

    use super::*;

    /// The two record types that are asked for (RFC 1035, section 3.2.2, and RFC 3596).
    const A: u8 = 1;
    const AAAA: u8 = 28;

    /// A name server that knows `both.example.com`, `four.example.com` and, as a trap for search
    /// domains, `short.search.example`. Says no to the rest, and nothing to `mute.example.com`.
    async fn name_server() -> (SocketAddr, JoinSet<()>) {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
        let address = socket.local_addr().expect("its address");
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut query = [0; 512];
            while let Ok((length, client)) = socket.recv_from(&mut query).await {
                if let Some(reply) = reply(&query[..length]) {
                    socket.send_to(&reply, client).await.expect("a reply");
                }
            }
        });
        (address, serving)
    }

    /// The message format of RFC 1035, section 4.1: a header of 12 bytes, one question, answers.
    fn reply(query: &[u8]) -> Option<Vec<u8>> {
        let mut labels = Vec::new();
        let mut at = 12;
        while query[at] != 0 {
            let end = at + 1 + usize::from(query[at]);
            labels.push(String::from_utf8_lossy(&query[at + 1..end]).into_owned());
            at = end;
        }
        let kind = query[at + 2];
        let four: &[u8] = &[5, 5, 5, 1];
        let six: &[u8] = &[0x26, 6, 0x47, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        let (known, data) = match (labels.join(".").as_str(), kind) {
            ("mute.example.com", _) => return None,
            ("both.example.com" | "four.example.com" | "short.search.example", A) => (true, Some(four)),
            ("both.example.com", AAAA) => (true, Some(six)),
            ("four.example.com", _) => (true, None),
            _ => (false, None),
        };
        let mut reply = query[..2].to_vec();
        reply.extend([0x81, if known { 0x80 } else { 0x83 }, 0, 1, 0, u8::from(data.is_some()), 0, 0, 0, 0]);
        reply.extend(&query[12..at + 5]);
        if let Some(data) = data {
            reply.extend([0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 60, 0, u8::try_from(data.len()).expect("short")]);
            reply.extend(data);
        }
        Some(reply)
    }

    async fn network() -> (RealNetwork, JoinSet<()>) {
        let (address, serving) = name_server().await;
        let mut server = NameServerConfig::udp(address.ip());
        server.connections[0].port = address.port();
        let search = vec![Name::from_ascii("search.example.").expect("a name")];
        let config = ResolverConfig::from_parts(None, search, vec![server]);
        let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        builder.options_mut().timeout = Duration::from_millis(100);
        builder.options_mut().attempts = 1;
        (RealNetwork::by(Ok(builder)), serving)
    }

    #[tokio::test]
    async fn a_name_has_all_its_addresses_ipv4_first() {
        let (network, _serving) = network().await;
        let both: Vec<IpAddr> = ["5.5.5.1", "2606:4700::1"].map(|text| text.parse().expect("an address")).to_vec();
        assert_eq!(network.resolve("both.example.com").await.expect("an answer"), both);
        assert_eq!(network.resolve("four.example.com").await.expect("an answer"), both[..1]);
    }

    #[tokio::test]
    async fn an_unknown_name_is_not_found_and_no_search_domain_is_tried() {
        let (network, _serving) = network().await;
        for name in ["unknown.example.com", "short"] {
            let error = network.resolve(name).await.expect_err(name);
            assert_eq!(error.kind(), io::ErrorKind::NotFound, "{name} {error}");
        }
    }

    #[tokio::test]
    async fn a_name_server_that_says_nothing_is_another_error() {
        let (network, _serving) = network().await;
        let error = network.resolve("mute.example.com").await.expect_err("an answer");
        assert_ne!(error.kind(), io::ErrorKind::NotFound);
    }

    #[tokio::test]
    async fn without_a_configuration_look_ups_fail_with_the_reason_and_addresses_are_dialled() {
        let network = RealNetwork::by(Err(io::Error::other("no such file").into()));
        let error = network.resolve("api.example.com").await.expect_err("an answer");
        assert!(error.to_string().contains("no such file"), "{error}");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let stream = network.dial(address).await.expect("a connection");
        assert_eq!((stream.peer_addr().expect("a peer"), stream.nodelay().expect("an option")), (address, true));
    }
}
