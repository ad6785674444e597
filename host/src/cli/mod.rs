//! The command line. Errors are one line that says what to do; the exit code is 0 when it worked, 1
//! when it did not, 2 when the command was not understood.

mod admin;
mod arguments;
mod call;
mod client;
mod compile;
mod export;
mod import;
mod migrate;
mod pages;
mod prompt;
mod serve;
mod stdio;
mod tool;
mod transpile;

use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::config::{Packaging, Place, Serving, Telling};
use crate::telemetry;

/// Tools that a model writes, a person approves, and every MCP client calls safely.
#[derive(Parser)]
#[command(name = "mcpbox", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run MCPbox: API and MCP in one process.
    Serve {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        serving: Serving,
        #[command(flatten)]
        packaging: Packaging,
        #[command(flatten)]
        telling: Telling,
    },
    /// Serve one MCP client over standard input and output, also beside a running host.
    Stdio(stdio::Stdio),
    /// Call a tool of a running host.
    Call(call::Call),
    /// Start, run, upload and approve tools.
    #[command(subcommand)]
    Tool(tool::ToolCommand),
    /// Write servers and tools of a running host to a signed file.
    Export(export::Export),
    /// Take the servers and tools of such a file over; a person approves them afterwards.
    Import(import::Import),
    /// Make administrators and API keys.
    #[command(subcommand)]
    Admin(admin::AdminCommand),
    /// Look at and change the database schema.
    #[command(subcommand)]
    Migrate(migrate::MigrateCommand),
    /// Compile a component; the host starts this for itself.
    #[command(hide = true)]
    Compile(compile::Compile),
    /// Read a JavaScript source; the host starts this for itself.
    #[command(hide = true)]
    Transpile(transpile::Transpile),
}

/// The command line as it is, for those who document it.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Parses the command line and does what it says.
pub fn main() -> ExitCode {
    // Read before the settings are, and told of after `--help` was answered.
    let env_file = read_env_file();
    let cli = Cli::parse();
    if let Err(error) = env_file {
        eprintln!("mcpbox: .env cannot be read: {error}");
        return ExitCode::FAILURE;
    }
    match &cli.command {
        Command::Compile(compile) => return compile.run(),
        Command::Transpile(transpile) => return transpile.run(),
        _ => {}
    }
    let code = run(cli.command).unwrap_or_else(|error| {
        eprintln!("mcpbox: {error:#}");
        ExitCode::FAILURE
    });
    telemetry::flush_logs();
    code
}

/// Takes what the file `.env` of the working folder sets where the environment says nothing. Not that of a folder
/// above: another user may have put it there, and it could name the program that is run and the database.
fn read_env_file() -> Result<(), dotenvy::Error> {
    let file = Path::new(".env");
    // A folder of this name, as some keep their Python in, is none.
    if file.is_file() { dotenvy::from_path(file) } else { Ok(()) }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    // What this process writes is for this user alone.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let code = runtime.block_on(async {
        match command {
            Command::Serve { place, serving, packaging, telling } => {
                serve::run(place, serving, packaging, &telling).await
            }
            Command::Stdio(stdio) => stdio.run().await,
            Command::Call(call) => call.run().await,
            Command::Tool(command) => command.run().await,
            Command::Export(export) => export.run().await,
            Command::Import(import) => import.run().await,
            Command::Admin(command) => command.run().await,
            Command::Migrate(command) => command.run().await,
            Command::Compile(compile) => Ok(compile.run()),
            Command::Transpile(transpile) => Ok(transpile.run()),
        }
    });
    // A blocked thread (a prompt, a name look-up) must not hold the process.
    runtime.shutdown_background();
    code
}
