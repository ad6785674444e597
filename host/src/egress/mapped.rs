//! A network made of words, for tests: names have the addresses that the test says, and addresses
//! lead to the test's own servers.
//!
//! Never part of a running host. It exists in the library because integration tests hand it to the
//! whole application. What the test did not mention is unknown or refuses connections; nothing here
//! ever reaches the machine's network beyond the servers that the test names.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;
use tokio::net::TcpStream;

use super::network::Network;

/// See the module. All methods take effect at once, also for requests that are under way.
#[derive(Default)]
pub struct MappedNetwork {
    map: Mutex<Map>,
}

#[derive(Default)]
struct Map {
    /// Per name the answers that are still to come; the last one stays.
    names: HashMap<String, Vec<Answer>>,
    routes: HashMap<IpAddr, Route>,
    resolved: Vec<String>,
    dialled: Vec<SocketAddr>,
}

#[derive(Clone)]
enum Answer {
    Addresses(Vec<IpAddr>),
    Silence,
}

#[derive(Clone, Copy)]
enum Route {
    To(SocketAddr),
    Silence,
}

impl MappedNetwork {
    pub fn new() -> Self {
        Self::default()
    }

    /// `name` has these addresses from now on; none: the name exists and has no address.
    pub fn answer(&self, name: &str, addresses: &[IpAddr]) {
        self.map().names.insert(name.to_owned(), vec![Answer::Addresses(addresses.to_vec())]);
    }

    /// The first look-up of `name` has the first answer, and so on; the last answer stays.
    pub fn answer_in_turn(&self, name: &str, answers: &[&[IpAddr]]) {
        let answers = answers.iter().map(|addresses| Answer::Addresses(addresses.to_vec())).collect();
        self.map().names.insert(name.to_owned(), answers);
    }

    /// Connections to `address`, at any port, go to `server`.
    pub fn route(&self, address: IpAddr, server: SocketAddr) {
        self.map().routes.insert(address, Route::To(server));
    }

    /// [`Self::answer`] with one address and [`Self::route`] in one.
    pub fn serve(&self, name: &str, address: IpAddr, server: SocketAddr) {
        self.answer(name, &[address]);
        self.route(address, server);
    }

    /// Look-ups of `name` never end.
    pub fn silence_name(&self, name: &str) {
        self.map().names.insert(name.to_owned(), vec![Answer::Silence]);
    }

    /// Connections to `address` are never answered.
    pub fn silence(&self, address: IpAddr) {
        self.map().routes.insert(address, Route::Silence);
    }

    /// Connections to `address` are refused, as they are to every address without a route.
    pub fn refuse(&self, address: IpAddr) {
        self.map().routes.remove(&address);
    }

    /// Every look-up so far, in order.
    pub fn resolved(&self) -> Vec<String> {
        self.map().resolved.clone()
    }

    /// Every address that was dialled so far, in order, also those that refused.
    pub fn dialled(&self) -> Vec<SocketAddr> {
        self.map().dialled.clone()
    }

    fn map(&self) -> MutexGuard<'_, Map> {
        self.map.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_answer(&self, name: &str) -> Option<Answer> {
        let mut map = self.map();
        map.resolved.push(name.to_owned());
        let answers = map.names.get_mut(name)?;
        if answers.len() > 1 { Some(answers.remove(0)) } else { answers.first().cloned() }
    }

    fn next_route(&self, address: SocketAddr) -> Option<Route> {
        let mut map = self.map();
        map.dialled.push(address);
        map.routes.get(&address.ip()).copied()
    }
}

impl Network for MappedNetwork {
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            match self.next_answer(name) {
                Some(Answer::Addresses(addresses)) => Ok(addresses),
                Some(Answer::Silence) => std::future::pending().await,
                None => Err(io::ErrorKind::NotFound.into()),
            }
        })
    }

    fn dial(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<TcpStream>> {
        Box::pin(async move {
            match self.next_route(address) {
                Some(Route::To(server)) => TcpStream::connect(server).await,
                Some(Route::Silence) => std::future::pending().await,
                None => Err(io::ErrorKind::ConnectionRefused.into()),
            }
        })
    }
}
