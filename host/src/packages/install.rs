//! `uv` at work: it resolves what is asked for, with the hash of every file, and unpacks the wheels of that into
//! a folder. A child process with bounds on memory, CPU, file size and time, that is killed when nobody waits for
//! it any more; nothing of a package is built or run.
//!
//! It asks for wheels that need neither a machine nor a version of Python before 3.14, so that what has native code
//! finds none and is refused.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::time::Instant;
use uuid::Uuid;

use super::refusal::{self, Unfit};
use super::tree::{self, Fetched};
use super::{Packages, PackagesSettings};
use crate::domain::package::{Known, PyPi};

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// In its one spelling.
    pub distribution: String,
    /// None: the latest that fits the others.
    pub version: Option<String>,
}

/// Why nothing was installed; each a sentence for a person.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    #[error(
        "installing packages needs the program uv, which is not here; get it with `pip install uv`, or say where it \
         is with MCPBOX_UV"
    )]
    NoInstaller,
    #[error("the package `{package}`{} {why}; nothing was installed", needed(.by))]
    Unfit {
        /// Its distribution.
        package: String,
        /// Some of those that need it.
        by: Vec<String>,
        why: Unfit,
    },
    #[error("the packages could not be resolved or fetched: {0}")]
    Refused(String),
    #[error("{0}; nothing was installed")]
    TooLarge(String),
    #[error("a package holds what no package should: {0}; nothing was installed")]
    Unsafe(String),
    #[error("installing took longer than {} s; nothing was installed", .0.as_secs())]
    TooSlow(Duration),
    #[error("this machine could not install packages: {0}")]
    Machine(String),
}

/// The part of a sentence that says who needs a package.
fn needed(by: &[String]) -> String {
    match by {
        [] => String::new(),
        [one] => format!(", which `{one}` needs,"),
        several => format!(", which `{}` need,", several.join("`, `")),
    }
}

/// The interpreter that the packages are for, and a platform without machine code.
const TARGET: &[&str] = &["--python-version", "3.14", "--python-platform", "wasm32-pyodide2024", "--no-build"];

/// Address space and CPU time of a child, and its largest file in blocks of 512 bytes, for each MiB of a set.
const MEMORY_KIB: u64 = 8 << 20;
const CPU_S: u64 = 300;
const FILE_BLOCKS_PER_MIB: u64 = 2 * 1024;

/// What a child may say; more is cut.
const SAID_BYTES: u64 = 64 << 10;

/// How the shell takes the bounds upon itself before it becomes the program. `ulimit` is POSIX.
const BOUNDED: &str =
    "ulimit -c 0 && ulimit -v \"$1\" && ulimit -t \"$2\" && ulimit -f \"$3\" && shift 3 && exec \"$@\"";

/// A folder that goes when this does.
struct Workshop(PathBuf);

impl Drop for Workshop {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(folder = %self.0.display(), %error, "a folder of an installation could not be removed");
        }
    }
}

impl Packages {
    /// Resolves and fetches packages with all that they need, until `until`. Nothing of it stays but the answer.
    ///
    /// # Errors
    /// See [`InstallError`].
    pub async fn fetch(&self, wanted: &[Requirement], until: Instant) -> Result<Fetched, InstallError> {
        let settings = &self.0.settings;
        let uv = installer(settings).ok_or(InstallError::NoInstaller)?;
        let machine = |error: std::io::Error| InstallError::Machine(error.to_string());
        let folder = self.work_dir().join(format!("install-{}", Uuid::now_v7()));
        tokio::fs::create_dir_all(&folder).await.map_err(machine)?;
        let workshop = Workshop(folder);
        let lines: String = wanted.iter().map(Requirement::line).collect();
        tokio::fs::write(workshop.0.join("wanted.txt"), lines).await.map_err(machine)?;
        let resolve = ["pip", "compile", "wanted.txt", "--output-file", "locked.txt", "--generate-hashes"];
        let unpack = ["pip", "install", "--target", "site", "--require-hashes", "-r", "locked.txt", "--no-deps"];
        let unpack_more = ["--link-mode", "copy"];
        let resolved =
            self.run(&uv, &workshop.0, &[&resolve[..], &["--no-header", "--no-annotate"]].concat(), until).await;
        if let Err(InstallError::Unfit { package, by, .. }) = resolved {
            let why = self.unfit(&package, until).await;
            return Err(InstallError::Unfit { package, by, why });
        }
        resolved?;
        self.run(&uv, &workshop.0, &[&unpack[..], &unpack_more].concat(), until).await?;
        let (site, limits) = (workshop.0.join("site"), self.0.limits.clone());
        let taken = tokio::task::spawn_blocking(move || tree::take(&site, &limits)).await;
        taken.map_err(|error| InstallError::Machine(error.to_string()))?
    }

