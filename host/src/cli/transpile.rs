//! `mcpbox transpile`: the bounded child process that reads a JavaScript or TypeScript source.

use std::process::ExitCode;

use clap::Args;

use crate::sandbox::transpile_here;

#[derive(Args)]
pub(super) struct Transpile {
    /// Address space of this process.
    #[arg(long)]
    memory_bytes: u64,
    /// CPU time of this process.
    #[arg(long)]
    cpu_s: u64,
}

impl Transpile {
    /// Runs without a runtime: nothing here waits.
    pub(super) fn run(&self) -> ExitCode {
        match transpile_here(self.memory_bytes, self.cpu_s) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        }
    }
}
