//! Compiled code: made in a child process, one at a time, kept on disk, opened only from a folder
//! that is ours.
//!
//! Cranelift can be neither stopped nor bounded inside a process, and what it compiles comes from
//! strangers. So the host writes the component to a private folder and starts itself as
//! `mcpbox compile` with bounds on memory, CPU and time; the child's output is native code that this
//! process will run, which is why the folder must be owned by this user, closed to others, and each
//! file must have the digest that was noted when it was made.

use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::{Semaphore, watch};
use wasmtime::component::Component;

use super::child::{self, ChildBounds, ChildEnd};
use super::engine::{self, Model};
use super::machines::Machines;
use crate::clock::Clock;
use crate::domain::digest::Digest;
use crate::limits::Limits;
use crate::telemetry::metrics;

/// What is said of bytes that have been changed.
pub(super) const OTHER_BYTES: &str = "the component's bytes do not have the digest they are known by";

/// Why a component has no compiled code.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CompileError {
    /// The component's own fault, in words for its author.
    #[error("{0}")]
    Refused(String),
    #[error("{doing}: {cause}")]
    Broken { doing: &'static str, cause: String },
}

impl CompileError {
    fn broken(doing: &'static str, cause: impl ToString) -> Self {
        Self::Broken { doing, cause: cause.to_string() }
    }
}

/// Where the bytes of a component come from when they have to be compiled.
pub trait FetchBytes: std::fmt::Debug + Send + Sync {
    /// The bytes; whoever compiles them compares their digest.
    fn fetch(&self) -> BoxFuture<'_, Result<Arc<[u8]>, String>>;
}

/// # Errors
/// When they cannot be had, which is not the component's fault.
pub(super) async fn fetch(bytes: &dyn FetchBytes) -> Result<Arc<[u8]>, CompileError> {
    bytes.fetch().await.map_err(|cause| CompileError::broken("fetching a component", cause))
}

impl FetchBytes for Arc<[u8]> {
    fn fetch(&self) -> BoxFuture<'_, Result<Arc<[u8]>, String>> {
        Box::pin(std::future::ready(Ok(Self::clone(self))))
    }
}

impl FetchBytes for &'static [u8] {
    fn fetch(&self) -> BoxFuture<'_, Result<Arc<[u8]>, String>> {
        Box::pin(std::future::ready(Ok(Arc::from(*self))))
    }
}

/// A compilation that runs or waits, for those who watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compilation {
    pub digest: Digest,
    pub size_bytes: u64,
    pub running: bool,
}

pub(super) struct Compiler {
    machines: Arc<Machines>,
    compatibility: u64,
    folder: PathBuf,
    program: PathBuf,
    one_at_a_time: Semaphore,
    under_way: watch::Sender<Vec<Compilation>>,
    component_bytes: u64,
    memory_bytes: u64,
    cpu_s: u64,
    time: Duration,
}

impl Compiler {
    /// `cache` is made if it is missing; `program` is the `mcpbox` executable that compiles.
    ///
    /// # Errors
    /// When the folder cannot be made, or is not ours alone.
    pub(super) fn new(
        machines: Arc<Machines>,
        cache: &Path,
        program: PathBuf,
        limits: &Limits,
    ) -> Result<Self, CompileError> {
        let engine = machines.engine(Model::Plain).map_err(|error| CompileError::broken("starting wasmtime", error))?;
        let folder = cache.join("compiled");
        make_private(&folder)?;
        clear(&folder);
        Ok(Self {
            compatibility: engine::compatibility(engine),
            machines,
            folder,
            program,
            one_at_a_time: Semaphore::new(1),
            under_way: watch::Sender::new(Vec::new()),
            component_bytes: limits.component_bytes,
            memory_bytes: limits.compile_memory_bytes,
            cpu_s: limits.compile_cpu_s,
            time: Duration::from_secs(limits.compile_time_s),
        })
    }

    /// What is being compiled now, as it changes.
    pub(super) fn under_way(&self) -> watch::Receiver<Vec<Compilation>> {
        self.under_way.subscribe()
    }

