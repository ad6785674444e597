//! Packages of PyPI that Python tools import: installed for the modules that people approved.
//!
//! There is one set of packages, made of what was approved together with all that it needs. Installing makes
//! another one in its place, whole or not at all: until the new set is committed the old one holds, and calls
//! that run keep theirs. What a tool may import of a set is a matter of its own requests.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::Instant;
use utoipa::ToSchema;

use super::audit::{self, Act};
use super::permission::people_only;
use super::{Error, Service};
use crate::db::package_failures::{self, PackageFailure};
use crate::db::package_sets::{self, PackageSetRow};
use crate::db::{Distributions, Texts, Whole, blobs, module_requests};
use crate::domain::caller::Caller;
use crate::domain::digest::Digest;
use crate::domain::modules;
use crate::domain::names::ModuleName;
use crate::domain::package::{Distribution, PackageFacts, PackageSet, distribution_of};
use crate::packages::{Fetched, InstallError, Requirement, build};

/// Approved modules that are installed together.
const MODULES_MAX: u64 = 1_000;

/// The packages that are installed.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PackageSetView {
    /// None: there are none.
    pub digest: Option<Digest>,
    pub distributions: Vec<Distribution>,
    pub size_bytes: u64,
    /// Approved modules that no installed package brings.
    pub missing: Vec<MissingModule>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MissingModule {
    pub module_name: String,
    /// Whether its package is being installed now, by this process.
    pub installing: bool,
    /// Why its package could not be installed the last time.
    pub reason: Option<String>,
}

/// What is known here of the package that brings a module.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PackageView {
    /// The distribution, as far as its name says so.
    pub distribution: String,
    /// None: it is not installed.
    pub installed_version: Option<String>,
    /// Whether it is being installed now, by this process.
    pub installing: bool,
    /// Why it could not be installed the last time.
    pub install_error: Option<String>,
    /// What PyPI and others said of it within the last hour.
    #[schema(value_type = Option<PackageFacts>)]
    pub facts: Option<Arc<PackageFacts>>,
}

/// What is under way.
#[derive(Default)]
pub(super) struct Installs {
    /// One at a time.
    busy: tokio::sync::Mutex<()>,
    now: Mutex<HashSet<String>>,
}

/// What is here of the packages of some modules.
pub(super) struct Installed {
    distributions: Vec<Distribution>,
    /// Why the packages of some of them could not be installed the last time.
    failures: HashMap<String, String>,
}

/// What is to be installed.
enum Plan {
    /// What brings a module, unless it is there.
    Missing(String),
    /// The latest of what brings a module.
    Fresh(String),
    /// What brings the approved modules, and nothing else.
    Approved,
}

/// Modules that are being installed until this goes.
struct Installing<'a> {
    installs: &'a Installs,
    about: &'a BTreeSet<String>,
}

impl<'a> Installing<'a> {
    fn new(installs: &'a Installs, about: &'a BTreeSet<String>) -> Self {
        installs.now().extend(about.iter().cloned());
        Self { installs, about }
    }
}

impl Drop for Installing<'_> {
    fn drop(&mut self) {
        self.installs.now().retain(|module| !self.about.contains(module));
    }
}

impl Installs {
    fn now(&self) -> MutexGuard<'_, HashSet<String>> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Service {
    /// What PyPI, OSV and deps.dev know of the package that brings a module. What does not answer is told as
    /// such.
    ///
    /// # Errors
    /// [`Error::Conflict`] when it is of the standard library.
    pub async fn package_facts(&self, _caller: &Caller, module: &ModuleName) -> Result<PackageFacts, Error> {
        let facts = self.packages().facts(packaged(module)?).await;
        Ok(Arc::unwrap_or_clone(facts))
    }

    /// Installs the package that brings a module, or the latest version of it if one is there; what was
    /// installed otherwise stays, in its versions. For people.
    ///
    /// # Errors
    /// [`Error::Conflict`] with the reason when it cannot be installed, or others take too long.
    pub async fn package_install(&self, caller: &Caller, module: &ModuleName) -> Result<PackageSetView, Error> {
        people_only(caller, "install a package")?;
        self.installed(caller, Plan::Fresh(packaged(module)?.to_owned())).await
    }

