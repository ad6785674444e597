//! One MCP client at a pair of byte streams, beside whatever else serves the same installation.

use std::future::Future;
use std::path::PathBuf;

use tokio::io::{AsyncRead, AsyncWrite};

use super::lifecycle::Lifecycle;
use super::{Made, StartError, StopError, Stopping, World, make, open_data_dir, write_out};
use crate::auth::McpAuth;
use crate::config::{Packaging, Place};
use crate::domain::tool::Language;
use crate::limits::Limits;
use crate::mcp::{self, McpSettings, McpState, Wish};

/// What it takes to talk to one client.
pub struct Talk {
    pub place: Place,
    pub folder_roots: Vec<String>,
    pub packaging: Packaging,
    pub limits: Limits,
    /// The executable that compiles components: this one.
    pub program: PathBuf,
    /// The one server that is served; none: all of them.
    pub server: Option<String>,
    /// Which tools are listed when all are served.
    pub tools: Wish,
}

/// Why a conversation did not come about, or broke off.
#[derive(Debug, thiserror::Error)]
pub enum TalkError {
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Conversation(#[from] mcp::ConverseError),
    #[error(transparent)]
    Stop(#[from] StopError),
}

/// Talks until the input ends or `stop` completes; then running calls may finish, for as long as they may at any
/// stop.
///
/// # Errors
/// See [`TalkError`].
pub async fn converse(
    talk: Talk,
    world: World,
    input: impl AsyncRead + Unpin,
    output: impl AsyncWrite + Unpin,
    stop: impl Future<Output = ()>,
) -> Result<(), TalkError> {
    let Talk { place, folder_roots, packaging, limits, program, server, tools } = talk;
    open_data_dir(&place.data_dir)?;
    let lifecycle = Lifecycle::default();
    let Made { service, db, sandbox } =
        make(&place, &folder_roots, Some(&packaging), &limits, program, world, &lifecycle).await?;
    // A call that comes first waits for it; one that never comes should not.
    let ending = lifecycle.stopping.clone();
    lifecycle.tasks.spawn(async move {
        for language in Language::ALL {
            tokio::select! {
                () = ending.cancelled() => return,
                prepared = sandbox.prepare(language) => if let Err(error) = prepared {
                    tracing::error!(error = &error as &dyn std::error::Error, "an interpreter cannot be prepared");
                },
            }
        }
    });
    let auth = McpAuth::new(service.clone());
    let (calls, stopping) = (lifecycle.calls.clone(), lifecycle.stopping.clone());
    let mcp = McpState::new(service.clone(), auth, McpSettings::default(), calls, stopping);
    let Stopping { grace, writing } = Stopping::from(&limits);
    let conversation = mcp::converse(&mcp, server.as_deref(), tools, input, output);
    tokio::pin!(conversation);
    let stopped = async {
        stop.await;
        lifecycle.stopping.cancel();
        tokio::time::sleep(grace).await;
        lifecycle.ending.cancel();
        // The conversation ends by itself: it waits for no client that does not read.
        std::future::pending::<()>().await;
    };
    let ended = tokio::select! {
        ended = &mut conversation => ended,
        () = stopped => Ok(()),
    };
    lifecycle.drain(grace).await;
    write_out(&service, &db, writing, lifecycle.settle()).await?;
    Ok(ended?)
}
