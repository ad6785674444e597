//! `mcpbox tool`: what an author does with a tool (start one, run it, look into it, bring it to a host),
//! and what a person decides about it.

mod decide;
mod inspect;
mod new;
mod push;
mod requests;
mod run;
mod shown;

use std::process::ExitCode;

use clap::Subcommand;

pub(super) use self::decide::Decider;
pub(super) use self::push::server_id;
pub(super) use self::shown::visible;

#[derive(Subcommand)]
pub(super) enum ToolCommand {
    /// Make a folder with a tool that works, to start from.
    New(new::New),
    /// Run a tool in the sandbox, without a host or a database: a source or a component.
    Run(run::Run),
    /// Show what a component exports, imports and could use.
    Inspect(inspect::Inspect),
    /// Bring a source or a component to a host, as a new tool or a new version; asks for its review.
    Push(push::Push),
    /// List the tools, hosts and modules that wait for a decision.
    Pending(Decider),
    /// Approve a tool, after showing what it is, and the hosts and modules that it has requested.
    Approve(decide::Decision),
    /// Reject a tool, or what it has requested when it does not wait itself, with a reason for its author.
    Reject(decide::Rejection),
}

impl ToolCommand {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::New(new) => new.run(),
            Self::Run(run) => run.run().await,
            Self::Inspect(inspect) => inspect.run().await,
            Self::Push(push) => push.run().await,
            Self::Pending(decider) => decider.pending().await,
            Self::Approve(decision) => decision.approve().await,
            Self::Reject(rejection) => rejection.reject().await,
        }
    }
}
