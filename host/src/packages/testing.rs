//! Packages for tests of what surrounds them: nothing can be asked and nothing installed.

use std::path::Path;
use std::sync::Arc;

use super::{Packages, PackagesSettings};
use crate::clock::Clock;
use crate::egress::{Egress, EgressSettings, MappedNetwork};
use crate::limits::Limits;

/// Without an installer and without a network; keeps its files in `folder`.
pub(crate) fn idle(folder: &Path) -> Packages {
    let limits = Limits::default();
    let egress = Egress::new(EgressSettings::from(&limits), Arc::new(MappedNetwork::new()));
    let settings = PackagesSettings {
        uv: None,
        search_path: None,
        index: String::new(),
        pypi: String::new(),
        osv: String::new(),
        deps_dev: String::new(),
        cache_dir: folder.to_owned(),
    };
    Packages::new(settings, limits, egress, Clock::system())
}
