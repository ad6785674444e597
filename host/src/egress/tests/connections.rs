//! Who meets whom on a connection, and when it ends.

use tokio::sync::mpsc;

use super::*;

const URL: &str = "http://api.example.com/";

#[tokio::test]
async fn a_call_uses_its_connection_again_and_no_other_call_meets_it() {
    let server = Server::answering(OK).await;
    let (egress, network) = egress();
    network.serve("api.example.com", public(1), server.address);
    let grants = grants(&["api.example.com"]);
    let (first, second) = (egress.for_call(), egress.for_call());
    for (way_out, dialled) in [(&first, 1), (&first, 1), (&first.clone(), 1), (&second, 2), (&egress, 3), (&egress, 4)]
    {
        assert!(way_out.send(&grants, get(URL)).await.is_ok());
        assert_eq!(network.dialled().len(), dialled);
    }
    // Another port or scheme is another connection.
    assert!(first.send(&grants, get("http://api.example.com:8080/")).await.is_ok());
    assert_eq!(network.dialled().len(), 5);
    // A kept connection is no grant.
    assert!(matches!(first.send(&Grants::default(), get(URL)).await, Err(SendError::Denied(_))));
}

#[tokio::test]
async fn requests_of_a_call_run_side_by_side() {
    // Nobody is answered before all three have asked.
    let barrier = Arc::new(tokio::sync::Barrier::new(3));
    let server = Server::start(move |mut visit| {
        let barrier = Arc::clone(&barrier);
        async move {
            while visit.request().await.is_some() {
                barrier.wait().await;
                visit.write(OK.as_bytes()).await;
            }
        }
    })
    .await;
    let (egress, network) = egress();
    network.serve("api.example.com", public(1), server.address);
    let (way_out, grants) = (egress.for_call(), grants(&["api.example.com"]));
    for _ in 0..2 {
        let send = || way_out.send(&grants, get(URL));
        let (one, two, three) = tokio::join!(send(), send(), send());
        assert!(one.is_ok() && two.is_ok() && three.is_ok());
    }
    assert_eq!(network.dialled().len(), 3);
}

#[tokio::test]
async fn a_kept_connection_that_the_server_has_closed_is_replaced() {
    let (closed, mut was_closed) = mpsc::channel(1);
    let server = Server::start(move |mut visit| {
        let closed = closed.clone();
        async move {
            visit.request().await;
            visit.write(OK.as_bytes()).await;
            drop(visit);
            let _ = closed.try_send(());
        }
    })
    .await;
    let (egress, network) = egress();
    network.serve("api.example.com", public(1), server.address);
    let way_out = egress.for_call();
    for _ in 0..2 {
        let sent = way_out.send(&grants(&["api.example.com"]), get(URL)).await;
        assert_eq!(sent.map(|response| response.status), Ok(200));
        was_closed.recv().await;
    }
    assert_eq!((network.dialled().len(), server.requests().len()), (2, 2));
}

#[tokio::test]
async fn a_request_that_was_sent_is_not_sent_again() {
    let server = Server::start(|mut visit| async move {
        visit.request().await;
        if visit.number == 0 {
            visit.write(OK.as_bytes()).await;
            visit.request().await;
        }
    })
    .await;
    let (egress, network) = egress();
    network.serve("api.example.com", public(1), server.address);
    let (way_out, grants) = (egress.for_call(), grants(&["api.example.com"]));
    let post = || OutboundRequest { method: "POST".into(), ..get(URL) };
    assert!(way_out.send(&grants, post()).await.is_ok());
    assert!(matches!(way_out.send(&grants, post()).await, Err(SendError::Unreachable(_))));
    assert_eq!((network.dialled().len(), server.requests().len()), (1, 2));
}

#[tokio::test]
async fn what_a_server_says_unasked_is_no_answer_to_the_next_request() {
    let smuggled = "HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nsmuggled";
    let server = Server::answering(format!("{OK}{smuggled}")).await;
    let (egress, network) = egress();
    network.serve("api.example.com", public(1), server.address);
    let way_out = egress.for_call();
    for _ in 0..3 {
        let sent = way_out.send(&grants(&["api.example.com"]), get(URL)).await;
        assert_eq!(sent.map(|response| response.body), Ok(b"hello".to_vec()));
    }
    assert_eq!(network.dialled().len(), 3);
}

#[tokio::test]
async fn a_call_keeps_few_connections_and_closes_them_when_it_ends() {
    let (left, mut has_left) = mpsc::unbounded_channel();
    let server = Server::start(move |mut visit| {
        let left = left.clone();
        async move {
            while visit.request().await.is_some() {
                visit.write(OK.as_bytes()).await;
            }
            let _ = left.send(visit.number);
        }
    })
    .await;
    let (egress, network) = egress();
    let (way_out, grants) = (egress.for_call(), grants(&["*.example.com"]));
    for number in 0..=KEPT_CONNECTIONS {
        let name = format!("host-{number}.example.com");
        network.serve(&name, public(1), server.address);
        assert!(way_out.send(&grants, get(&format!("http://{name}/"))).await.is_ok());
    }
    // The oldest gave way to the last.
    assert_eq!(has_left.recv().await, Some(0));
    assert!(has_left.try_recv().is_err());
    drop(way_out);
    for _ in 0..KEPT_CONNECTIONS {
        assert!(has_left.recv().await.is_some());
    }
}

#[tokio::test]
async fn a_dropped_request_closes_its_connection() {
    let (told, mut telling) = mpsc::unbounded_channel();
    let server = Server::start(move |mut visit| {
        let told = told.clone();
        async move {
            visit.request().await;
            visit.write(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhel").await;
            let _ = told.send("asked");
            visit.gone().await;
            let _ = told.send("gone");
        }
    })
    .await;
    let (egress, network) = egress();
    network.serve("api.example.com", public(1), server.address);
    for way_out in [egress.clone(), egress.for_call()] {
        let grants = grants(&["api.example.com"]);
        let mut sending = Box::pin(way_out.send(&grants, get(URL)));
        tokio::select! {
            sent = &mut sending => panic!("{sent:?}"),
            word = telling.recv() => assert_eq!(word, Some("asked")),
        }
        drop(sending);
        assert_eq!(telling.recv().await, Some("gone"));
    }
}
