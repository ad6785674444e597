//! `mcpbox export`: servers and tools of a running host, as a signed file.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use reqwest::Method;
use serde_json::Value;

use super::tool::{Decider, server_id};

#[derive(Args)]
pub(super) struct Export {
    /// The file; standard output by default.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Only this server; all of them, and the policies that were set, by default.
    #[arg(long, value_name = "NAME")]
    server: Option<String>,
    /// Every version of each tool, not only the newest and the one that is called.
    #[arg(long)]
    all_versions: bool,
    /// Components only by digest, for a host that has them already.
    #[arg(long)]
    without_components: bool,
    #[command(flatten)]
    decider: Decider,
}

impl Export {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let versions = if self.all_versions { "all" } else { "current" };
        let components = if self.without_components { "digests" } else { "include" };
        let file = self
            .decider
            .with_login(async |client| {
                let path = match &self.server {
                    Some(name) => format!("/api/export/servers/{}", server_id(client, name).await?),
                    None => "/api/export/servers".to_owned(),
                };
                client.json(Method::GET, &format!("{path}?versions={versions}&components={components}"), None).await
            })
            .await?;
        let text = format!("{file:#}\n");
        match &self.output {
            Some(path) => {
                std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
                eprintln!("Wrote {} servers to {}.", count(&file), path.display());
            }
            None => std::io::stdout().write_all(text.as_bytes()).context("writing the file")?,
        }
        let fingerprint = file["signature"]["fingerprint"].as_str().unwrap_or_default();
        eprintln!("Signed with the key {fingerprint}, by which another host knows this one.");
        Ok(ExitCode::SUCCESS)
    }
}

fn count(file: &Value) -> usize {
    file["servers"].as_array().map_or(0, Vec::len)
}
