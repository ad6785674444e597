//! A set of packages: one file with the compiled modules and the data of all of them, in the form that
//! `components/python/runner/packages.py` reads. Equal files make equal bytes, and the digest of those is the
//! set's name.
//!
//! One file, because a guest that imports reads it in few steps, and because nothing that strangers named is
//! ever unpacked where the host keeps things.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use uuid::Uuid;

use super::{Fetched, Packages};
use crate::domain::digest::Digest;
use crate::domain::package::PackageSet;

const MAGIC: &[u8] = b"mcpbox packages 1\n";

#[derive(Debug, thiserror::Error)]
pub enum SetError {
    #[error("the set of packages {0} is not what it was when it was made")]
    OtherBytes(Digest),
    #[error("a set of packages could not be kept in {0}: {1}")]
    Keep(PathBuf, std::io::Error),
}

/// In the file: where something begins, and its length, in bytes.
type Place = (usize, usize);

#[derive(Default, Serialize)]
struct Index {
    /// Module: whether it is a package (1), its file, where its code begins, its length.
    modules: BTreeMap<String, (u8, String, usize, usize)>,
    files: BTreeMap<String, Place>,
}

/// Makes the bytes of a set. `compiled` has the code of the files that end in `.py`; those that could not be
/// compiled are left out.
pub fn build(fetched: &Fetched, compiled: &BTreeMap<String, Vec<u8>>) -> Vec<u8> {
    let mut index = Index::default();
    let mut content = Vec::new();
    for (path, bytes) in &fetched.files {
        for above in folders(path) {
            let name = above.replace('/', ".");
            index.modules.entry(name).or_insert((1, above.to_owned(), 0, 0));
        }
        let Some(name) = path.strip_suffix(".py") else {
            index.files.insert(path.clone(), (content.len(), bytes.len()));
            content.extend_from_slice(bytes);
            continue;
        };
        let Some(code) = compiled.get(path) else { continue };
        let (name, is_package) = match name.strip_suffix("/__init__") {
            Some(package) => (package, 1),
            None => (name, 0),
        };
        index.modules.insert(name.replace('/', "."), (is_package, path.clone(), content.len(), code.len()));
        content.extend_from_slice(code);
    }
    // Names and numbers, which are always JSON.
    let index = serde_json::to_vec(&index).unwrap_or_default();
    let mut set = MAGIC.to_vec();
    set.extend_from_slice(&(index.len() as u64).to_le_bytes());
    set.extend_from_slice(&index);
    set.extend_from_slice(&content);
    set
}

/// The folders above a file, from the outermost, as far as they could be packages.
fn folders(path: &str) -> impl Iterator<Item = &str> {
    let ends = path.match_indices('/').map(|(at, _)| &path[..at]);
    ends.take_while(|folder| !folder.contains(['.', '-']))
}

impl Packages {
    /// A set that is at hand, compared with its digest once in this process.
    pub async fn at_hand(&self, digest: Digest) -> Option<PackageSet> {
        let folder = self.folder(digest);
        let file = folder.join("set");
        if !self.saw(&file) {
            let bytes = tokio::fs::read(&file).await.ok()?;
            if Digest::of(&bytes) != digest {
                tracing::error!(file = %file.display(), "a set of packages was changed; it is made again");
                return None;
            }
            self.note_seen(file);
        } else if !tokio::fs::try_exists(&file).await.unwrap_or(false) {
            return None;
        }
        Some(PackageSet { digest, folder })
    }

    /// Keeps a set on this machine.
    ///
    /// # Errors
    /// When the bytes have another digest, or cannot be written.
    pub async fn keep(&self, digest: Digest, bytes: Vec<u8>) -> Result<PackageSet, SetError> {
        if Digest::of(&bytes) != digest {
            return Err(SetError::OtherBytes(digest));
        }
        let folder = self.folder(digest);
        let (kept, into) = (folder.clone(), folder.clone());
        let written = tokio::task::spawn_blocking(move || write(&into, &bytes)).await;
        written.map_err(std::io::Error::other).flatten().map_err(|error| SetError::Keep(folder.clone(), error))?;
        self.note_seen(kept.join("set"));
        Ok(PackageSet { digest, folder })
    }

    fn folder(&self, digest: Digest) -> PathBuf {
        self.work_dir().join("sets").join(digest.to_string())
    }
}

/// Whole, or not at all.
fn write(folder: &Path, bytes: &[u8]) -> std::io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    // Beside the folder, which guests see.
    let part = folder.with_extension(format!("{}.part", Uuid::now_v7()));
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
    let done =
        file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| std::fs::rename(&part, folder.join("set")));
    if done.is_err() {
        // What it could not finish is of no use to anybody.
        let _ = std::fs::remove_file(&part);
    }
    done
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_set_has_an_index_of_modules_and_data() {
        let files = [
            ("greeter/__init__.py", "source"),
            ("greeter/old.py", "does not compile"),
            ("greeter/data/word.txt", "hei"),
            ("greeter-1.dist-info/METADATA", "Name"),
            ("space/leaf.py", "source"),
        ];
        let files = files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect();
        let fetched = Fetched { files, distributions: Vec::new() };
        let compiled = BTreeMap::from([
            ("greeter/__init__.py".to_owned(), b"CODE".to_vec()),
            ("space/leaf.py".to_owned(), b"LEAF".to_vec()),
        ]);
        let set = build(&fetched, &compiled);
        assert_eq!(set, build(&fetched, &compiled), "equal files make equal bytes");
        let rest = set.strip_prefix(MAGIC).expect("the form");
        let length = usize::try_from(u64::from_le_bytes(rest[..8].try_into().expect("eight"))).expect("small");
        let index: Value = serde_json::from_slice(&rest[8..8 + length]).expect("an index");
        let content = &rest[8 + length..];
        let expected = json!({
            "greeter": [1, "greeter/__init__.py", 4, 4],
            "greeter.data": [1, "greeter/data", 0, 0],
            "space": [1, "space", 0, 0],
            "space.leaf": [0, "space/leaf.py", 11, 4],
        });
        assert_eq!(index["modules"], expected);
        assert_eq!(content, b"NameCODEheiLEAF");
        assert_eq!(index["files"]["greeter/data/word.txt"], json!([8, 3]));
    }
}
