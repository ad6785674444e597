//! MCPbox: a language model writes tools, a person approves them, every MCP client calls them; each
//! call runs in a fresh WebAssembly instance that reaches nothing it was not granted.
//!
//! The rooms, lowest first. `tests/it/architecture.rs` holds who may name whom.

pub mod api;
pub mod app;
pub mod auth;
pub mod cli;
pub mod clock;
pub mod config;
pub mod crypto;
pub mod db;
pub mod domain;
pub mod egress;
pub mod events;
pub mod executor;
pub mod jobs;
pub mod limits;
pub mod mcp;
pub mod packages;
pub mod sandbox;
pub mod service;
pub mod telemetry;
pub mod upstream;

/// A call makes hundreds of small things that live for a moment. What SQLite and wasmtime map themselves does
/// not come from here.
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

// Here for their features only: Cargo.toml says why.
use {fnv as _, semver as _};
