//! The bounds of the process that compiles, which only a large component goes past.

use std::sync::Arc;

use mcpbox::domain::tool::Language;
use mcpbox::egress::{Egress, EgressSettings, MappedNetwork};
use mcpbox::limits::Limits;
use mcpbox::sandbox::{Sandbox, SandboxSettings};

/// Holds: compile_cpu_s.
#[tokio::test]
async fn compiling_is_bounded_in_cpu_time() {
    let cache = tempfile::tempdir().expect("a folder");
    let limits = Limits { compile_cpu_s: 1, ..Limits::default() };
    let settings = SandboxSettings {
        limits: limits.clone(),
        cache_dir: cache.path().to_owned(),
        program: env!("CARGO_BIN_EXE_mcpbox").into(),
    };
    let egress = Egress::new(EgressSettings::from(&limits), Arc::new(MappedNetwork::default()));
    let sandbox = Sandbox::start(settings, egress).expect("a sandbox");
    // The Python interpreter takes far longer than a second.
    let refused = sandbox.prepare(Language::Python).await.expect_err("it is stopped").to_string();
    assert!(refused.contains("or 1 s of CPU"), "{refused}");
}
