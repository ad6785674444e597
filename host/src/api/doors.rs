//! Both doors as one: what answers every request that a listener takes.
//!
//! A router boxes its futures, clones what is further in for each request, and hands on what it knows in a map.
//! What is asked most goes round it, to the same function that it would lead to, with what is for both doors
//! around it all the same.

use std::future::Future;
use std::net::SocketAddr;

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use axum::http::Method;
use axum::response::Response;
use futures_util::future::Either;
use tower::ServiceExt as _;

use super::{ApiState, layers, router};
use crate::telemetry::RequestId;

/// What is asked most: the `POST` to one address, which the router beside it leads to in the same way.
pub trait Straight: Clone + Send + Sync + 'static {
    const PATH: &'static str;

    /// Answers a request of this peer.
    fn answer(self, peer: SocketAddr, id: RequestId, request: Request) -> impl Future<Output = Response> + Send;
}

/// This door and the one beside it, with all layers.
pub struct Doors<S> {
    state: ApiState,
    router: Router,
    straight: S,
}

impl<S: Straight> Doors<S> {
    /// `beside` has the routes of the other door, among them that of `straight`.
    pub fn new(state: ApiState, beside: Router, straight: S) -> Self {
        Self { router: router(&state, beside), state, straight }
    }

    /// Answers a request of the peer at the other end of the connection.
    pub fn answer(&self, peer: SocketAddr, mut request: Request) -> impl Future<Output = Response> + Send + use<S> {
        if request.method() == Method::POST && request.uri().path() == S::PATH {
            return Either::Left(layers::straight(self.state.clone(), self.straight.clone(), peer, request));
        }
        request.extensions_mut().insert(ConnectInfo(peer));
        let answer = self.router.clone().oneshot(request);
        Either::Right(async { answer.await.unwrap_or_else(|never| match never {}) })
    }
}
