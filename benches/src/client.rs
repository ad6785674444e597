//! The one HTTP client of all measurements: connections that stay open, requests written beforehand,
//! answers checked.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::samples::Samples;

/// A request, ready to be sent any number of times.
#[derive(Clone)]
pub struct Asked {
    pub method: Method,
    pub path: String,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub body: Bytes,
    /// What an answer must contain to count as one.
    pub expect: &'static str,
}

impl Asked {
    pub fn get(path: &str, expect: &'static str) -> Self {
        Self { method: Method::GET, path: path.to_owned(), headers: Vec::new(), body: Bytes::new(), expect }
    }

    pub fn post(path: &str, body: &serde_json::Value, expect: &'static str) -> Self {
        let headers = vec![(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        Self { method: Method::POST, path: path.to_owned(), headers, body: body.to_string().into(), expect }
    }

    pub fn bytes(path: &str, content_type: &'static str, body: &[u8]) -> Self {
        let headers = vec![(CONTENT_TYPE, HeaderValue::from_static(content_type))];
        Self { method: Method::POST, path: path.to_owned(), headers, body: body.to_vec().into(), expect: "" }
    }

    /// # Errors
    /// When the value cannot stand in a header.
    pub fn header(mut self, name: &'static str, value: &str) -> anyhow::Result<Self> {
        self.headers.push((HeaderName::from_static(name), HeaderValue::from_str(value)?));
        Ok(self)
    }
}

/// One open connection; closed when it is dropped.
pub struct Client {
    sender: SendRequest<Full<Bytes>>,
    host: HeaderValue,
    _driver: JoinSet<()>,
}

impl Client {
    /// # Errors
    /// When nobody listens there.
    pub async fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("connecting to {address}"))?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            // What goes wrong is told to the one who waits for an answer.
            let _ = connection.await;
        });
        Ok(Self { sender, host: HeaderValue::from_str(&address.to_string())?, _driver: driver })
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn send(&mut self, asked: &Asked) -> anyhow::Result<(StatusCode, Bytes)> {
        let mut request = Request::builder().method(&asked.method).uri(&asked.path).header(HOST, &self.host);
        for (name, value) in &asked.headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(asked.body.clone()))?;
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        let status = response.status();
        Ok((status, response.into_body().collect().await?.to_bytes()))
    }

    /// Sends a request that must be answered well.
    ///
    /// # Errors
    /// When it is not.
    pub async fn done(&mut self, asked: &Asked) -> anyhow::Result<Bytes> {
        let (status, body) = self.send(asked).await?;
        let good = status.is_success() && contains(&body, asked.expect);
        ensure!(good, "{} {}: {status} {}", asked.method, asked.path, String::from_utf8_lossy(&body));
        Ok(body)
    }
}

fn contains(body: &[u8], expected: &str) -> bool {
    expected.is_empty() || body.windows(expected.len()).any(|part| part == expected.as_bytes())
}

/// What came of many requests.
#[derive(Default)]
pub struct Load {
    pub samples: Samples,
    /// From the first request to the last answer.
    pub wall: Duration,
}

/// Sends `calls` requests from `clients` connections; each sends the next one `pause` after it has
/// its answer.
///
/// # Errors
/// At the first answer that is none.
pub async fn load(
    address: SocketAddr,
    asked: &Asked,
    clients: usize,
    calls: usize,
    pause: Duration,
) -> anyhow::Result<Load> {
    let mut connections = Vec::new();
    for _ in 0..clients {
        connections.push(Client::connect(address).await?);
    }
    let began = Instant::now();
    let mut running = JoinSet::new();
    for mut client in connections {
        let asked = asked.clone();
        running.spawn(async move {
            let mut samples = Samples::default();
            for _ in 0..calls / clients {
                if !pause.is_zero() {
                    tokio::time::sleep(pause).await;
                }
                let began = Instant::now();
                client.done(&asked).await?;
                samples.push(began.elapsed());
            }
            anyhow::Ok(samples)
        });
    }
    let mut load = Load::default();
    while let Some(samples) = running.join_next().await {
        load.samples.append(samples??);
    }
    load.wall = began.elapsed();
    Ok(load)
}
