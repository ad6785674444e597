//! The command line. Errors are one line that says what to do; the exit code is 0 when it worked, 1
//! when it did not, 2 when the command was not understood.

mod client;
mod compile;
mod prompt;
mod tool;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

/// Tools that a model writes, a person approves, and every MCP client calls safely.
#[derive(Parser)]
#[command(name = "mcpbox", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run and approve tools.
    #[command(subcommand)]
    Tool(tool::ToolCommand),
    /// Compile a component; the host starts this for itself.
    #[command(hide = true)]
    Compile(compile::Compile),
}

/// The command line as it is, for those who document it.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Parses the command line and does what it says.
pub fn main() -> ExitCode {
    // An `.env` beside the command counts where the environment says nothing; none is no failure.
    let env_file = dotenvy::dotenv();
    let cli = Cli::parse();
    if let Err(error) = env_file
        && !error.not_found()
    {
        eprintln!("mcpbox: .env cannot be read: {error}");
        return ExitCode::FAILURE;
    }
    if let Command::Compile(compile) = &cli.command {
        return compile.run();
    }
    match run(cli.command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("mcpbox: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    // What this process writes is for this user alone.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let code = runtime.block_on(async {
        match command {
            Command::Tool(command) => command.run().await,
            Command::Compile(compile) => Ok(compile.run()),
        }
    });
    // A blocked thread (a prompt, a name look-up) must not hold the process.
    runtime.shutdown_background();
    code
}
