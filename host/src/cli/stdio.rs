//! `mcpbox stdio`: serves one MCP client over standard input and output. Nothing else is written to the output;
//! logs go to standard error.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;

use crate::app::lifecycle::order_to_stop;
use crate::app::{self, Talk, World};
use crate::config::{self, Packaging, Place, Telling};
use crate::mcp::Wish;
use crate::telemetry;

#[derive(Args)]
pub(super) struct Stdio {
    /// Serve this one server alone, under its own names; by default all, and the management tools.
    #[arg(long, value_name = "NAME")]
    server: Option<String>,
    /// List `all` tools, or only the two that `search` and call them; by default all, unless they are too many.
    #[arg(long, value_name = "WHICH", conflicts_with = "server")]
    tools: Option<Wish>,
    /// Folders below which an administrator may give folders to tools; separated by commas. Without any, none.
    #[arg(long, env = "MCPBOX_FOLDER_ROOTS", default_value = "", value_delimiter = ',', value_name = "FOLDERS")]
    folder_roots: Vec<String>,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    packaging: Packaging,
    #[command(flatten)]
    telling: Telling,
}

impl Stdio {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let Self { server, tools, folder_roots, place, packaging, telling } = self;
        telemetry::init_logs(telling.debug, &telling.log_level).context("LOG_LEVEL")?;
        let limits = config::limits()?;
        let program = std::env::current_exe().context("finding this executable")?;
        let stopping = order_to_stop().context("listening to signals")?;
        let talk = Talk { place, folder_roots, packaging, limits, program, server, tools: tools.unwrap_or_default() };
        let (input, output) = (tokio::io::stdin(), tokio::io::stdout());
        app::converse(talk, World::real(), input, output, stopping).await?;
        Ok(ExitCode::SUCCESS)
    }
}