    /// The compiled component: from disk, or compiled now; only then are its `bytes` fetched. Who opens
    /// one keeps it; two who ask at once may compile it twice.
    ///
    /// # Errors
    /// When the component is refused, or cannot be compiled here.
    pub(super) async fn open(&self, bytes: &dyn FetchBytes, digest: Digest) -> Result<Component, CompileError> {
        for model in Model::EACH {
            if let Some(component) = self.open_file(digest, model).await? {
                metrics::compilation("cached");
                return Ok(component);
            }
        }
        let bytes = fetch(bytes).await?;
        let size_bytes = bytes.len() as u64;
        if size_bytes > self.component_bytes {
            return Err(CompileError::Refused(format!(
                "the component has {size_bytes} bytes; the limit is {}",
                self.component_bytes
            )));
        }
        if Digest::of(&bytes) != digest {
            return Err(CompileError::Refused(OTHER_BYTES.to_owned()));
        }
        self.announce(Compilation { digest, size_bytes, running: false });
        let result = self.compile(&bytes, digest).await;
        self.under_way.send_modify(|list| list.retain(|other| other.digest != digest));
        metrics::compilation(match &result {
            Ok(_) => "compiled",
            Err(CompileError::Refused(_)) => "refused",
            Err(CompileError::Broken { .. }) => "broken",
        });
        let opened = self.open_file(digest, result?).await?;
        opened.ok_or_else(|| CompileError::broken("opening compiled code", "it is gone"))
    }

    fn announce(&self, compilation: Compilation) {
        self.under_way.send_modify(|list| {
            list.retain(|other| other.digest != compilation.digest);
            list.push(compilation);
        });
    }

    /// Where the code for an engine is kept.
    fn file(&self, digest: Digest, model: Model) -> PathBuf {
        let compatibility = self.compatibility.to_be_bytes();
        let parts = [&digest.as_bytes()[..], &compatibility];
        let key = match model {
            Model::Plain => Digest::of_parts(parts),
            Model::Asynchronous => Digest::of_parts([parts[0], parts[1], b"asynchronous"]),
        };
        self.folder.join(format!("{key}.cwasm"))
    }

    /// Opens compiled code if it is there and is what was written; what is not is removed.
    async fn open_file(&self, digest: Digest, model: Model) -> Result<Option<Component>, CompileError> {
        let (machines, file) = (Arc::clone(&self.machines), self.file(digest, model));
        tokio::task::spawn_blocking(move || open_checked(&machines, model, &file))
            .await
            .map_err(|error| CompileError::broken("opening compiled code", error))?
    }

    /// Compiles for the plain engine, or else for the other; says for which.
    async fn compile(&self, bytes: &[u8], digest: Digest) -> Result<Model, CompileError> {
        let _turn = self.one_at_a_time.acquire().await.map_err(|error| CompileError::broken(STARTING, error))?;
        self.announce(Compilation { digest, size_bytes: bytes.len() as u64, running: true });
        // Names of their own: other processes may compile the same component into the same folder.
        let (draft, file) = (uuid::Uuid::now_v7(), self.file(digest, Model::Plain));
        let input = file.with_extension(format!("{draft}.wasm"));
        let output = file.with_extension(format!("{draft}.new"));
        write_private(&input, bytes).map_err(|error| CompileError::broken("writing the component", error))?;
        let _input = Removed(&input);
        let _output = Removed(&output);
        let model = match self.run_child(&input, &output, Model::Plain).await {
            // Found while it is read, before anything is compiled.
            Err(CompileError::Refused(why)) if Model::Plain.is_too_plain(&why) => {
                self.run_child(&input, &output, Model::Asynchronous).await?;
                Model::Asynchronous
            }
            ended => ended.map(|()| Model::Plain)?,
        };
        let file = self.file(digest, model);
        keep(&output, &file).map_err(|error| CompileError::broken("keeping compiled code", error))?;
        clear(&self.folder);
        Ok(model)
    }

    /// Removes the code of a component that was refused after it was compiled.
    pub(super) fn forget(&self, digest: Digest) {
        for model in Model::EACH {
            remove_compiled(&self.file(digest, model));
        }
    }

