//! An internet that tests make up: servers of their own behind names and public addresses.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::middleware::{Next, from_fn};
use mcpbox::egress::MappedNetwork;

/// A server, and what it was asked.
#[derive(Clone, Default)]
pub struct Site {
    got: Arc<Mutex<Vec<HeaderMap>>>,
    address: Option<SocketAddr>,
}

impl Site {
    /// Serves `router` until the test ends; under `name`, which has the address `address`.
    pub async fn open(network: &MappedNetwork, name: &str, address: &str, router: Router) -> Self {
        let mut site = Self::default();
        let server = site.listen(router).await;
        network.serve(name, ip(address), server);
        site.address = Some(server);
        site
    }

    /// Serves `router` at an address that has no name.
    pub async fn at(network: &MappedNetwork, address: &str, router: Router) -> Self {
        let mut site = Self::default();
        let server = site.listen(router).await;
        network.route(ip(address), server);
        site.address = Some(server);
        site
    }

    async fn listen(&self, router: Router) -> SocketAddr {
        let got = Arc::clone(&self.got);
        let router = router.layer(from_fn(move |request: Request, next: Next| {
            got.lock().expect("no test failed here").push(request.headers().clone());
            next.run(request)
        }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let server = listener.local_addr().expect("an address");
        tokio::task::spawn(async move { axum::serve(listener, router).await });
        server
    }

    /// Where it really listens, for a further name of it.
    pub fn address(&self) -> SocketAddr {
        self.address.expect("it is open")
    }

    /// The headers of every request so far, in order.
    pub fn got(&self) -> Vec<HeaderMap> {
        self.got.lock().expect("no test failed here").clone()
    }
}

pub fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}
