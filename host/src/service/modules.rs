//! What Python tools may import. A list of modules holds for every tool, for tests as for calls; people
//! change it. What a tool may import beyond it is what its version asks for and a person approved: the
//! request rows are the only truth about that.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::audit::{self, Act};
use super::packages::PackageView;
use super::permission::people_only;
use super::{Error, Page, PageRequest, Service};
use crate::db::module_requests::{self as rows, ModuleRequest};
use crate::db::settings::{self, Setting};
use crate::db::tools::Tool;
use crate::db::versions::Version;
use crate::db::{Conn, PageRequest as RowPage};
use crate::domain::caller::Caller;
use crate::domain::ids::ToolId;
use crate::domain::modules::{self, Imports};
use crate::domain::names::ModuleName;
use crate::domain::request::RequestStatus;
use crate::domain::tool::Language;

/// Where the list is kept, once people have changed it: names with a space between them.
const KEY: &str = "allowed_modules";

/// Names in the list.
const LIST_MAX: usize = 500;

/// Modules that one tool asks for.
pub(super) const TOOL_MODULES: usize = 100;

/// Requests of one tool that are looked at, and modules of all requests.
const SHOWN: u64 = 1_000;

/// The list of modules that every Python tool may import.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ModulesView {
    /// Whether people changed the list.
    pub is_custom_config: bool,
    /// By name; what is below one of them is allowed, too.
    pub allowed_modules: Vec<String>,
    pub default_modules: Vec<&'static str>,
    pub total_allowed: usize,
}

/// A change of the list: first it may go back to the default, then names are added, then taken out.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ModulesChange {
    #[serde(default)]
    pub add_modules: Vec<ModuleName>,
    #[serde(default)]
    pub remove_modules: Vec<ModuleName>,
    #[serde(default)]
    pub reset_to_defaults: bool,
}

/// One module of the list, or one that a tool asked for.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ModuleView {
    pub module_name: String,
    /// Whether it is of the standard library, as the interpreter carries it.
    pub is_standard: bool,
    /// Whether it is in the list that people have not changed.
    pub is_default: bool,
    /// Whether every tool may import it.
    pub is_allowed: bool,
    /// Requests of tools for it, by what became of them.
    pub requests: ModuleRequestCounts,
    /// Of what is not of the standard library.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub package: Option<PackageView>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct ModuleRequestCounts {
    pub pending: u64,
    pub approved: u64,
    pub rejected: u64,
}

impl Service {
    /// The modules that every Python tool may import without asking.
    pub async fn modules(&self, _caller: &Caller) -> Result<ModulesView, Error> {
        Ok(view(custom(&settings::all(self.db()).await?)?))
    }

    /// Changes that list. Holds for every call that begins afterwards, here; in other processes on the same
    /// database after two seconds at most. For people.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a module that is not of the standard library, one that is taken out and is not in
    /// the list, and a list that is too long.
    pub async fn modules_set(&self, caller: &Caller, change: ModulesChange) -> Result<ModulesView, Error> {
        people_only(caller, "change what tools may import")?;
        let now = self.clock().now();
        let tx = self.db().begin().await?;
        let before = custom(&settings::all(&tx).await?)?;
        let after = changed(before.clone().filter(|_| !change.reset_to_defaults), &change)?;
        if after != before {
            match &after {
                Some(list) => {
                    let value = list.join(" ");
                    let by = caller.to_string();
                    let row = Setting { key: KEY.to_owned(), value, updated_at: now, updated_by: by };
                    settings::set(&tx, row).await?;
                }
                None => settings::remove(&tx, KEY).await?,
            }
            let (was, is) = (view(before), view(after.clone()));
            let only = |list: &[String], other: &[String]| -> Value {
                list.iter().filter(|name| !other.contains(name)).cloned().collect::<Vec<_>>().into()
            };
            let removed = json!({ "removed": only(&was.allowed_modules, &is.allowed_modules) });
            let added = json!({ "added": only(&is.allowed_modules, &was.allowed_modules) });
            let (object_id, before, after) = ("allowed_modules".to_owned(), Some(removed), Some(added));
            audit::write(
                &tx,
                caller,
                now,
                Act { name: "modules.set", object_kind: "modules", object_id, before, after },
            )
            .await?;
        }
        tx.commit().await?;
        Ok(view(after))
    }