    async fn run_child(&self, input: &Path, output: &Path, model: Model) -> Result<(), CompileError> {
        let bounds =
            ChildBounds { memory_bytes: self.memory_bytes, cpu_s: self.cpu_s, time: self.time, output_bytes: 0 };
        let arguments = ["compile".into(), "--input".into(), input.into(), "--output".into(), output.into()];
        let more = (model == Model::Asynchronous).then(|| "--asynchronous".into());
        let ended = child::run(&self.program, arguments.into_iter().chain(more), &[], bounds).await;
        match ended.map_err(|error| CompileError::broken(STARTING, error))? {
            ChildEnd::Done(_) => Ok(()),
            ChildEnd::Refused(said) => Err(CompileError::Refused(said)),
            ChildEnd::Failed(said) => Err(CompileError::broken("compiling", said)),
            ChildEnd::Killed(_) => Err(CompileError::Refused(format!(
                "compiling needed more than {} bytes of memory or {} s of CPU",
                self.memory_bytes, self.cpu_s
            ))),
            ChildEnd::TooSlow => {
                Err(CompileError::Refused(format!("compiling took longer than {} s", self.time.as_secs())))
            }
        }
    }
}

const STARTING: &str = "starting the compiler";

/// Removes a file at the end of its scope.
struct Removed<'a>(&'a Path);

impl Drop for Removed<'_> {
    fn drop(&mut self) {
        // Often it has been moved away, which is as good.
        let _ = std::fs::remove_file(self.0);
    }
}

/// Makes a folder that only this user may enter, or checks that it is one.
///
/// # Errors
/// When it cannot be made, belongs to somebody else, or others may enter it.
pub(super) fn make_private(folder: &Path) -> Result<(), CompileError> {
    const DOING: &str = "making a private folder for compiled code";
    let fail = |cause: &dyn std::fmt::Display| CompileError::broken(DOING, format!("{}: {cause}", folder.display()));
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| fail(&error))?;
    let found = std::fs::symlink_metadata(folder).map_err(|error| fail(&error))?;
    if !found.is_dir() || found.uid() != rustix::process::geteuid().as_raw() {
        return Err(fail(&"it is not a folder of this user"));
    }
    if found.mode() & 0o077 != 0 {
        return Err(fail(&format!("others may enter it; close it with `chmod 700 {}`", folder.display())));
    }
    Ok(())
}

/// Removes what compilations left behind that were killed, and code that was not opened for long: it is made again
/// when it is wanted. Compilations of others may still run, so of drafts only what is old goes; what cannot be
/// removed costs only its room.
fn clear(folder: &Path) {
    const DRAFT: Duration = Duration::from_secs(86_400);
    const UNUSED: Duration = Duration::from_secs(30 * 86_400);
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let age = entry.metadata().and_then(|found| found.modified()).ok().and_then(|at| at.elapsed().ok());
        let (path, age) = (entry.path(), age.unwrap_or_default());
        // KEY.cwasm and KEY.sha256 stay; drafts have another part in between.
        let is_draft = entry.file_name().to_str().is_some_and(|name| name.split('.').count() > 2);
        if is_draft && age > DRAFT {
            let _ = std::fs::remove_file(path);
        } else if !is_draft && age > UNUSED && path.extension().is_some_and(|end| end == "cwasm") {
            remove_compiled(&path);
        }
    }
}

/// Its digest goes first: code without one is never opened. Whoever has it open keeps it.
fn remove_compiled(file: &Path) {
    let _ = std::fs::remove_file(file.with_extension("sha256"));
    let _ = std::fs::remove_file(file);
}

fn write_private(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(file)?.write_all(bytes)
}

/// Moves the child's output to its place, its digest first: code without a digest is never opened.
fn keep(output: &Path, file: &Path) -> std::io::Result<()> {
    let digest = Digest::of(&std::fs::read(output)?);
    let noted = file.with_extension("sha256");
    let draft = output.with_extension("sha256");
    write_private(&draft, digest.to_string().as_bytes())?;
    std::fs::rename(&draft, &noted)?;
    std::fs::rename(output, file)
}

