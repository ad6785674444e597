//! Standard output of a guest: kept up to a bound, counted beyond it, never in the guest's way.
//!
//! The buffer is shared with the host, so that what was printed before a guest was stopped is not
//! lost with it.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use crate::domain::outcome::Captured;

/// What a guest may hand over in one write.
const WRITE_BYTES: usize = 64 << 10;

/// One bounded buffer; clones write to the same.
#[derive(Clone)]
pub(super) struct Capture(Arc<Mutex<Buffer>>);

struct Buffer {
    kept: Vec<u8>,
    bound: usize,
    dropped_bytes: u64,
}

impl Capture {
    pub(super) fn new(bound: usize) -> Self {
        Self(Arc::new(Mutex::new(Buffer { kept: Vec::new(), bound, dropped_bytes: 0 })))
    }

    /// Keeps what there is room for.
    pub(super) fn push(&self, bytes: &[u8]) {
        let mut buffer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = buffer.bound - buffer.kept.len();
        let take = room.min(bytes.len());
        buffer.kept.extend_from_slice(&bytes[..take]);
        buffer.dropped_bytes += (bytes.len() - take) as u64;
    }

    /// What was kept, as text; a character that the bound cut in two is left out.
    pub(super) fn take(&self) -> Captured {
        let mut buffer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut kept = std::mem::take(&mut buffer.kept);
        if buffer.dropped_bytes > 0
            && let Err(error) = std::str::from_utf8(&kept)
            && error.error_len().is_none()
        {
            kept.truncate(error.valid_up_to());
        }
        let text = match String::from_utf8(kept) {
            Ok(text) => text,
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        };
        Captured { text, dropped_bytes: std::mem::take(&mut buffer.dropped_bytes) }
    }
}

impl IsTerminal for Capture {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Capture {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Capture {
    async fn ready(&mut self) {}
}

impl OutputStream for Capture {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.push(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_BYTES)
    }
}

impl AsyncWrite for Capture {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.push(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_kept_up_to_the_bound_and_counted_beyond() {
        let capture = Capture::new(4);
        capture.push(b"ab");
        capture.push("cé!".as_bytes());
        let captured = capture.take();
        assert_eq!(captured, Captured { text: "abc".into(), dropped_bytes: 2 });
    }
}
