//! `mcpbox migrate`: the schema of the database, forward, back, and where it stands.

use std::process::ExitCode;

use clap::Subcommand;

use crate::app;
use crate::config::{self, Place};
use crate::db::Database;
use crate::db::migrate::{self, Back};

#[derive(Subcommand)]
pub(super) enum MigrateCommand {
    /// Apply every change that is missing; without a database, make one.
    Up {
        #[command(flatten)]
        place: Place,
        /// Print the SQL in place of running it.
        #[arg(long)]
        dry_run: bool,
    },
    /// Take changes back, with everything that their tables hold: so many, or down to a named one.
    Down {
        /// A number, the name of the change that stays the last, or `all`.
        #[arg(default_value = "1")]
        back: String,
        #[command(flatten)]
        place: Place,
    },
    /// Say whether the schema is the one that this release knows.
    Status {
        #[command(flatten)]
        place: Place,
    },
    /// List the changes, and when each was applied.
    History {
        #[command(flatten)]
        place: Place,
    },
}

impl MigrateCommand {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Up { place, dry_run } => {
                app::open_data_dir(&place.data_dir)?;
                up(&connect(&place).await?, dry_run).await
            }
            Self::Down { back, place } => down(&open(&place).await?, &back).await,
            Self::Status { place } => status(&open(&place).await?).await,
            Self::History { place } => history(&open(&place).await?).await,
        }
    }
}

/// The database of an installation that there is.
async fn open(place: &Place) -> anyhow::Result<Database> {
    app::open_installation(place)?;
    connect(place).await
}

async fn connect(place: &Place) -> anyhow::Result<Database> {
    Ok(Database::connect(&app::location(place)?, &config::limits()?).await?)
}

async fn up(db: &Database, dry_run: bool) -> anyhow::Result<ExitCode> {
    if dry_run {
        for change in migrate::dry_run(db).await? {
            println!("-- {}", change.name);
            for statement in change.statements {
                println!("{};", statement.trim_end_matches(';'));
            }
        }
        return Ok(ExitCode::SUCCESS);
    }
    let applied = migrate::up(db).await?;
    if applied.is_empty() {
        println!("The schema is current.");
    }
    for name in applied {
        println!("applied {name}");
    }
    Ok(ExitCode::SUCCESS)
}

async fn down(db: &Database, back: &str) -> anyhow::Result<ExitCode> {
    let back = match (back, back.parse()) {
        ("all", _) => Back::All,
        (_, Ok(steps)) => Back::Steps(steps),
        (name, Err(_)) => Back::To(name.to_owned()),
    };
    let taken = migrate::down(db, &back).await?;
    if taken.is_empty() {
        println!("There was nothing to take back.");
    }
    for name in taken {
        println!("took back {name}");
    }
    Ok(ExitCode::SUCCESS)
}

async fn status(db: &Database) -> anyhow::Result<ExitCode> {
    println!("{}", db.location());
    match migrate::ensure_current(db).await {
        Ok(()) => {
            println!("The schema is current.");
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            println!("{error}");
            Ok(ExitCode::FAILURE)
        }
    }
}

async fn history(db: &Database) -> anyhow::Result<ExitCode> {
    let found = migrate::status(db).await?;
    for change in &found.changes {
        match change.applied_at {
            Some(at) => println!("{}  {}", at.format("%Y-%m-%d %H:%M:%S"), change.name),
            None => println!("{:19}  {}", "not applied", change.name),
        }
    }
    for name in &found.unknown {
        println!("{:19}  {name}", "of a later release");
    }
    Ok(ExitCode::SUCCESS)
}
