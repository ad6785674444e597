//! The integration tests: one binary, a file per noun.
//!
//! They need nothing but a checkout, and leave nothing behind.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test says what it expects by failing")]
#![allow(clippy::disallowed_methods, reason = "tests read their environment, and their tasks end with them")]
#![allow(unreachable_pub, reason = "a binary has no outside; `pub` says what the other files of it may use")]

mod activity;
mod activity_stream;
mod api_browser;
mod api_frame;
mod api_health;
mod api_inputs;
mod api_keys;
mod api_openapi;
mod api_sessions;
mod approval;
mod approvals;
mod architecture;
mod bound_secrets;
mod commands;
mod component_policies;
mod components;
mod components_cli;
mod conforms;
mod coverage;
mod durability;
mod egress;
mod events;
mod executable;
mod export_import;
mod export_trip;
mod external_logins;
mod external_sources;
mod external_sources_failing;
mod faults;
mod fixtures;
mod fresh;
mod guests;
mod harness;
mod harness_admin;
mod installation;
mod internet;
mod javascript;
mod journey;
mod limits_arrival;
mod limits_calls;
mod limits_compiling;
mod limits_places;
mod logs;
mod manage_help;
mod manage_journey;
mod manage_requests;
mod manage_tools;
mod marks;
mod mcp_client;
mod mcp_doors;
mod mcp_legacy;
mod mcp_modern;
mod mcp_servers;
mod mcp_stream;
mod metrics;
mod modules;
mod packages;
mod peer;
mod peer_login;
mod plain;
mod plain_reach;
mod plain_types;
mod policies;
mod probes;
mod program;
mod sandbox;
mod schema;
mod secrets;
mod settings;
mod source;
mod wheels;
