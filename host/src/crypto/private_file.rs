//! Small secret files of the data folder: made once, whole, and for nobody but their owner.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::random;

/// More than any of these files holds; what is longer is not one of ours.
const MAX_BYTES: u64 = 4_096;

#[derive(Debug, thiserror::Error)]
pub enum PrivateFileError {
    #[error("{} can be read by others (mode {mode:03o}); say `chmod 600 {}` and think about whether it was read", .path.display(), .path.display())]
    Exposed { path: PathBuf, mode: u32 },
    #[error("reading {}", .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("creating {}", .path.display())]
    Create { path: PathBuf, source: io::Error },
}

/// The text of `path`, without the line break at its end. When there is no such file, it is made
/// from `make`, with mode 600, and is on the disk when this returns. Of several processes that do
/// this at the same time one makes the file and all read the same text: the file appears under its
/// name only when it is whole.
///
/// # Errors
/// A file that others can read is refused; so is one that cannot be read or made.
pub fn read_or_create(
    path: &Path,
    make: impl FnOnce() -> Zeroizing<String>,
) -> Result<Zeroizing<String>, PrivateFileError> {
    if let Some(text) = read(path)? {
        return Ok(text);
    }
    create(path, &make()).map_err(|source| PrivateFileError::Create { path: path.to_owned(), source })?;
    read(path)?.ok_or_else(|| PrivateFileError::Read { path: path.to_owned(), source: io::ErrorKind::NotFound.into() })
}

/// The text of `path`; none when there is no such file.
///
/// # Errors
/// As [`read_or_create`].
pub fn read(path: &Path) -> Result<Option<Zeroizing<String>>, PrivateFileError> {
    let failed = |source| PrivateFileError::Read { path: path.to_owned(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(PrivateFileError::Exposed { path: path.to_owned(), mode });
    }
    let mut text = Zeroizing::new(String::new());
    file.take(MAX_BYTES).read_to_string(&mut text).map_err(failed)?;
    if text.ends_with('\n') {
        text.pop();
    }
    Ok(Some(text))
}

/// Writes a file beside `path` and links it to its name, which fails when the name is taken. Does
/// nothing when another process was first.
fn create(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let draft = folder.join(format!(".{}.{}", name.display(), hex::encode(random::<8>())));
    let linked = write_new(&draft, text).and_then(|()| match fs::hard_link(&draft, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        result => result,
    });
    let removed = fs::remove_file(&draft);
    linked.and(removed)?;
    File::open(folder)?.sync_all()
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Zeroizing<String> {
        Zeroizing::new(text.to_owned())
    }

    #[test]
    fn a_file_is_made_once_and_is_private() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("word");
        assert_eq!(*read_or_create(&path, || text("first")).expect("made"), "first");
        assert_eq!(*read_or_create(&path, || text("second")).expect("read"), "first");
        assert_eq!(fs::metadata(&path).expect("metadata").permissions().mode() & 0o777, 0o600);
        let names: Vec<_> =
            fs::read_dir(folder.path()).expect("list").flatten().map(|entry| entry.file_name()).collect();
        assert_eq!(names, ["word"], "no draft stays behind");
    }

    #[test]
    fn all_that_start_together_read_the_same() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("word");
        let gate = std::sync::Barrier::new(8);
        let words: Vec<String> = std::thread::scope(|scope| {
            let starts: Vec<_> = (0..8)
                .map(|n| {
                    let (gate, path) = (&gate, &path);
                    scope.spawn(move || {
                        gate.wait();
                        read_or_create(path, || text(&n.to_string())).map(|text| text.to_string())
                    })
                })
                .collect();
            starts.into_iter().map(|start| start.join().expect("no panic").expect("a word")).collect()
        });
        assert!(words.iter().all(|word| *word == words[0]), "{words:?}");
    }

    #[test]
    fn a_file_that_others_can_read_is_refused_with_the_remedy() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("word");
        fs::write(&path, "seen").expect("written");
        for mode in [0o644, 0o640, 0o604, 0o602] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("mode");
            let error = read_or_create(&path, || text("new")).expect_err("refused").to_string();
            assert!(error.contains("chmod 600") && !error.contains("seen"), "{error}");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).expect("mode");
        assert_eq!(*read_or_create(&path, || text("new")).expect("read"), "seen");
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("gone").join("word");
        assert!(matches!(read_or_create(&path, || text("new")), Err(PrivateFileError::Create { .. })));
    }
}
