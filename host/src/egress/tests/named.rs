//! Servers that a person named: where they may be, and how their answers arrive.

use futures_util::StreamExt as _;

use super::*;
use crate::egress::named::{Arrival, Reach};

const TIME: Duration = Duration::from_secs(30);

async fn sent(egress: &Egress, reach: &Reach, url: &str) -> Result<Arrival, SendError> {
    egress.send_named(reach, get(url), TIME, 1_000).await
}

#[tokio::test]
async fn what_was_named_is_reached_on_this_machine_and_nobody_else_is() {
    let server = Server::answering(OK).await;
    let (egress, network) = egress();
    network.route(address("127.0.0.1"), server.address);
    network.route(address("127.0.0.2"), server.address);
    network.route(address("169.254.169.254"), server.address);
    network.answer("nas.home.arpa", &[address("127.0.0.1")]);
    network.answer("mcp.example.com", &[address("127.0.0.1")]);
    network.answer("rebound.example.com", &[address("169.254.169.254")]);
    for url in ["http://127.0.0.1:9/", "http://nas.home.arpa/", "http://mcp.example.com/"] {
        let named = Reach::with(url).expect("a URL");
        let arrival = sent(&egress, &named, url).await.unwrap_or_else(|error| panic!("{url}: {error}"));
        assert_eq!(arrival.body.whole().await.expect("a body"), b"hello", "{url}");
        match sent(&egress, &Reach::public(), url).await {
            Err(SendError::Denied(why)) => assert!(why.contains("a person said so"), "{url}: {why}"),
            _ => panic!("{url} was reached"),
        }
        // Being named says nothing about others.
        assert!(matches!(sent(&egress, &named, "http://127.0.0.2/").await, Err(SendError::Denied(_))), "{url}");
    }
    for url in ["http://169.254.169.254/", "http://rebound.example.com/", "http://[::ffff:169.254.169.254]/"] {
        match sent(&egress, &Reach::with(url).expect("a URL"), url).await {
            Err(SendError::Denied(why)) => assert!(why.contains("never reached"), "{url}: {why}"),
            _ => panic!("{url} was reached"),
        }
    }
    assert!(Reach::judge("http://169.254.169.254/").is_err() && Reach::judge("ftp://x.example/").is_err());
    assert_eq!(Reach::judge("http://localhost:3000/mcp"), Ok(true));
    assert_eq!(Reach::judge("https://mcp.example.com/mcp"), Ok(false));
}

#[tokio::test]
async fn a_redirect_of_a_named_server_is_not_followed() {
    let server = Server::answering("HTTP/1.1 307 Go\r\nlocation: http://127.0.0.1/\r\ncontent-length: 0\r\n\r\n").await;
    let (egress, network) = egress();
    network.serve("mcp.example.com", public(1), server.address);
    let arrival = sent(&egress, &Reach::public(), "http://mcp.example.com/").await.expect("an answer");
    assert_eq!((arrival.status, arrival.header("location")), (307, Some("http://127.0.0.1/")));
    assert_eq!(network.dialled().len(), 1);
}

#[tokio::test]
async fn a_body_is_heard_as_it_arrives_and_given_up_at_its_bound() {
    let (go, mut gone) = tokio::sync::mpsc::channel::<()>(1);
    let gate = Arc::new(tokio::sync::Mutex::new(()));
    let held = Arc::clone(&gate).lock_owned().await;
    let server = Server::start(move |mut visit| {
        let (gate, go) = (Arc::clone(&gate), go.clone());
        async move {
            visit.request().await;
            visit.write(b"HTTP/1.1 200 OK\r\n\r\nfirst").await;
            let _passed = gate.lock().await;
            visit.write(&[b'x'; 2_000]).await;
            drop(go);
        }
    })
    .await;
    let (egress, network) = egress();
    network.serve("mcp.example.com", public(1), server.address);
    let arrival = sent(&egress, &Reach::public(), "http://mcp.example.com/").await.expect("an answer");
    let mut body = arrival.body;
    assert_eq!(body.next().await.expect("bytes").expect("no error"), "first");
    drop(held);
    let error = loop {
        match body.next().await {
            Some(Ok(_)) => {}
            Some(Err(error)) => break error,
            None => panic!("it was whole"),
        }
    };
    assert!(matches!(&error, SendError::TooLarge(why) if why.contains("1000 bytes")), "{error}");
    assert!(body.next().await.is_none());
    drop(server);
    assert!(gone.recv().await.is_none());
}

#[tokio::test]
async fn a_connection_serves_the_next_request_of_the_same_clients_only() {
    let server = Server::answering(OK).await;
    let (egress, network) = egress();
    network.serve("mcp.example.com", public(1), server.address);
    let session = egress.for_call();
    for (way_out, dialled) in [(&session, 1), (&session, 1), (&egress, 2)] {
        let arrival = sent(way_out, &Reach::public(), "http://mcp.example.com/").await.expect("an answer");
        assert_eq!(arrival.body.whole().await.expect("a body"), b"hello");
        assert_eq!(network.dialled().len(), dialled);
    }
}
