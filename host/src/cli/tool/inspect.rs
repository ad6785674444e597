//! `mcpbox tool inspect`: what a component exports, imports and could use, without running a tool of it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::Args;

use super::run::{sandbox, while_compiling};
use super::shown;
use crate::config::{self, Place};
use crate::domain::component::Inspection;
use crate::domain::digest::Digest;
use crate::sandbox::Sandbox;
use crate::service::components::looks_like_one;

#[derive(Args)]
pub(in crate::cli) struct Inspect {
    /// The component.
    file: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

impl Inspect {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let limits = config::limits()?;
        let bytes: Arc<[u8]> = read(&self.file, limits.component_bytes)?.into();
        let sandbox = sandbox(&limits, &self.place)?;
        let digest = Digest::of(&bytes);
        let mut found = shown::of_inspection(inspected(&sandbox, &bytes, digest).await?);
        found["component_digest"] = digest.to_string().into();
        if self.json {
            println!("{}", serde_json::to_string_pretty(&found)?);
        } else {
            shown::component(&found);
            println!("Digest of the component: {digest}");
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Asks a component for what it offers.
///
/// # Errors
/// When it is refused, in words for its author.
pub(super) async fn inspected(sandbox: &Sandbox, bytes: &Arc<[u8]>, digest: Digest) -> anyhow::Result<Inspection> {
    if let Err(why) = looks_like_one(bytes) {
        bail!("{why}");
    }
    match while_compiling(sandbox, sandbox.inspect(bytes, digest)).await? {
        Ok(found) => Ok(found),
        Err(outcome) => bail!("the component was asked for its tools and did not answer ({})", outcome.label()),
    }
}

/// Reads a file, never more of it than may be.
pub(super) fn read(file: &Path, limit_bytes: u64) -> anyhow::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    let opened = std::fs::File::open(file).with_context(|| file.display().to_string())?;
    opened.take(limit_bytes + 1).read_to_end(&mut bytes).with_context(|| file.display().to_string())?;
    if bytes.len() as u64 > limit_bytes {
        bail!("{} has more than {limit_bytes} bytes", file.display());
    }
    Ok(bytes)
}
