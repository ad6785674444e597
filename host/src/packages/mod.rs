//! Packages of PyPI for Python tools: what is known of one, and how it gets here.
//!
//! This is the one room from which a package index is reached, and never by a guest. Nothing of a package is
//! run: only wheels are taken, with their hashes, and only such as are Python alone; they are unpacked by `uv`, a
//! bounded child process, in a folder that is removed whatever comes of it. What is kept is one file, the set,
//! named by the digest of its bytes.

mod facts;
mod install;
mod refusal;
mod set;
#[cfg(test)]
pub(crate) mod testing;
mod tree;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

pub use self::install::{InstallError, Requirement};
pub use self::set::{SetError, build};
pub use self::tree::Fetched;
use crate::clock::Clock;
use crate::egress::Egress;
use crate::limits::Limits;

/// Where packages and what is known of them come from.
#[derive(Clone, Debug)]
pub struct PackagesSettings {
    /// None: `uv`, wherever `search_path` has it.
    pub uv: Option<PathBuf>,
    /// As in the variable `PATH`.
    pub search_path: Option<String>,
    /// Address of an index (PEP 503).
    pub index: String,
    /// Base addresses of PyPI's JSON API, of OSV and of deps.dev.
    pub pypi: String,
    pub osv: String,
    pub deps_dev: String,
    /// Folder for what can be made again.
    pub cache_dir: PathBuf,
}

/// Knows and brings packages. Clones share everything.
#[derive(Clone)]
pub struct Packages(Arc<Inner>);

struct Inner {
    settings: PackagesSettings,
    limits: Limits,
    egress: Egress,
    clock: Clock,
    facts: facts::Kept,
    /// Sets whose file was compared with its digest in this process.
    seen: Mutex<HashSet<PathBuf>>,
}

impl Packages {
    pub fn new(settings: PackagesSettings, limits: Limits, egress: Egress, clock: Clock) -> Self {
        Self(Arc::new(Inner { settings, limits, egress, clock, facts: facts::kept(), seen: Mutex::default() }))
    }

    fn work_dir(&self) -> PathBuf {
        self.0.settings.cache_dir.join("packages")
    }

    fn saw(&self, path: &Path) -> bool {
        self.0.seen.lock().unwrap_or_else(PoisonError::into_inner).contains(path)
    }

    fn note_seen(&self, path: PathBuf) {
        self.0.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(path);
    }
}
