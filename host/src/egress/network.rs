//! Look-ups and connections: the one seam between the rules of this room and a real network.
//!
//! What stands behind it judges nothing: it answers and dials what it is told. That the two fit, that
//! only judged addresses are dialled, is the connector's promise.

use std::io;
use std::net::{IpAddr, SocketAddr};

use futures_util::future::BoxFuture;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::LookupIpStrategy;
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
        let resolver = TokioResolver::builder_tokio()
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