    /// Installs the packages of every approved module in their latest versions, and removes all others. For
    /// people.
    ///
    /// # Errors
    /// As [`package_install`](Self::package_install).
    pub async fn packages_sync(&self, caller: &Caller) -> Result<PackageSetView, Error> {
        people_only(caller, "install packages")?;
        self.installed(caller, Plan::Approved).await
    }

    /// Begins to install what brings an approved module, unless it is there. What comes of it is told with the
    /// module.
    pub(super) fn install_beside(&self, caller: &Caller, module: &str) {
        if modules::is_standard(module) {
            return;
        }
        let (service, caller, module) = (self.clone(), caller.clone(), module.to_owned());
        let stopping = self.0.parts.stopping.clone();
        self.0.parts.calls.spawn(async move {
            tokio::select! {
                () = stopping.cancelled() => {}
                done = service.installed(&caller, Plan::Missing(module.clone())) => {
                    if let Err(error) = done {
                        tracing::warn!(module, %error, "the package of an approved module is not installed");
                    }
                }
            }
        });
    }

    /// Begins to ask what is known of the package that brings a module, so that who decides finds it with the
    /// request.
    pub(super) fn learn_beside(&self, module: &str) {
        if modules::is_standard(module) {
            return;
        }
        let (service, module) = (self.clone(), module.to_owned());
        let stopping = self.0.parts.stopping.clone();
        self.0.parts.calls.spawn(async move {
            tokio::select! {
                () = stopping.cancelled() => {}
                _ = service.packages().facts(&module) => {}
            }
        });
    }

    /// The set of packages for a call that may import these modules beyond the standard library.
    pub(super) async fn package_set(&self, modules: &[String]) -> Result<Option<PackageSet>, Error> {
        if modules.iter().all(|module| modules::is_standard(module)) {
            return Ok(None);
        }
        let Some(row) = package_sets::current(self.db()).await? else { return Ok(None) };
        if let Some(set) = self.packages().at_hand(row.digest).await {
            return Ok(Some(set));
        }
        // Another process may have put another set in its place a moment ago; then the call goes without.
        let Some(bytes) = blobs::get(self.db(), row.digest).await? else { return Ok(None) };
        let kept = self.packages().keep(row.digest, bytes).await;
        Ok(Some(kept.map_err(|error| Error::internal("keeping a set of packages", error))?))
    }

    /// What is known here of the package that brings a module; none for the standard library.
    pub(super) async fn package_view(&self, module: &str, installed: &Installed) -> Option<PackageView> {
        if modules::is_standard(module) || modules::hopeless(module).is_some() {
            return None;
        }
        let bringing = bringing(&installed.distributions, module);
        let installing = self.0.installs.now().contains(module);
        Some(PackageView {
            distribution: bringing.map_or_else(|| distribution_of(module), |one| one.name.clone()),
            installed_version: bringing.map(|one| one.version.clone()),
            installing,
            install_error: installed.failures.get(module).cloned(),
            facts: self.packages().known_facts(module).await,
        })
    }

    /// What is here of the packages of some modules.
    pub(super) async fn installed_for(&self, modules: &[&str]) -> Result<Installed, Error> {
        let failures = package_failures::of(self.db(), modules).await?;
        Ok(Installed { distributions: self.distributions().await?, failures })
    }

    /// Those of some modules whose package is not installed.
    pub(super) async fn modules_missing(&self, modules: &[&str]) -> Result<Vec<MissingModule>, Error> {
        let packaged: Vec<&str> = modules.iter().copied().filter(|module| !modules::is_standard(module)).collect();
        if packaged.is_empty() {
            return Ok(Vec::new());
        }
        let Installed { distributions, mut failures } = self.installed_for(&packaged).await?;
        let missing = packaged.into_iter().filter(|module| bringing(&distributions, module).is_none());
        let told = missing.map(|module| MissingModule {
            module_name: module.to_owned(),
            installing: self.0.installs.now().contains(module),
            reason: failures.remove(module),
        });
        Ok(told.collect())
    }

    /// The distributions that are installed.
    async fn distributions(&self) -> Result<Vec<Distribution>, Error> {
        Ok(package_sets::current(self.db()).await?.map(|row| row.distributions.0).unwrap_or_default())
    }

    /// The modules beyond the standard library that some tool was granted.
    async fn approved_packages(&self) -> Result<BTreeSet<String>, Error> {
        let approved = module_requests::approved_modules(self.db(), MODULES_MAX).await?;
        Ok(approved.into_iter().filter(|module| !modules::is_standard(module)).collect())
    }

