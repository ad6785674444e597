//! Child processes of the host's own executable, for work on what strangers send that nothing inside a
//! process could stop: each has bounds on memory, CPU and time, no environment, and is killed when
//! nobody waits for it any more.

use std::ffi::OsString;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};

/// Exit code of a child when what it was given is at fault, not the machine.
pub const EXIT_REFUSED: u8 = 65;
/// What a child may say on standard error; more is cut.
const MESSAGE_BYTES: u64 = 4_000;

/// What a child may use.
#[derive(Clone, Copy, Debug)]
pub(super) struct ChildBounds {
    /// Address space.
    pub(super) memory_bytes: u64,
    pub(super) cpu_s: u64,
    pub(super) time: Duration,
    /// Standard output; a child that writes more has failed.
    pub(super) output_bytes: u64,
}

/// How a child ended.
#[derive(Debug)]
pub(super) enum ChildEnd {
    /// Exit code 0, with what it wrote.
    Done(Vec<u8>),
    /// What it was given is at fault; in the child's own words.
    Refused(String),
    /// Any other exit code.
    Failed(String),
    /// Ended by a signal: its memory, its stack or its CPU time was not enough.
    Killed(String),
    TooSlow,
}

/// Our allocator (mimalloc) reserves its address space in pieces of so many KiB. It would take a GiB before the
/// child bounds its own, and leave none.
const ARENA: (&str, &str) = ("MIMALLOC_ARENA_RESERVE", "16384");

/// Starts `program` with `arguments` and the bounds, and waits for its end.
///
/// # Errors
/// When this machine cannot start it or talk to it.
pub(super) async fn run(
    program: &Path,
    arguments: impl IntoIterator<Item = OsString>,
    input: &[u8],
    bounds: ChildBounds,
) -> std::io::Result<ChildEnd> {
    let mut child = tokio::process::Command::new(program)
        .args(arguments)
        .args(["--memory-bytes", &bounds.memory_bytes.to_string(), "--cpu-s", &bounds.cpu_s.to_string()])
        .env_clear()
        .env(ARENA.0, ARENA.1)
        .stdin(if input.is_empty() { Stdio::null() } else { Stdio::piped() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let talk = async {
        let write = async {
            if let Some(mut stdin) = stdin {
                // A child that ends without reading all of it says itself why.
                let _ = stdin.write_all(input).await;
            }
        };
        let ((), output, said) = tokio::join!(write, read(stdout, bounds.output_bytes), read(stderr, MESSAGE_BYTES));
        Ok::<_, std::io::Error>((output?, said?, child.wait().await?))
    };
    let Ok(ended) = tokio::time::timeout(bounds.time, talk).await else { return Ok(ChildEnd::TooSlow) };
    let (output, said, status) = ended?;
    let said = String::from_utf8_lossy(&said).trim().to_owned();
    Ok(match status.code() {
        Some(0) if output.len() as u64 > bounds.output_bytes => ChildEnd::Failed("it wrote too much".to_owned()),
        Some(0) => ChildEnd::Done(output),
        Some(code) if code == i32::from(EXIT_REFUSED) => ChildEnd::Refused(said),
        Some(_) => ChildEnd::Failed(said),
        None => ChildEnd::Killed(said),
    })
}

/// Reads to the end, and keeps at most one byte more than `bytes`.
async fn read(stream: Option<impl AsyncRead + Unpin>, bytes: u64) -> std::io::Result<Vec<u8>> {
    let mut kept = Vec::new();
    if let Some(mut stream) = stream {
        (&mut stream).take(bytes + 1).read_to_end(&mut kept).await?;
        // The rest is of no use, but the child must not wait for a reader.
        tokio::io::copy(&mut stream, &mut tokio::io::sink()).await?;
    }
    Ok(kept)
}

/// The child's first act: takes its bounds upon itself.
///
/// # Errors
/// When the system refuses.
pub(super) fn bound_here(memory_bytes: u64, cpu_s: u64) -> std::io::Result<()> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let bound = |value| Rlimit { current: Some(value), maximum: Some(value) };
    for (resource, value) in [(Resource::As, memory_bytes), (Resource::Cpu, cpu_s), (Resource::Core, 0)] {
        setrlimit(resource, bound(value))?;
    }
    Ok(())
}