    /// Every module of the list, and those that tools asked for, by name.
    pub async fn module_list(&self, _caller: &Caller, page: PageRequest) -> Result<Page<ModuleView>, Error> {
        let (number, size) = page.checked(self.limits().page_size_max)?;
        let listed = view(custom(&settings::all(self.db()).await?)?).allowed_modules;
        let mut modules: BTreeMap<String, ModuleRequestCounts> = BTreeMap::new();
        modules.extend(listed.iter().map(|name| (name.clone(), ModuleRequestCounts::default())));
        for (name, status, count) in rows::count_by_module(self.db(), SHOWN).await? {
            let counts = modules.entry(name).or_default();
            match status {
                RequestStatus::Pending => counts.pending = count,
                RequestStatus::Approved => counts.approved = count,
                RequestStatus::Rejected => counts.rejected = count,
            }
        }
        let total = modules.len() as u64;
        let skipped = usize::try_from((number - 1).saturating_mul(size)).unwrap_or(usize::MAX);
        let shown: Vec<_> =
            modules.into_iter().skip(skipped).take(usize::try_from(size).unwrap_or(usize::MAX)).collect();
        let names: Vec<&str> = shown.iter().map(|(name, _)| name.as_str()).collect();
        let installed = self.installed_for(&names).await?;
        let mut items = Vec::new();
        for (module_name, requests) in shown {
            items.push(ModuleView {
                is_standard: modules::is_standard(&module_name),
                is_default: modules::covers(modules::default_list(), &module_name),
                is_allowed: modules::covers(&listed, &module_name),
                package: self.package_view(&module_name, &installed).await,
                module_name,
                requests,
            });
        }
        Ok(Page::new(items, total, number, size))
    }

    /// What a call of this version may import now.
    pub(super) async fn imports_of(&self, tool: &Tool, version: &Version) -> Result<Imports, Error> {
        if version.kind.language() != Some(Language::Python) {
            return Ok(Imports::default());
        }
        let mut modules = in_force(self.db()).await?;
        if !version.modules.0.is_empty() {
            let approved = rows::approved_for(self.db(), tool.id).await?;
            modules = modules.iter().cloned().chain(granted(&version.modules.0, &approved)).collect();
        }
        let packages = self.package_set(&modules).await?;
        let advice = format!(
            "ask for it with mcpbox_request_module (tool_id \"{}\", module_name \"{{module}}\"); a person decides. If \
             that was done, it waits for a person or was refused; mcpbox_get_tool_status tells which",
            tool.id
        );
        Ok(Imports { modules, advice, packages })
    }

    /// What a version asks for whose source imports these: what is beyond the list, and what the tool has
    /// requested otherwise.
    ///
    /// # Errors
    /// [`Error::Invalid`] at `pointer`, when they are too many.
    pub(super) async fn modules_asked(
        &self,
        pointer: &str,
        imported: &[String],
        tool: Option<ToolId>,
    ) -> Result<Vec<String>, Error> {
        let mut asked = beyond(imported, &in_force(self.db()).await?);
        if let Some(tool) = tool {
            let requests = rows::of_tool(self.db(), tool, &RowPage::new(1, SHOWN, SHOWN)).await?.items;
            let standing = requests.into_iter().filter(|request| request.status != RequestStatus::Rejected);
            asked.extend(standing.map(|request| request.module_name));
        }
        // Some are imported under names that no request could have.
        asked.retain(|module| module.parse::<ModuleName>().is_ok() && modules::hopeless(module).is_none());
        asked.sort();
        asked.dedup();
        if asked.len() > TOOL_MODULES {
            return Err(Error::invalid(pointer, format!("a tool asks for at most {TOOL_MODULES} modules")));
        }
        Ok(asked)
    }

    /// Those of the modules that a version asks for that nobody may decide about yet: the tool has not
    /// requested them.
    pub(super) async fn modules_to_request(&self, tool: ToolId, version: &Version) -> Result<Vec<String>, Error> {
        if version.modules.0.is_empty() {
            return Ok(Vec::new());
        }
        let requests = rows::of_tool(self.db(), tool, &RowPage::new(1, SHOWN, SHOWN)).await?.items;
        let requested: Vec<String> = requests.into_iter().map(|request| request.module_name).collect();
        let missing = beyond(&version.modules.0, &in_force(self.db()).await?);
        Ok(missing.into_iter().filter(|module| !modules::covers(&requested, module)).collect())
    }
}

/// The list in force.
pub(super) async fn in_force(db: &impl Conn) -> Result<Arc<[String]>, Error> {
    Ok(view(custom(&settings::all(db).await?)?).allowed_modules.into())
}

/// The list that people made; none: the default holds.
fn custom(kept: &[Setting]) -> Result<Option<Vec<String>>, Error> {
    let Some(row) = kept.iter().find(|row| row.key == KEY) else { return Ok(None) };
    let list: Vec<String> = row.value.split_whitespace().map(str::to_owned).collect();
    // Nothing is guessed: what is no name of a module may be the damaged rest of one.
    match list.iter().find(|name| name.parse::<ModuleName>().is_err()) {
        Some(name) => Err(Error::internal("reading the list of modules", format!("`{name}` is no module"))),
        None => Ok(Some(list)),
    }
}

