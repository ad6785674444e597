//! TLS of outbound connections: the machine's own roots, TLS 1.2 and 1.3, HTTP/1.1.
//!
//! Certificates are checked against the name or address that was judged. There is no way to turn the
//! check off. Additional roots are the machine's business (its certificate store, or `SSL_CERT_FILE`).

use std::sync::Arc;

use hyper_rustls::ConfigBuilderExt;
use rustls::client::WantsClientCert;
use rustls::crypto::ring;
use rustls::{ClientConfig, ConfigBuilder, WantsVerifier};

/// The configuration of a real host. Without any root on the machine Mozilla's are used, as they were
/// when this program was built, and a warning says so.
pub(super) fn machine_roots() -> ClientConfig {
    let builder = match builder().with_native_roots() {
        Ok(builder) => builder,
        Err(error) => {
            tracing::warn!(%error, "this machine has no root certificates: tools trust Mozilla's, as of this build");
            builder().with_webpki_roots()
        }
    };
    finish(builder)
}

/// The configuration for tests with a root of their own.
#[cfg(test)]
pub(super) fn only_root(root: rustls::RootCertStore) -> ClientConfig {
    finish(builder().with_root_certificates(root))
}

fn builder() -> ConfigBuilder<ClientConfig, WantsVerifier> {
    #[expect(clippy::expect_used, reason = "the provider is fixed and has suites for both versions")]
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring speaks TLS 1.2 and 1.3")
}

fn finish(builder: ConfigBuilder<ClientConfig, WantsClientCert>) -> ClientConfig {
    let mut config = builder.with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config
}
