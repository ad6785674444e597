//! From a target to an open connection: look up, judge, dial what was judged.
//!
//! A name is looked up once for a connection; its addresses are judged, and exactly those that passed
//! are dialled, in order. Nothing looks the name up again in between, so an answer that changes (DNS
//! rebinding) changes nothing. TLS then asks for the judged name, whatever address was dialled.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use hyper::Uri;
use hyper_rustls::{DefaultServerNameResolver, HttpsConnector, MaybeHttpsStream};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tower::Service;

use super::SendError;
use super::guard::{self, Class};
use super::network::Network;
use super::target::{Purpose, Target};
use crate::domain::grant::Destination;

pub(super) type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

/// Most addresses of one name that are tried.
const ADDRESSES_TRIED: usize = 8;

pub(super) struct Connector {
    pub(super) network: Arc<dyn Network>,
    pub(super) tls: Arc<ClientConfig>,
}

impl Connector {
    /// Opens a connection to a target that was let through for `purpose`. `deadline` only divides the
    /// time between addresses; that it is kept is the caller's part.
    ///
    /// # Errors
    /// `Denied` when no address of the name may be reached, `Unreachable` when none answers.
    pub(super) async fn connect(
        &self,
        target: &Target,
        purpose: Purpose,
        deadline: Instant,
    ) -> Result<Stream, SendError> {
        let addresses = self.judged(target, purpose).await?;
        let unreachable = |error: &dyn std::fmt::Display| {
            SendError::Unreachable(format!("no connection to {}: {error}", target.origin()))
        };
        let uri: Uri = target.origin().parse().map_err(|error| unreachable(&error))?;
        let dial = Dial { network: Arc::clone(&self.network), addresses, deadline };
        let names = Arc::new(DefaultServerNameResolver::default());
        HttpsConnector::new(dial, Arc::clone(&self.tls), false, names)
            .call(uri)
            .await
            .map_err(|error| unreachable(&error))
    }

    /// The addresses that may be dialled for a target, all of them judged.
    async fn judged(&self, target: &Target, purpose: Purpose) -> Result<Vec<SocketAddr>, SendError> {
        let name = match target.destination() {
            Destination::Address(address) => return Ok(vec![SocketAddr::new(*address, target.port())]),
            Destination::Name(name) => name,
        };
        let answer = self.network.resolve(name).await.map_err(|error| {
            SendError::Unreachable(match error.kind() {
                io::ErrorKind::NotFound => format!("the name `{name}` has no address"),
                _ => format!("the name `{name}` could not be looked up"),
            })
        })?;
        let near = purpose == Purpose::Named { near: true };
        let addresses = guard::keep_reachable(&answer, near).map_err(|best| match (best, purpose) {
            (None, _) => SendError::Unreachable(format!("the name `{name}` has no address")),
            (Some(_), Purpose::Named { near: true }) => SendError::Denied(format!(
                "the name `{name}` leads to a link or to a cloud's metadata, which is never reached"
            )),
            (Some(_), Purpose::Named { near: false }) => SendError::Denied(format!(
                "the name `{name}` leads to this machine or a private network, which is reached only where a person \
                 said so of this address"
            )),
            (Some(Class::Never), Purpose::Guest) => SendError::Denied(format!(
                "the name `{name}` leads to this machine, its link or its cloud's metadata, which a tool never \
                 reaches, whatever is approved"
            )),
            (Some(_), Purpose::Guest) => SendError::Denied(format!(
                "the name `{name}` leads to a private address, and a private address is reached only when it is \
                 approved by address itself. Ask for the address with `mcpbox_request_network_access` \
                 (host=<the address>, port={port}) and use it in the URL",
                port = target.port()
            )),
        })?;
        Ok(addresses
            .into_iter()
            .take(ADDRESSES_TRIED)
            .map(|address: IpAddr| SocketAddr::new(address, target.port()))
            .collect())
    }
}

/// Dials judged addresses. It is given a URI because connectors are; it does not read it.
struct Dial {
    network: Arc<dyn Network>,
    addresses: Vec<SocketAddr>,
    deadline: Instant,
}

impl Service<Uri> for Dial {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let network = Arc::clone(&self.network);
        let addresses = std::mem::take(&mut self.addresses);
        Box::pin(dial_in_order(network, addresses, self.deadline))
    }
}

/// The first address that answers. Each has an equal share of the time that is left, so that a silent
/// one leaves time for the next; the last one has all of it.
async fn dial_in_order(
    network: Arc<dyn Network>,
    addresses: Vec<SocketAddr>,
    deadline: Instant,
) -> io::Result<TokioIo<TcpStream>> {
    let mut last = io::ErrorKind::AddrNotAvailable.into();
    for (tried, address) in addresses.iter().enumerate() {
        let dialling = network.dial(*address);
        let shares = u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
        let dialled = if shares == 1 {
            dialling.await
        } else {
            let share = deadline.saturating_duration_since(Instant::now()) / shares;
            tokio::time::timeout(share, dialling).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        };
        match dialled {
            Ok(stream) => return Ok(TokioIo::new(stream)),
            Err(error) => last = error,
        }
    }
    Err(last)
}
