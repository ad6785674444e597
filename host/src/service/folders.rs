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
use crate::db::Whole;
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
    /// How large it may become by what the tool writes; of one that it may write to.
    pub max_bytes: Option<u64>,
}

/// A folder that a tool sees.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FolderView {
    pub host_path: String,
    pub guest_path: String,
    pub access: FolderAccess,
    /// How large it may become by what the tool writes; none: as the file system has room.
    pub max_bytes: Option<u64>,
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
        let max_bytes = max_bytes(new.access, new.max_bytes)?;
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
        let after = json!({
            "host_path": host_path,
            "guest_path": guest_path,
            "access": new.access,
            "max_bytes": max_bytes.map(u64::from),
        });
        let (access, created_by) = (new.access, caller.to_string());
        let row = ToolFolder { tool_id: id, guest_path, host_path, access, max_bytes, created_by, created_at: now };
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

    /// What a call that begins now may write, so that no folder becomes larger than a person said; none: as
    /// much as any call.
    pub(super) async fn folder_room(&self, id: ToolId) -> Result<Option<u64>, Error> {
        let mut room: Option<u64> = None;
        for ToolFolder { host_path, access, max_bytes, .. } in rows::of_tool(self.db(), id).await? {
            let (FolderAccess::ReadWrite, Some(max)) = (access, max_bytes) else { continue };
            let held = tokio::task::spawn_blocking(move || held_bytes(Path::new(&host_path), COUNTED)).await;
            let held = held.map_err(|error| Error::internal("measuring a folder", error))?;
            let left = max.0.saturating_sub(held);
            room = Some(room.map_or(left, |room| room.min(left)));
        }
        Ok(room)
    }
}

/// Files and folders that are looked at to measure one; with more of them it counts as full.
const COUNTED: usize = 100_000;

/// The bytes of all files below a folder; links are not followed. What cannot be read counts as nothing, and
/// can hardly be written by a tool.
fn held_bytes(folder: &Path, mut counted: usize) -> u64 {
    let (mut bytes, mut folders) = (0_u64, vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let Some(left) = counted.checked_sub(1) else { return u64::MAX };
            counted = left;
            match entry.metadata() {
                Ok(found) if found.is_dir() => folders.push(entry.path()),
                Ok(found) => bytes = bytes.saturating_add(found.len()),
                Err(_) => {}
            }
        }
    }
    bytes
}

/// # Errors
/// [`Error::Invalid`] for a folder that is only read, and for none or more than the database counts.
fn max_bytes(access: FolderAccess, given: Option<u64>) -> Result<Option<Whole>, Error> {
    match (access, given) {
        (_, None) => Ok(None),
        (FolderAccess::ReadOnly, Some(_)) => {
            Err(Error::invalid("/max_bytes", "a folder that is only read does not grow; leave it out"))
        }
        (FolderAccess::ReadWrite, Some(max)) if (1..=MAX_BYTES).contains(&max) => Ok(Some(Whole(max))),
        (FolderAccess::ReadWrite, Some(_)) => Err(Error::invalid("/max_bytes", format!("give 1 to {MAX_BYTES}"))),
    }
}

/// The largest bound of a folder: 1 EiB.
pub const MAX_BYTES: u64 = 1 << 60;

/// All of a tool's folders: they are few enough for one page.
fn page(folders: Vec<FolderView>) -> Page<FolderView> {
    let total = folders.len() as u64;
    Page::new(folders, total, 1, TOOL_FOLDERS as u64)
}

fn view(row: ToolFolder) -> FolderView {
    let ToolFolder { guest_path, host_path, access, max_bytes, created_by, created_at, .. } = row;
    FolderView { host_path, guest_path, access, max_bytes: max_bytes.map(u64::from), created_by, created_at }
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
    fn what_a_folder_holds_is_counted_up_to_a_bound_and_no_link_is_followed() {
        let place = tempfile::tempdir().expect("a folder");
        let at = |name: &str| place.path().join(name);
        std::fs::create_dir_all(at("in/deep")).expect("made");
        std::fs::create_dir_all(at("outside")).expect("made");
        for (file, text) in [("in/a", "12345"), ("in/deep/b", "123"), ("outside/c", "1234567")] {
            std::fs::write(at(file), text).expect("written");
        }
        assert_eq!(held_bytes(&at("in"), 10), 8);
        std::os::unix::fs::symlink(at("outside"), at("in/out")).expect("linked");
        let link = std::fs::symlink_metadata(at("in/out")).expect("it is there").len();
        assert_eq!(held_bytes(&at("in"), 10), 8 + link);
        assert_eq!(held_bytes(&at("in"), 3), u64::MAX, "too many to count");
        assert_eq!(held_bytes(&at("absent"), 3), 0);
    }

    #[test]
    fn only_a_folder_that_is_written_to_has_a_bound() {
        use FolderAccess::{ReadOnly, ReadWrite};
        assert_eq!(max_bytes(ReadWrite, Some(5)).ok(), Some(Some(Whole(5))));
        assert_eq!(max_bytes(ReadOnly, None).ok(), Some(None));
        for (access, given) in [(ReadOnly, 5), (ReadWrite, 0), (ReadWrite, u64::MAX)] {
            assert!(max_bytes(access, Some(given)).is_err(), "{access:?} {given}");
        }
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