fn view(custom: Option<Vec<String>>) -> ModulesView {
    let default_modules = modules::default_list().to_vec();
    let is_custom_config = custom.is_some();
    let allowed_modules =
        custom.unwrap_or_else(|| default_modules.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
    ModulesView { is_custom_config, total_allowed: allowed_modules.len(), allowed_modules, default_modules }
}

/// The list after a change; none when it is the default.
fn changed(list: Option<Vec<String>>, change: &ModulesChange) -> Result<Option<Vec<String>>, Error> {
    let mut list = view(list).allowed_modules;
    for (at, name) in change.add_modules.iter().enumerate() {
        if !modules::is_standard(name.as_str()) {
            let why = modules::hopeless(name.as_str()).unwrap_or(
                "is not of the standard library; a package is approved tool by tool, when a tool asks for it",
            );
            return Err(Error::invalid(format!("/add_modules/{at}"), format!("`{name}` {why}")));
        }
        list.push(name.to_string());
    }
    for (at, name) in change.remove_modules.iter().enumerate() {
        if !list.iter().any(|listed| listed == name.as_str()) {
            let message = format!("`{name}` is not in the list; what is listed is taken out by the name it has there");
            return Err(Error::invalid(format!("/remove_modules/{at}"), message));
        }
        list.retain(|listed| listed != name.as_str());
    }
    list.sort();
    list.dedup();
    if list.len() > LIST_MAX {
        return Err(Error::invalid("/add_modules", format!("the list has at most {LIST_MAX} names")));
    }
    Ok((list != modules::default_list()).then_some(list))
}

/// The modules by which a tool asks for what it imports beyond a list.
pub(super) fn beyond(imported: &[String], list: &[String]) -> Vec<String> {
    let missing = imported.iter().filter(|module| !modules::covers(list, module));
    let mut asked: Vec<String> = missing.map(|module| modules::asked_by(module).to_owned()).collect();
    asked.sort();
    asked.dedup();
    asked
}

/// What a version asks for and a person approved.
fn granted(asked: &[String], approved: &[ModuleRequest]) -> Vec<String> {
    let names: Vec<&str> = approved.iter().map(|request| request.module_name.as_str()).collect();
    asked.iter().filter(|module| modules::covers(&names, module)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::module_requests::testing::pending;
    use crate::domain::ids::ServerId;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn change(add: &[&str], remove: &[&str], reset_to_defaults: bool) -> ModulesChange {
        let of = |names: &[&str]| names.iter().map(|name| name.parse().expect("a name")).collect();
        ModulesChange { add_modules: of(add), remove_modules: of(remove), reset_to_defaults }
    }

    #[test]
    fn what_is_added_and_taken_out_again_leaves_the_default() {
        let list = changed(None, &change(&["os.path", "sys"], &["sqlite3"], false)).expect("it is a list");
        let list = list.expect("another one than the default");
        assert!(modules::covers(&list, "os.path") && !modules::covers(&list, "os"));
        assert!(!modules::covers(&list, "sqlite3"));
        let back = changed(Some(list), &change(&["sqlite3"], &["os.path", "sys"], false));
        assert_eq!(back.expect("it is a list"), None);
    }

    #[test]
    fn the_list_is_about_the_standard_library() {
        for (add, remove, words) in [
            (&["yaml"][..], &[][..], "approved tool by tool"),
            (&["ssl"], &[], "needs a system around it"),
            (&[], &["xml.etree"], "is not in the list"),
        ] {
            let told = changed(None, &change(add, remove, false)).expect_err("it is refused").to_string();
            assert!(told.contains(words), "{told}");
        }
    }

    #[test]
    fn a_source_asks_for_what_it_imports_beyond_the_list() {
        let list = names(&["json", "urllib.parse"]);
        let imported = names(&["json.decoder", "urllib.parse", "urllib.request", "yaml.nodes", "yaml", "os.path"]);
        assert_eq!(beyond(&imported, &list), ["os.path", "urllib.request", "yaml"]);
    }

    #[test]
    fn a_tool_is_granted_what_it_asks_for_and_a_person_approved() {
        let row = |module: &str| pending(ServerId::new(), ToolId::new(), module);
        let asked = names(&["os.path", "yaml"]);
        assert_eq!(granted(&asked, &[row("os"), row("sqlite3")]), ["os.path"]);
        assert_eq!(granted(&asked, &[row("os.path"), row("yaml")]), ["os.path", "yaml"]);
        assert_eq!(granted(&names(&["os"]), &[row("os.path")]), [""; 0]);
        assert_eq!(granted(&[], &[row("yaml")]), [""; 0]);
    }

    #[test]
    fn a_damaged_list_opens_nothing() {
        let row = |value: &str| Setting {
            key: KEY.into(),
            value: value.into(),
            updated_at: chrono::DateTime::UNIX_EPOCH,
            updated_by: "admin:ada".into(),
        };
        assert!(custom(&[row("json a-b")]).is_err());
        assert_eq!(custom(&[row("")]).expect("an empty list is one"), Some(Vec::new()));
        assert_eq!(custom(&[]).expect("there is none"), None);
    }
}
