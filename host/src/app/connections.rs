//! Connections of a listener: accepted, served, closed in order.
//!
//! Nobody holds a connection by sending slowly. The head of a request has its time, from the opening of the
//! connection or from the answer before it: one that breaks off is told so with 408, a connection that says
//! nothing is closed without a word. A body has its time too ([`Paced`]). A request that has arrived is never
//! cut short here: its answer may take, and stream, as long as it likes, and as long as the client takes
//! something of it now and then.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use futures_util::FutureExt as _;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::api;
use crate::limits::Limits;
use crate::limits::pace::Paced;

/// How slowly a request may arrive.
#[derive(Clone, Copy)]
pub(super) struct Pace {
    head: Duration,
    body: Duration,
    stall: Duration,
}

impl From<&Limits> for Pace {
    fn from(limits: &Limits) -> Self {
        Self {
            head: Duration::from_millis(limits.request_head_ms),
            body: Duration::from_millis(limits.request_body_ms),
            stall: Duration::from_millis(limits.write_stall_ms),
        }
    }
}

/// Serves what `answer` answers each peer, until the order to stop, and then until the last answer is out.
pub(super) async fn serve<F>(
    listener: TcpListener,
    answer: impl Fn(SocketAddr, Request<Body>) -> F + Clone + Send + 'static,
    pace: Pace,
    stopping: CancellationToken,
) where
    F: Future<Output = Response> + Send + 'static,
{
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopping.cancelled() => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                connections.spawn(connection(stream, peer, answer.clone(), pace, stopping.clone()));
            }
            Err(error) => rest_after(&error).await,
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

/// A client that is gone again costs nothing; without handles the machine needs a moment.
async fn rest_after(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if !matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        tracing::error!(error = error as &dyn std::error::Error, "a connection could not be accepted");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn connection<F>(
    stream: TcpStream,
    peer: SocketAddr,
    answer: impl Fn(SocketAddr, Request<Body>) -> F,
    Pace { head, body, stall }: Pace,
    stopping: CancellationToken,
) where
    F: Future<Output = Response>,
{
    let late = Arc::new(AtomicBool::new(false));
    let line = Line::new(stream, Arc::clone(&late), head, stall);
    let service = service_fn(move |request: Request<Incoming>| {
        let request = request.map(|incoming| Body::new(Paced::new(incoming, body)));
        answer(peer, request).map(Ok::<Response, Infallible>)
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head)
        .serve_connection(TokioIo::new(line), service)
        .with_upgrades();
    tokio::pin!(serving);
    let served = tokio::select! {
        served = serving.as_mut() => served,
        () = stopping.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = served {
        tracing::trace!(%peer, error = &error as &dyn std::error::Error, "a connection broke");
        late.store(error.is_timeout(), Ordering::Relaxed);
    }
}

/// A connection that, when it is hung up on in the middle of a head, is told why. hyper itself says
/// nothing then, and it has the connection; so this is done when hyper lets go of it.
struct Line {
    stream: TcpStream,
    /// Whether something came since the last answer.
    is_heard: bool,
    /// Whether the time for a head is over.
    late: Arc<AtomicBool>,
    head: Duration,
    stall: Stall,
}

impl Line {
    fn new(stream: TcpStream, late: Arc<AtomicBool>, head: Duration, stall: Duration) -> Self {
        // Small answers must not wait for more (Nagle); failing to say so costs only latency.
        let _ = stream.set_nodelay(true);
        Self { stream, is_heard: false, late, head, stall: Stall::new(stall) }
    }
}

/// Watches whether a peer takes what it is sent.
struct Stall {
    most: Duration,
    /// Runs while the peer takes nothing.
    until: Option<Pin<Box<Sleep>>>,
}

impl Stall {
    fn new(most: Duration) -> Self {
        Self { most, until: None }
    }

    /// Passes on what came of writing; fails when nothing could be written for too long.
    fn judge<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.until = None;
            return written;
        }
        let until = self.until.get_or_insert_with(|| Box::pin(tokio::time::sleep(self.most)));
        ready!(until.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::WriteZero, "the peer takes nothing (MCPBOX_WRITE_STALL_MS)")))
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.is_heard && self.late.load(Ordering::Relaxed) {
            // It fits what an idle connection takes at once, or the peer does not read anyhow.
            let _ = self.stream.try_write(&api::problem::late_head(self.head));
        }
    }
}

impl AsyncRead for Line {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, into))?;
        self.is_heard |= into.filled().len() > before;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Line {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.is_heard = false;
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.stall.judge(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.is_heard = false;
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.stall.judge(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::stream;
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    #[tokio::test]
    async fn small_answers_do_not_wait_for_more() -> io::Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let _client = TcpStream::connect(listener.local_addr()?).await?;
        let (stream, _) = listener.accept().await?;
        let line = Line::new(stream, Arc::default(), Duration::ZERO, Duration::ZERO);
        assert!(line.stream.nodelay()?);
        Ok(())
    }

    /// Holds: write_stall_ms.
    #[tokio::test]
    async fn a_client_that_takes_nothing_of_its_answer_is_left() -> io::Result<()> {
        let endless = |_, _| async {
            let pieces = stream::repeat_with(|| Ok::<_, Infallible>(Bytes::from_static(&[b'x'; 64 * 1024])));
            Response::new(Body::from_stream(pieces))
        };
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let mut client = TcpStream::connect(listener.local_addr()?).await?;
        client.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await?;
        let (stream, peer) = listener.accept().await?;
        let limits = Limits { write_stall_ms: 100, ..Limits::default() };
        // It would go on for ever.
        connection(stream, peer, endless, Pace::from(&limits), CancellationToken::new()).await;
        Ok(())
    }
}