    /// Carries a plan out, when those before it have ended.
    async fn installed(&self, caller: &Caller, plan: Plan) -> Result<PackageSetView, Error> {
        let time = Duration::from_secs(self.limits().package_install_s);
        let Ok(_busy) = tokio::time::timeout(time, self.0.installs.busy.lock()).await else {
            return Err(Error::conflict("other packages are being installed still; try again when that is done"));
        };
        let now = package_sets::current(self.db()).await?;
        let (modules, installed) = now.map(|row| (row.modules.0, row.distributions.0)).unwrap_or_default();
        let mut modules: BTreeSet<String> = modules.into_iter().collect();
        let (about, wanted, act) = match plan {
            Plan::Missing(module) if bringing(&installed, &module).is_some() => return self.package_set_view().await,
            Plan::Missing(module) | Plan::Fresh(module) => {
                modules.insert(module.clone());
                let wanted = requirements(&modules, &installed, Some(&distribution_of(&module)));
                (BTreeSet::from([module]), wanted, "packages.install")
            }
            Plan::Approved => {
                modules = self.approved_packages().await?;
                (modules.clone(), requirements(&modules, &[], None), "packages.sync")
            }
        };
        // Also when nobody waits for the end any more.
        let installing = Installing::new(&self.0.installs, &about);
        let done = self.made(caller, &modules, &wanted, act).await;
        if let Err(error) = &done {
            self.failed(caller, &about, &error.to_string()).await?;
        }
        drop(installing);
        done?;
        self.package_set_view().await
    }

    /// Keeps the reason of a failure, so that it is there for who decides, and after a restart.
    async fn failed(&self, caller: &Caller, about: &BTreeSet<String>, reason: &str) -> Result<(), Error> {
        let failed_at = self.clock().now();
        let approved = self.approved_packages().await?;
        let tx = self.db().begin().await?;
        // Of what nobody may import any more it is no use.
        package_failures::forget_but(&tx, &approved.union(about).map(String::as_str).collect::<Vec<_>>()).await?;
        for module_name in about {
            let (module_name, reason) = (module_name.clone(), reason.to_owned());
            package_failures::note(&tx, PackageFailure { module_name, reason, failed_at }).await?;
        }
        let after = Some(json!({ "modules": about, "reason": reason }));
        let (object_kind, object_id) = ("packages", "packages".to_owned());
        let act = Act { name: "packages.fail", object_kind, object_id, before: None, after };
        audit::write(&tx, caller, failed_at, act).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Fetches, compiles and keeps a set; until it is committed nothing has changed.
    async fn made(
        &self,
        caller: &Caller,
        modules: &BTreeSet<String>,
        wanted: &[Requirement],
        act: &'static str,
    ) -> Result<(), Error> {
        let now = self.clock().now();
        let until = Instant::now() + Duration::from_secs(self.limits().package_install_s);
        let mut made = None;
        if !wanted.is_empty() {
            let fetched = self.packages().fetch(wanted, until).await.map_err(refused)?;
            let compiled = self.compiled(&fetched, until).await?;
            let set = build(&fetched, &compiled);
            let max = self.limits().package_set_bytes;
            if set.len() as u64 > max {
                return Err(Error::conflict(format!("the packages have more than {max} bytes, compiled")));
            }
            let digest = Digest::of(&set);
            let kept = self.packages().keep(digest, set.clone()).await;
            kept.map_err(|error| Error::internal("keeping a set of packages", error))?;
            let row = PackageSetRow {
                digest,
                modules: Texts(modules.iter().cloned().collect()),
                distributions: Distributions(fetched.distributions),
                size_bytes: Whole(set.len() as u64),
                created_by: caller.to_string(),
                created_at: now,
            };
            made = Some((row, set));
        }
        let tx = self.db().begin().await?;
        let before = package_sets::current(&tx).await?;
        let after = made.as_ref().map(|(row, _)| summary(row));
        match made {
            Some((row, set)) => {
                blobs::put_known(&tx, row.digest, &set, now).await?;
                package_sets::replace(&tx, row).await?;
            }
            None => package_sets::clear(&tx, None).await?,
        }
        package_failures::forget(&tx, &modules.iter().map(String::as_str).collect::<Vec<_>>()).await?;
        let act = Act {
            name: act,
            object_kind: "packages",
            object_id: "packages".to_owned(),
            before: before.as_ref().map(summary),
            after,
        };
        audit::write(&tx, caller, now, act).await?;
        tx.commit().await?;
        Ok(())
    }

    /// The code of each module, compiled by the interpreter that will import it.
    async fn compiled(&self, fetched: &Fetched, until: Instant) -> Result<BTreeMap<String, Vec<u8>>, Error> {
        let sources: Vec<(String, Arc<[u8]>)> = fetched
            .files
            .iter()
            .filter(|(path, _)| path.ends_with(".py"))
            .map(|(path, bytes)| (path.clone(), Arc::from(bytes.as_slice())))
            .collect();
        let compiled = self.executor().compile_modules(sources, until).await?;
        compiled.ok_or_else(|| refused(InstallError::TooSlow(Duration::from_secs(self.limits().package_install_s))))
    }

    async fn package_set_view(&self) -> Result<PackageSetView, Error> {
        let row = package_sets::current(self.db()).await?;
        let digest = row.as_ref().map(|row| row.digest);
        let size_bytes = row.as_ref().map_or(0, |row| row.size_bytes.0);
        let distributions = row.map(|row| row.distributions.0).unwrap_or_default();
        let approved = self.approved_packages().await?;
        let missing = self.modules_missing(&approved.iter().map(String::as_str).collect::<Vec<_>>()).await?;
        Ok(PackageSetView { digest, distributions, size_bytes, missing })
    }
}

/// A module that comes with a package, by its top-level name.
fn packaged(module: &ModuleName) -> Result<&str, Error> {
    let module = module.as_str();
    if let Some(why) = modules::hopeless(module) {
        return Err(Error::conflict(format!("`{module}` {why}")));
    }
    if modules::is_standard(module) {
        return Err(Error::conflict(format!("`{module}` is of the standard library; there is no package to install")));
    }
    Ok(modules::asked_by(module))
}

/// The installed package that brings a module.
fn bringing<'a>(distributions: &'a [Distribution], module: &str) -> Option<&'a Distribution> {
    distributions.iter().find(|one| one.modules.iter().any(|brought| brought == module))
}

