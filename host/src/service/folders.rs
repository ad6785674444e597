//! Folders of this machine that a tool may use: given by a person, and only below the roots that the
//! operator named.
//!
//! A path is followed to where it really leads before it is compared with the roots, when it is given
//! and again at every call: a link that was put there in between leads nowhere.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::permission::people_only;
use super::tools::{self, Found};
use super::{Error, Page, Service, audit, given};
use crate::db::tool_folders::{self as rows, ToolFolder};
use crate::db::tools::Tool;
use crate::db::versions::Version;
use crate::domain::caller::Caller;
use crate::domain::component::Capability;
use crate::domain::grant::{FolderAccess, FolderGrant};
use crate::domain::ids::ToolId;
use crate::domain::tool::ToolKind;

/// Folders of one tool.
const TOOL_FOLDERS: usize = 16;

#[derive(Clone, Debug)]
pub struct NewFolder {
    /// Absolute.
    pub host_path: String,
    /// Absolute, such as `/data`.
    pub guest_path: String,
    pub access: FolderAccess,
}

/// A folder that a tool sees.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FolderView {
    pub host_path: String,
    pub guest_path: String,
    pub access: FolderAccess,
    pub created_by: String,
    pub created_at: DateTime<Utc>,
}

impl Service {
    /// The folders of a tool by guest path. For people: paths tell about the machine.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for models.
    pub async fn folder_list(&self, caller: &Caller, id: ToolId) -> Result<Page<FolderView>, Error> {
        people_only(caller, "see the folders of a tool")?;
        tools::found(self.db(), id).await?;
        Ok(page(self.folders_of(id).await?))
    }

    /// Gives a folder to a component. Holds for every call that begins afterwards. For people.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the path leads nowhere or out of the roots; [`Error::Conflict`] when the
    /// tool sees another folder under that path.
    pub async fn folder_add(&self, caller: &Caller, id: ToolId, new: NewFolder) -> Result<Page<FolderView>, Error> {
        people_only(caller, "give a folder to a tool")?;
        let guest_path = guest_path(&new.guest_path)?;
        let found = followed(&self.0.parts.folder_roots, Path::new(&new.host_path)).await;
        let host_path = found.map_err(|why| Error::invalid("/host_path", why))?;
        let host_path = host_path.into_os_string().into_string();
        let host_path = host_path.map_err(|_| Error::invalid("/host_path", "the path is not UTF-8"))?;
        let now = self.clock().now();
        let tx = self.db().begin().await?;
        let Found { latest, .. } = tools::locked(&tx, id).await?;
        if latest.kind != ToolKind::Component {
            return Err(Error::conflict("only components use folders; sources get their data as arguments"));
        }
        let kept = rows::of_tool(&tx, id).await?;
        if kept.iter().any(|folder| folder.guest_path == guest_path) {
            return Err(Error::conflict(format!(
                "the tool sees a folder under `{guest_path}` already; remove it first"
            )));
        }
        if kept.len() >= TOOL_FOLDERS {
            return Err(Error::conflict(format!("a tool has at most {TOOL_FOLDERS} folders; remove one first")));
        }
        let after = json!({ "host_path": host_path, "guest_path": guest_path, "access": new.access });
        let (access, created_by) = (new.access, caller.to_string());
        let row = ToolFolder { tool_id: id, guest_path, host_path, access, created_by, created_at: now };
        rows::insert(&tx, row).await?;
        audit::write(&tx, caller, now, tools::act("tool.folder_add", id, None, Some(after))).await?;
        tx.commit().await?;
        Ok(page(self.folders_of(id).await?))
    }

    /// Takes a folder from a tool. Holds for every call that begins afterwards. For people.
    ///
    /// # Errors
    /// [`Error::NotFound`] when it sees none under that path.
    pub async fn folder_remove(&self, caller: &Caller, id: ToolId, guest: &str) -> Result<Page<FolderView>, Error> {
        people_only(caller, "take a folder from a tool")?;
        let now = self.clock().now();
        let tx = self.db().begin().await?;
        tools::locked(&tx, id).await?;
        let row = rows::of_tool(&tx, id).await?.into_iter().find(|folder| folder.guest_path == guest);
        let row = row.ok_or_else(|| Error::not_found("folder", guest, "look at the folders of the tool"))?;
        rows::delete(&tx, id, guest).await?;
        let before = json!({ "host_path": row.host_path, "guest_path": row.guest_path, "access": row.access });
        audit::write(&tx, caller, now, tools::act("tool.folder_remove", id, Some(before), None)).await?;
        tx.commit().await?;
        Ok(page(self.folders_of(id).await?))
    }

    pub(super) async fn folders_of(&self, id: ToolId) -> Result<Vec<FolderView>, Error> {
        Ok(rows::of_tool(self.db(), id).await?.into_iter().map(view).collect())
    }

