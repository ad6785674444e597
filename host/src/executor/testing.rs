//! An executor for tests of what surrounds calls. No guest can start in it: there is no program that
//! would compile the interpreter.

use std::path::Path;
use std::sync::Arc;

use super::Executor;
use crate::egress::{Egress, EgressSettings, RealNetwork};
use crate::limits::Limits;
use crate::sandbox::{Sandbox, SandboxSettings};

/// An idle executor that keeps its files in `folder`.
pub(crate) fn idle(folder: &Path) -> Executor {
    let limits = Limits { calls_at_once: 1, ..Limits::default() };
    let egress = Egress::new(EgressSettings::from(&limits), Arc::new(RealNetwork::new()));
    let (cache_dir, program) = (folder.to_owned(), folder.join("no-program"));
    let settings = SandboxSettings { limits: limits.clone(), cache_dir, program };
    Executor::new(Sandbox::start(settings, egress).expect("the sandbox starts"), &limits)
}