fn open_checked(machines: &Machines, model: Model, file: &Path) -> Result<Option<Component>, CompileError> {
    const DOING: &str = "opening compiled code";
    let folder = file.parent().unwrap_or(file);
    make_private(folder)?;
    let Ok(noted) = std::fs::read_to_string(file.with_extension("sha256")) else { return Ok(None) };
    let Ok(bytes) = std::fs::read(file) else { return Ok(None) };
    if noted.parse() != Ok(Digest::of(&bytes)) {
        tracing::warn!(file = %file.display(), "compiled code is not what was written; compiling it again");
        std::fs::remove_file(file).map_err(|error| CompileError::broken(DOING, error))?;
        return Ok(None);
    }
    drop(bytes);
    // Noted as used; where that fails it is made again in a month.
    let _ = std::fs::File::open(file).and_then(|opened| opened.set_modified(Clock::system().now().into()));
    let engine = machines.engine(model).map_err(|error| CompileError::broken(DOING, error))?;
    #[expect(
        unsafe_code,
        reason = "native code from our own compiler, in a folder that only we can write, digest checked"
    )]
    // SAFETY: wasmtime asks that the file be what `Engine::precompile_component` made and that nobody
    // changes it while it is mapped. Both hold by the checks above.
    let component = unsafe { Component::deserialize_file(engine, file) };
    match component {
        Ok(component) => {
            component.initialize_copy_on_write_image().map_err(|error| CompileError::broken(DOING, error))?;
            Ok(Some(component))
        }
        // The pool refuses here what is too large for it: the component's fault.
        Err(error) => Err(CompileError::Refused(format!("the component does not fit the limits: {error:#}"))),
    }
}

/// The child's whole work: bounds itself, compiles `input`, writes native code to `output`.
///
/// # Errors
/// [`CompileError::Refused`] when the component is at fault.
pub fn compile_here(
    input: &Path,
    output: &Path,
    is_asynchronous: bool,
    memory_bytes: u64,
    cpu_s: u64,
) -> Result<(), CompileError> {
    child::bound_here(memory_bytes, cpu_s).map_err(|error| CompileError::broken("bounding the compiler", error))?;
    let bytes = std::fs::read(input).map_err(|error| CompileError::broken("reading the component", error))?;
    let model = if is_asynchronous { Model::Asynchronous } else { Model::Plain };
    let engine = engine::for_compiling(model).map_err(|error| CompileError::broken("starting wasmtime", error))?;
    let code = engine.precompile_component(&bytes).map_err(|error| refusal(&format!("{error:#}")))?;
    write_private(output, &code).map_err(|error| CompileError::broken("writing compiled code", error))
}

fn refusal(why: &str) -> CompileError {
    // The words of the validator for what this engine has switched off.
    let hint = match why.contains("requires the component model ") {
        true if ["error-context", "map", "fixed-length"].iter().any(|part| why.contains(part)) => {
            ". Error contexts, maps and lists of fixed length are not offered here; a component whose types name one is \
             refused whole"
        }
        true => ". This part of the component model is not offered here; build the component without it",
        false => "",
    };
    CompileError::Refused(format!("this is not a component that can run here: {why}{hint}"))
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn what_is_switched_off_is_told_by_its_name() {
        let told = |why: &str| match refusal(why) {
            CompileError::Refused(said) => said,
            broken @ CompileError::Broken { .. } => panic!("{broken}"),
        };
        let named = told("`error-context` requires the component model error-context feature");
        assert!(named.contains("Error contexts"), "{named}");
        let other = told("`stream.read` requires the component model more async builtins feature");
        assert!(!other.contains("Error contexts") && other.contains("build the component without it"), "{other}");
        assert!(told("unexpected end").ends_with(": unexpected end"));
    }

    #[test]
    fn code_that_was_not_opened_for_long_is_cleared_away() {
        let folder = tempfile::tempdir().expect("a folder");
        let day = Duration::from_secs(86_400);
        for (name, days) in [
            ("old.cwasm", 31),
            ("old.sha256", 31),
            ("used.cwasm", 29),
            ("used.sha256", 31),
            ("a.b.new", 2),
            ("b.c.new", 0),
        ] {
            let file = std::fs::File::create(folder.path().join(name)).expect("a file");
            file.set_modified(SystemTime::from(Clock::system().now()) - days * day).expect("it is ours");
        }
        clear(folder.path());
        let entries = std::fs::read_dir(folder.path()).expect("a folder");
        let mut left: Vec<_> = entries.map(|entry| entry.expect("an entry").file_name()).collect();
        left.sort();
        assert_eq!(left, ["b.c.new", "used.cwasm", "used.sha256"]);
    }
}
