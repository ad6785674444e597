//! The first transport, HTTP with server-sent events (2024-11-05), which the client library has no more:
//! a stream that says where to post, and brings all answers.
//!
//! The address to post to lies at the origin of the stream, or the source is refused: a credential goes
//! nowhere else.

use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use rmcp::RoleClient;
use rmcp::model::{ClientJsonRpcMessage, ServerJsonRpcMessage};
use rmcp::transport::Transport;
use rmcp::transport::streamable_http_client::SseError;
use sse_stream::Sse;
use url::Url;

use super::wire::{Wire, WireError};

pub(super) struct SseTransport {
    wire: Wire,
    endpoint: String,
    events: BoxStream<'static, Result<Sse, SseError>>,
}

impl SseTransport {
    /// Opens the stream and waits until the source has said where to post.
    ///
    /// # Errors
    /// When it does not answer with a stream, or says none or another origin.
    pub(super) async fn open(wire: Wire, url: &str) -> Result<Self, WireError> {
        let mut events = wire.listen(url, Vec::new()).await?;
        loop {
            let alien = |what: &str| WireError::Alien(what.to_owned());
            let event = match events.next().await {
                Some(Ok(event)) => event,
                _ => return Err(wire.failure().unwrap_or_else(|| alien("a stream that ends before it begins"))),
            };
            if event.event.as_deref() == Some("endpoint") {
                let endpoint = endpoint(url, event.data.as_deref().unwrap_or_default())
                    .ok_or_else(|| alien("an address to post to that lies elsewhere"))?;
                return Ok(Self { wire, endpoint, events });
            }
        }
    }
}

/// The address to post to, if it lies at the same origin.
fn endpoint(url: &str, given: &str) -> Option<String> {
    let base = Url::parse(url).ok()?;
    let endpoint = base.join(given.trim()).ok()?;
    (endpoint.origin() == base.origin() && endpoint.origin().is_tuple()).then(|| endpoint.into())
}

impl Transport<RoleClient> for SseTransport {
    type Error = WireError;

    fn send(&mut self, item: ClientJsonRpcMessage) -> impl Future<Output = Result<(), WireError>> + Send + 'static {
        let (wire, endpoint) = (self.wire.clone(), self.endpoint.clone());
        async move { wire.deliver(&endpoint, &item).await }
    }

    /// The next message; what is none is passed over.
    async fn receive(&mut self) -> Option<ServerJsonRpcMessage> {
        loop {
            let event = self.events.next().await?.ok()?;
            if event.event.as_deref().is_some_and(|name| name != "message") {
                continue;
            }
            if let Ok(message) = serde_json::from_str(event.data.as_deref().unwrap_or_default()) {
                return Some(message);
            }
        }
    }

    async fn close(&mut self) -> Result<(), WireError> {
        self.events = futures_util::stream::empty().boxed();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_to_post_to_lies_at_the_origin_of_the_stream() {
        let at = |given: &str| endpoint("https://mcp.example.com/sse", given);
        assert_eq!(at("/messages?id=1").as_deref(), Some("https://mcp.example.com/messages?id=1"));
        assert_eq!(at("https://mcp.example.com:443/m").as_deref(), Some("https://mcp.example.com/m"));
        for elsewhere in [
            "https://evil.example/m",
            "//evil.example/m",
            "http://mcp.example.com/m",
            "https://mcp.example.com:8443/m",
            "data:,x",
        ] {
            assert_eq!(at(elsewhere), None, "{elsewhere}");
        }
    }
}