    /// The folders that a call of this version may use now; none when it has no use for any.
    ///
    /// # Errors
    /// [`Error::Forbidden`] when one no longer lies below the roots.
    pub(super) async fn folder_grants(&self, tool: &Tool, version: &Version) -> Result<Vec<FolderGrant>, Error> {
        let uses_files =
            version.surface.as_ref().is_some_and(|surface| surface.capabilities.contains(&Capability::Files));
        if !uses_files {
            return Ok(Vec::new());
        }
        let mut grants = Vec::new();
        for folder in rows::of_tool(self.db(), tool.id).await? {
            let found = followed(&self.0.parts.folder_roots, Path::new(&folder.host_path)).await;
            let host = found.map_err(|why| {
                let guest = &folder.guest_path;
                Error::forbidden(format!("`{}` may no longer use its folder `{guest}`: {why}", tool.name))
            })?;
            grants.push(FolderGrant { host, guest: folder.guest_path, access: folder.access });
        }
        Ok(grants)
    }
}

/// All of a tool's folders: they are few enough for one page.
fn page(folders: Vec<FolderView>) -> Page<FolderView> {
    let total = folders.len() as u64;
    Page::new(folders, total, 1, TOOL_FOLDERS as u64)
}

fn view(row: ToolFolder) -> FolderView {
    let ToolFolder { guest_path, host_path, access, created_by, created_at, .. } = row;
    FolderView { host_path, guest_path, access, created_by, created_at }
}

/// A path as the guest spells it.
fn guest_path(text: &str) -> Result<String, Error> {
    given::measured("/guest_path", text, 2..=255)?;
    let is_plain = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.chars().any(char::is_control);
    if text.strip_prefix('/').is_some_and(|rest| rest.split('/').all(is_plain)) {
        return Ok(text.to_owned());
    }
    Err(Error::invalid("/guest_path", "give an absolute path such as /data, without `.`, `..` and a slash at the end"))
}

/// Where a path really leads, if that is a folder below one of the roots.
async fn followed(roots: &[PathBuf], path: &Path) -> Result<PathBuf, String> {
    if roots.is_empty() {
        return Err(
            "this installation gives no folders to tools; the operator names those that may be given, and all \
                    below them, in MCPBOX_FOLDER_ROOTS"
                .to_owned(),
        );
    }
    if !path.is_absolute() {
        return Err("give an absolute path".to_owned());
    }
    let shown = path.display();
    let real = tokio::fs::canonicalize(path).await.map_err(|error| format!("`{shown}`: {error}"))?;
    let is_folder = tokio::fs::metadata(&real).await.is_ok_and(|found| found.is_dir());
    if !is_folder {
        return Err(format!("`{shown}` is no folder"));
    }
    for root in roots {
        if tokio::fs::canonicalize(root).await.is_ok_and(|root| real.starts_with(root)) {
            return Ok(real);
        }
    }
    Err(format!("`{shown}` lies below none of the folders in MCPBOX_FOLDER_ROOTS"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_folder_lies_below_a_root_wherever_links_lead() {
        let place = tempfile::tempdir().expect("a folder");
        let at = |name: &str| place.path().join(name);
        for folder in ["root/in", "rooted", "outside"] {
            std::fs::create_dir_all(at(folder)).expect("made");
        }
        std::fs::write(at("root/file"), "x").expect("written");
        std::os::unix::fs::symlink(at("outside"), at("root/out")).expect("linked");
        std::os::unix::fs::symlink(at("root/in"), at("back")).expect("linked");
        let roots = [at("root")];
        let real = std::fs::canonicalize(at("root/in")).expect("it is there");
        for (path, expected) in [
            ("root/in", Ok(&real)),
            ("root/../root/in", Ok(&real)),
            ("back", Ok(&real)),
            ("root/out", Err("below none")),
            ("root/in/../../outside", Err("below none")),
            ("rooted", Err("below none")),
            ("root/file", Err("is no folder")),
            ("root/absent", Err("No such file")),
        ] {
            match (followed(&roots, &at(path)).await, expected) {
                (Ok(found), Ok(real)) => assert_eq!(&found, real, "{path}"),
                (Err(why), Err(words)) => assert!(why.contains(words), "{path}: {why}"),
                (found, _) => panic!("{path}: {found:?}"),
            }
        }
        assert!(followed(&[], &at("root/in")).await.is_err_and(|why| why.contains("MCPBOX_FOLDER_ROOTS")));
        assert!(followed(&roots, Path::new("root/in")).await.is_err_and(|why| why.contains("absolute")));
    }

    #[test]
    fn a_guest_path_is_absolute_and_plain() {
        for (path, fits) in [
            ("/data", true),
            ("/a/b c", true),
            ("data", false),
            ("/", false),
            ("/a/", false),
            ("/a/../b", false),
            ("/a\nb", false),
        ] {
            assert_eq!(guest_path(path).is_ok(), fits, "{path:?}");
        }
    }
}
