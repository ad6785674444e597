//! What the product is measured beside: a bare HTTP handler, a warm Python server, a Python process
//! for each call.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::post;
use axum::serve::ListenerExt as _;
use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::task::JoinSet;

use crate::process::Server;
use crate::samples::Samples;

/// The part of this program that is the bare handler.
pub const BARE: &str = "bare";

/// Answers every request with what stands in its standard input: HTTP and nothing else.
///
/// # Errors
/// When it cannot listen.
pub async fn serve_bare() -> anyhow::Result<()> {
    let mut answer = Vec::new();
    tokio::io::stdin().read_to_end(&mut answer).await?;
    let answer = Bytes::from(answer);
    let handler = move |_asked: Bytes| async move { ([(CONTENT_TYPE, "application/json")], answer.clone()) };
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    println!("http://{}", listener.local_addr()?);
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, Router::new().route("/mcp", post(handler))).await?;
    Ok(())
}

/// Starts the bare handler in a process of its own.
///
/// # Errors
/// When it does not start.
pub async fn bare(answer: Bytes) -> anyhow::Result<Server> {
    let mut command = Command::new(std::env::current_exe()?);
    Server::start(command.arg(BARE), answer).await
}

/// The machine's Python, and our files for it.
#[derive(Clone)]
pub struct Python {
    program: PathBuf,
    pub version: String,
}

impl Python {
    /// The interpreter behind `python3`, past whatever shell script finds it.
    ///
    /// # Errors
    /// When there is none.
    pub async fn find() -> anyhow::Result<Self> {
        let script = "import sys, platform; print(sys.executable); print(platform.python_version())";
        let output = Command::new("python3").args(["-c", script]).output().await.context("python3 is needed")?;
        let said = String::from_utf8(output.stdout)?;
        let (program, version) = said.trim().split_once('\n').context("python3 does not say where it is")?;
        Ok(Self { program: program.into(), version: version.to_owned() })
    }

    /// Starts the warm server.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn server(&self, tool: &Path) -> anyhow::Result<Server> {
        let mut command = Command::new(&self.program);
        Server::start(command.arg(folder().join("baseline_server.py")).arg(tool), Bytes::new()).await
    }

    /// Runs `calls` processes, `at_once` of them side by side; answers how long each took, and all.
    ///
    /// # Errors
    /// When one fails.
    pub async fn processes(&self, tool: &Path, at_once: usize, calls: usize) -> anyhow::Result<(Samples, Duration)> {
        let began = Instant::now();
        let mut running = JoinSet::new();
        for _ in 0..at_once {
            let (python, tool) = (self.clone(), tool.to_owned());
            running.spawn(async move {
                let mut samples = Samples::default();
                for _ in 0..calls / at_once {
                    let began = Instant::now();
                    python.process(&tool).await?;
                    samples.push(began.elapsed());
                }
                anyhow::Ok(samples)
            });
        }
        let mut samples = Samples::default();
        while let Some(more) = running.join_next().await {
            samples.append(more??);
        }
        Ok((samples, began.elapsed()))
    }

    async fn process(&self, tool: &Path) -> anyhow::Result<()> {
        let mut child = Command::new(&self.program)
            .arg(folder().join("baseline_process.py"))
            .arg(tool)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(b"{}").await?;
        }
        let output = child.wait_with_output().await?;
        ensure!(output.stdout == b"1\n", "the Python process answers {:?}", String::from_utf8_lossy(&output.stdout));
        Ok(())
    }
}

/// The folder of this package, with the sources that are measured.
pub fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A Python tool of the folder `tools`: its file and its source.
///
/// # Errors
/// When it is not there.
pub fn tool(name: &str) -> anyhow::Result<(PathBuf, String)> {
    source(&format!("{name}.py"))
}

/// A file of the folder `tools` and what it holds.
///
/// # Errors
/// When it is not there.
pub fn source(name: &str) -> anyhow::Result<(PathBuf, String)> {
    let file = folder().join("tools").join(name);
    let source = std::fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
    Ok((file, source))
}
