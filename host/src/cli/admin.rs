//! `mcpbox admin`: accounts and keys, made by whoever may write to the database.

use std::process::ExitCode;

use clap::Subcommand;

use super::prompt;
use crate::app::{self, Offline};
use crate::config::Place;

#[derive(Subcommand)]
pub(super) enum AdminCommand {
    /// Make an administrator; the password is asked for.
    Create {
        username: String,
        #[command(flatten)]
        place: Place,
    },
    /// Keys for MCP clients on other machines.
    #[command(subcommand)]
    Key(KeyCommand),
}

#[derive(Subcommand)]
pub(super) enum KeyCommand {
    /// Make a key and print it, once.
    Create {
        /// What it is for.
        name: String,
        #[command(flatten)]
        place: Place,
    },
    /// List the keys.
    List {
        #[command(flatten)]
        place: Place,
    },
    /// Take a key back.
    Revoke {
        name: String,
        #[command(flatten)]
        place: Place,
    },
}