    /// What a package without a wheel of pure Python has instead, as far as PyPI knows it.
    async fn unfit(&self, package: &str, until: Instant) -> Unfit {
        match tokio::time::timeout_at(until, self.pypi(package)).await {
            Ok(Known::Known(PyPi { pure_python: false, native_code: true, .. })) => Unfit::Native,
            Ok(Known::Known(PyPi { pure_python: false, native_code: false, .. })) => Unfit::SourceOnly,
            _ => Unfit::NoPureWheel,
        }
    }

    async fn run(&self, uv: &Path, folder: &Path, arguments: &[&str], until: Instant) -> Result<(), InstallError> {
        let machine = |error: std::io::Error| InstallError::Machine(format!("running uv: {error}"));
        let settings = &self.0.settings;
        let blocks = (self.0.limits.package_set_bytes >> 20).saturating_add(1) * FILE_BLOCKS_PER_MIB;
        let mut child = tokio::process::Command::new("/bin/sh")
            .args(["-c", BOUNDED, "sh", &MEMORY_KIB.to_string(), &CPU_S.to_string(), &blocks.to_string()])
            .arg(uv)
            .args(arguments)
            .args(TARGET)
            .args(["--quiet", "--no-config", "--no-python-downloads", "--system-certs"])
            .args(["--default-index", &settings.index])
            .env_clear()
            .env("PATH", settings.search_path.as_deref().unwrap_or("/usr/local/bin:/usr/bin:/bin"))
            .env("HOME", folder)
            .env("TMPDIR", folder)
            .env("UV_CACHE_DIR", folder.join("cache"))
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(machine)?;
        let stderr = child.stderr.take();
        let ending = async { tokio::join!(said(stderr), child.wait()) };
        let Ok((said, status)) = tokio::time::timeout_at(until, ending).await else {
            return Err(InstallError::TooSlow(Duration::from_secs(self.0.limits.package_install_s)));
        };
        let status = status.map_err(machine)?;
        match status.code() {
            Some(0) => Ok(()),
            Some(_) => Err(refusal::read(&said)),
            None => Err(InstallError::TooLarge(
                "the packages, or one file of them, need more memory, CPU time or room than installing may have"
                    .to_owned(),
            )),
        }
    }
}

impl Requirement {
    fn line(&self) -> String {
        match &self.version {
            Some(version) => format!("{}=={version}\n", self.distribution),
            None => format!("{}\n", self.distribution),
        }
    }
}

/// Where the installer is.
fn installer(settings: &PackagesSettings) -> Option<PathBuf> {
    if let Some(given) = &settings.uv {
        return given.is_file().then(|| given.clone());
    }
    let path = settings.search_path.as_deref()?;
    std::env::split_paths(path).map(|folder| folder.join("uv")).find(|program| program.is_file())
}

/// What a child says on standard error, up to a bound.
async fn said(stream: Option<impl AsyncRead + Unpin>) -> String {
    let mut kept = Vec::new();
    if let Some(mut stream) = stream {
        // What cannot be read is not told; the exit code counts.
        let _ = (&mut stream).take(SAID_BYTES).read_to_end(&mut kept).await;
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    }
    String::from_utf8_lossy(&kept).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_requirement_is_a_line() {
        let mut wanted = Requirement { distribution: "pyyaml".into(), version: None };
        assert_eq!(wanted.line(), "pyyaml\n");
        wanted.version = Some("6.0".into());
        assert_eq!(wanted.line(), "pyyaml==6.0\n");
    }
}