/// What to ask the installer for: each module's distribution, in the version that is there but for `fresh`.
fn requirements(modules: &BTreeSet<String>, installed: &[Distribution], fresh: Option<&str>) -> Vec<Requirement> {
    let mut wanted: BTreeMap<String, Option<String>> = BTreeMap::new();
    for module in modules {
        let distribution = distribution_of(module);
        let version = installed.iter().find(|one| one.name == distribution).map(|one| one.version.clone());
        let version = version.filter(|_| fresh != Some(distribution.as_str()));
        wanted.insert(distribution, version);
    }
    wanted.into_iter().map(|(distribution, version)| Requirement { distribution, version }).collect()
}

/// What a person has to know; what the machine is at fault for is in the log, too.
fn refused(error: InstallError) -> Error {
    if let InstallError::Machine(why) = &error {
        tracing::error!(why, "installing packages failed");
    }
    Error::conflict(error.to_string())
}

fn summary(row: &PackageSetRow) -> Value {
    let packages: Vec<String> = row.distributions.0.iter().map(|one| format!("{} {}", one.name, one.version)).collect();
    json!({ "digest": row.digest, "packages": packages })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_stays_in_its_version_but_what_is_installed_again() {
        let modules = ["bs4", "dateutil", "idna"].map(str::to_owned).into();
        let one = |name: &str, version: &str| Distribution {
            name: name.into(),
            version: version.into(),
            modules: Vec::new(),
        };
        let installed = [one("python-dateutil", "2.9"), one("beautifulsoup4", "4.1"), one("soupsieve", "2")];
        let wanted = requirements(&modules, &installed, Some("beautifulsoup4"));
        let told: Vec<_> = wanted.iter().map(|one| (one.distribution.as_str(), one.version.as_deref())).collect();
        assert_eq!(told, [("beautifulsoup4", None), ("idna", None), ("python-dateutil", Some("2.9"))]);
    }

    #[test]
    fn only_what_comes_with_a_package_is_installed() {
        let name = |text: &str| text.parse::<ModuleName>().expect("a name");
        assert_eq!(packaged(&name("yaml.nodes")).ok(), Some("yaml"));
        for module in ["json", "os.path", "ssl", "_thread"] {
            assert!(packaged(&name(module)).is_err(), "{module}");
        }
    }
}
