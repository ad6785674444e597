//! TLS: the certificate must fit the judged name and come from a trusted root.
//!
//! `certificates/` holds a root (its key was thrown away), a server certificate of that root for
//! `api.tls.example` and `10.0.0.5`, and the server's key, which protects nothing. All are valid until
//! 2126 and were made with `openssl req -x509`, `openssl req` and `openssl x509 -req`, P-256.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{RootCertStore, ServerConfig, ServerConnection};
use tokio::task::JoinHandle;

use super::{grants, public, settings};
use crate::domain::binding::{BoundSecret, BoundSecrets, GivenBinding};
use crate::domain::redact::Redactor;
use crate::domain::secret::SecretValue;
use crate::egress::{Egress, MappedNetwork, OutboundRequest, SendError, tls};

const ROOT: &[u8] = include_bytes!("certificates/root.der");
const LEAF: &[u8] = include_bytes!("certificates/leaf.der");
const LEAF_KEY: &[u8] = include_bytes!("certificates/leaf-key.der");

/// What a client asked for in its greeting.
#[derive(Debug, PartialEq)]
struct Greeting {
    protocol: Option<Vec<u8>>,
    name: Option<String>,
}

/// Serves one connection; tells how it was greeted and what it was asked.
fn serve_once() -> (SocketAddr, JoinHandle<(Greeting, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("its address");
    let served = tokio::task::spawn_blocking(move || {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(LEAF_KEY));
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![CertificateDer::from(LEAF)], key)
            .expect("a certificate");
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let mut connection = ServerConnection::new(Arc::new(config)).expect("a connection");
        let (mut socket, _) = listener.accept().expect("a client");
        let mut stream = rustls::Stream::new(&mut connection, &mut socket);
        let mut request = [0; 4096];
        let mut asked = 0;
        // A client that does not like the certificate goes away here.
        if let Ok(read) = stream.read(&mut request) {
            asked = read;
            let answered = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecure");
            answered.and_then(|()| stream.flush()).expect("an answer");
        }
        let greeting = Greeting {
            protocol: connection.alpn_protocol().map(<[u8]>::to_vec),
            name: connection.server_name().map(str::to_owned),
        };
        (greeting, String::from_utf8_lossy(&request[..asked]).into_owned())
    });
    (address, served)
}

fn trusting_test_root(network: &Arc<MappedNetwork>) -> Egress {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(ROOT)).expect("a root");
    Egress::with_tls(settings(Duration::from_secs(10)), Arc::clone(network) as _, tls::only_root(roots))
}

fn get(url: &str) -> OutboundRequest {
    OutboundRequest { method: "GET".into(), url: url.into(), ..OutboundRequest::default() }
}

#[tokio::test]
async fn a_trusted_certificate_for_the_name_is_accepted_over_http_1() {
    let network = Arc::new(MappedNetwork::new());
    let (server, served) = serve_once();
    network.serve("api.tls.example", public(1), server);
    let sent = trusting_test_root(&network).send(&grants(&["api.tls.example"]), get("https://api.tls.example./")).await;
    assert_eq!(sent.map(|response| response.body), Ok(b"secure".to_vec()));
    let greeting = Greeting { protocol: Some(b"http/1.1".to_vec()), name: Some("api.tls.example".into()) };
    assert_eq!(served.await.expect("the server").0, greeting);
}

#[tokio::test]
async fn a_certificate_for_an_approved_address_is_checked_against_the_address() {
    let network = Arc::new(MappedNetwork::new());
    let (server, served) = serve_once();
    network.route("10.0.0.5".parse().expect("an address"), server);
    let sent = trusting_test_root(&network).send(&grants(&["10.0.0.5"]), get("https://10.0.0.5/")).await;
    assert_eq!(sent.map(|response| response.status), Ok(200));
    served.await.expect("the server");
}

#[tokio::test]
async fn a_certificate_of_another_name_or_another_root_is_refused() {
    let network = Arc::new(MappedNetwork::new());
    let machine = Egress::new(settings(Duration::from_secs(10)), Arc::clone(&network) as _);
    for (egress, name) in [(trusting_test_root(&network), "other.tls.example"), (machine, "api.tls.example")] {
        let (server, served) = serve_once();
        network.serve(name, public(1), server);
        let sent = egress.send(&grants(&[name]), get(&format!("https://{name}/"))).await;
        match sent {
            Err(SendError::Unreachable(text)) => assert!(text.contains("certificate"), "{text}"),
            other => panic!("{name} {other:?}"),
        }
        served.await.expect("the server");
    }
}

#[tokio::test]
async fn a_bound_secret_goes_to_its_host_over_tls_by_itself() {
    let network = Arc::new(MappedNetwork::new());
    let (server, served) = serve_once();
    network.serve("api.tls.example", public(1), server);
    let binding = GivenBinding {
        host: "*.tls.example".into(),
        header: Some("Authorization".into()),
        template: Some("Bearer {secret}".into()),
        ..GivenBinding::default()
    };
    let secret = BoundSecret {
        key_name: "TOKEN".into(),
        binding: binding.try_into().expect("a binding"),
        value: SecretValue::new("secure".into()),
    };
    let mut egress = trusting_test_root(&network);
    let redactor = Arc::new(Redactor::new(["secure"]));
    egress.carry(Arc::new(BoundSecrets { secrets: vec![secret], redactor }));
    let grants = grants(&["api.tls.example"]);
    let sent = egress.send(&grants, get("https://api.tls.example/")).await.expect("an answer");
    let (_, asked) = served.await.expect("the server");
    assert!(asked.contains("authorization: Bearer secure\r\n"), "{asked}");
    assert_eq!(sent.body, b"[redacted]");
    // Not granted comes first, and plain http is refused before anything is dialled.
    for url in ["https://www.tls.example/", "http://api.tls.example/"] {
        assert!(matches!(egress.send(&grants, get(url)).await, Err(SendError::Denied(_))), "{url}");
    }
    assert_eq!(network.dialled().len(), 1);
}
