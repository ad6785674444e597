//! `mcpbox admin`: accounts and keys, made by whoever may write to the database of an installation that there is.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Subcommand;

use super::prompt;
use crate::app;
use crate::config::{self, Place};
use crate::domain::caller::Caller;
use crate::service::{PageRequest, Service};

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

impl AdminCommand {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Create { username, place } => create(&place, &username).await,
            Self::Key(command) => command.run().await,
        }
    }
}

async fn create(place: &Place, username: &str) -> anyhow::Result<ExitCode> {
    // Before anybody types a password for nothing.
    app::open_installation(place)?;
    let password = prompt::password("Password (12 to 128 characters): ")?;
    if prompt::is_terminal() && *prompt::password("The same once more: ")? != *password {
        bail!("the two passwords differ; nothing was made");
    }
    with_service(place, async |service| {
        let admin = service.admin_create(&Caller::operator(), username, &password).await?;
        println!("Made the administrator {} ({}).", admin.username, app::location(place)?);
        Ok(ExitCode::SUCCESS)
    })
    .await
}

impl KeyCommand {
    async fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Create { name, place } => {
                with_service(&place, async |service| {
                    let made = service.api_key_create(&Caller::operator(), &name).await?;
                    eprintln!("The key is shown only now; clients send it as `Authorization: Bearer KEY`:");
                    println!("{}", made.key);
                    Ok(ExitCode::SUCCESS)
                })
                .await
            }
            Self::List { place } => with_service(&place, list).await,
            Self::Revoke { name, place } => {
                with_service(&place, async |service| {
                    service.api_key_revoke_named(&Caller::operator(), &name).await?;
                    println!("The key {name} opens nothing any more.");
                    Ok(ExitCode::SUCCESS)
                })
                .await
            }
        }
    }
}

async fn list(service: &Service) -> anyhow::Result<ExitCode> {
    let mut page = 1;
    loop {
        let request = PageRequest { page: Some(page), page_size: None };
        let keys = service.api_key_list(&Caller::operator(), request).await?;
        for key in &keys.items {
            let state = match (key.revoked_at, key.last_used_at) {
                (Some(at), _) => format!("revoked {}", at.format("%Y-%m-%d")),
                (None, Some(at)) => format!("last used {}", at.format("%Y-%m-%d %H:%M")),
                (None, None) => "never used".to_owned(),
            };
            println!("{}…  {}  {state}", key.prefix, key.name);
        }
        if page >= keys.pages {
            return Ok(ExitCode::SUCCESS);
        }
        page += 1;
    }
}

async fn with_service(
    place: &Place,
    work: impl AsyncFnOnce(&Service) -> anyhow::Result<ExitCode>,
) -> anyhow::Result<ExitCode> {
    let program = std::env::current_exe().context("finding this executable")?;
    app::offline(place, &config::limits()?, program, work).await
}
