//! `mcpbox compile`: the bounded child process that turns a component into native code.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::sandbox::{CompileError, EXIT_REFUSED, compile_here};

#[derive(Args)]
pub(super) struct Compile {
    #[arg(long)]
    input: PathBuf,
    #[arg(long)]
    output: PathBuf,
    /// For components that use the asynchronous part of the component model.
    #[arg(long)]
    asynchronous: bool,
    /// Address space of this process.
    #[arg(long)]
    memory_bytes: u64,
    /// CPU time of this process.
    #[arg(long)]
    cpu_s: u64,
}

impl Compile {
    /// Runs without a runtime: nothing here waits.
    pub(super) fn run(&self) -> ExitCode {
        match compile_here(&self.input, &self.output, self.asynchronous, self.memory_bytes, self.cpu_s) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error}");
                match error {
                    CompileError::Refused(_) => ExitCode::from(EXIT_REFUSED),
                    CompileError::Broken { .. } => ExitCode::FAILURE,
                }
            }
        }
    }
}
