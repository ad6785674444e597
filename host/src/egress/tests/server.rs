//! Servers of the tests: each listens on a free port of this machine and ends with its value.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

pub(super) struct Server {
    pub(super) address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    _accepting: JoinSet<()>,
}

/// The server's side of one connection.
pub(super) struct Visit {
    stream: TcpStream,
    requests: Arc<Mutex<Vec<String>>>,
    /// From 0, in the order of connections.
    pub(super) number: usize,
}

impl Server {
    /// Handles every connection by `visited`; the connection is closed when that ends.
    pub(super) async fn start<F>(visited: impl Fn(Visit) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let requests = Arc::new(Mutex::new(Vec::new()));
        let mut accepting = JoinSet::new();
        let seen = Arc::clone(&requests);
        accepting.spawn(async move {
            let mut visits = JoinSet::new();
            for number in 0.. {
                let Ok((stream, _)) = listener.accept().await else { break };
                visits.spawn(visited(Visit { stream, requests: Arc::clone(&seen), number }));
            }
        });
        Self { address, requests, _accepting: accepting }
    }

    /// Answers every request on every connection with the same bytes and keeps the connection.
    pub(super) async fn answering(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::start(move |mut visit| {
            let answer = answer.clone();
            async move {
                while visit.request().await.is_some() {
                    visit.write(&answer).await;
                }
            }
        })
        .await
    }

    /// Answers with these bytes at once, then waits until the client goes.
    pub(super) async fn stalling(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::start(move |mut visit| {
            let answer = answer.clone();
            async move {
                visit.request().await;
                visit.write(&answer).await;
                visit.gone().await;
            }
        })
        .await
    }

    /// Answers with these bytes, then with `more` again and again until the client goes.
    pub(super) async fn flooding(answer: &'static str, more: &'static str) -> Self {
        let more: Arc<str> = more.repeat(1 + 65_536 / more.len()).into();
        Self::start(move |mut visit| {
            let more = Arc::clone(&more);
            async move {
                visit.request().await;
                visit.write(answer.as_bytes()).await;
                while visit.write(more.as_bytes()).await {}
            }
        })
        .await
    }

    /// The requests so far, heads and bodies as they came.
    pub(super) fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("the requests").clone()
    }
}

impl Visit {
    /// Reads one request with its body; none when the client has gone.
    pub(super) async fn request(&mut self) -> Option<String> {
        let mut text = Vec::new();
        loop {
            let head_end = text.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4);
            if let Some(head_end) = head_end {
                let head = String::from_utf8_lossy(&text[..head_end]).to_lowercase();
                let body: usize = head
                    .lines()
                    .find_map(|line| line.strip_prefix("content-length: "))
                    .map_or(0, |length| length.parse().expect("a length"));
                if text.len() >= head_end + body {
                    let request = String::from_utf8_lossy(&text).into_owned();
                    self.requests.lock().expect("the requests").push(request.clone());
                    return Some(request);
                }
            }
            if self.stream.read_buf(&mut text).await.unwrap_or(0) == 0 {
                return None;
            }
        }
    }

    /// Whether it was written; not when the client has gone.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).await.is_ok()
    }

    /// Waits until the client has gone.
    pub(super) async fn gone(&mut self) {
        let mut rest = [0; 1024];
        while self.stream.read(&mut rest).await.unwrap_or(0) > 0 {}
    }
}
