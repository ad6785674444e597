//! What an installer left in a folder, taken in: the files that a set is made of, and what brought them.
//!
//! Nothing is believed of it: links, other things than files and folders, names that are no text, more files or
//! bytes than are allowed, and machine code end it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::install::InstallError;
use super::refusal::Unfit;
use crate::domain::package::{Distribution, normalized};
use crate::limits::Limits;

/// What was fetched.
#[derive(Debug, Default)]
pub struct Fetched {
    /// By path, with `/` between its parts.
    pub files: BTreeMap<String, Vec<u8>>,
    /// By name.
    pub distributions: Vec<Distribution>,
}

/// Endings of machine code, and of what links to it.
const NATIVE: &[&str] = &["so", "pyd", "dll", "dylib", "a", "lib", "o", "wasm"];

/// What is kept of the folder that describes a distribution.
const DESCRIPTION: &[&str] = &["METADATA", "entry_points.txt", "top_level.txt"];

/// Folders of nesting.
const DEPTH: usize = 40;

/// Takes in the folder `site`.
///
/// # Errors
/// See the module.
pub(super) fn take(site: &Path, limits: &Limits) -> Result<Fetched, InstallError> {
    let mut taken = Taken { limits, fetched: Fetched::default(), bytes: 0, records: BTreeMap::new(), native: None };
    taken.folder(site, "", 0)?;
    let Taken { mut fetched, records, native, .. } = taken;
    if let Some(file) = native {
        return Err(InstallError::Unfit {
            package: brought_by(&records, &file),
            by: Vec::new(),
            why: Unfit::Holds(file),
        });
    }
    for (folder, record) in records {
        let (name, version) = named(&folder);
        let mut modules = BTreeSet::new();
        for path in record.lines().filter_map(|line| line.split(',').next()) {
            modules.extend(top_level(path));
        }
        let modules = modules.into_iter().filter(|module| holds(&fetched.files, module)).collect();
        fetched.distributions.push(Distribution { name, version, modules });
    }
    fetched.distributions.sort_by(|one, other| one.name.cmp(&other.name));
    let max = limits.packages;
    if fetched.distributions.len() as u64 > max {
        return Err(InstallError::TooLarge(format!(
            "these are {} packages, with what they need; at most {max} are taken",
            fetched.distributions.len()
        )));
    }
    Ok(fetched)
}

struct Taken<'a> {
    limits: &'a Limits,
    fetched: Fetched,
    bytes: u64,
    /// The `RECORD` of each `dist-info` folder.
    records: BTreeMap<String, String>,
    /// The first file that is machine code.
    native: Option<String>,
}

impl Taken<'_> {
    fn folder(&mut self, folder: &Path, inner: &str, depth: usize) -> Result<(), InstallError> {
        let broken = |error: std::io::Error| InstallError::Machine(format!("reading what was unpacked: {error}"));
        if depth > DEPTH {
            return Err(InstallError::Unsafe(format!("`{inner}` lies too deep")));
        }
        for entry in std::fs::read_dir(folder).map_err(broken)? {
            let entry = entry.map_err(broken)?;
            let Ok(name) = entry.file_name().into_string() else {
                return Err(InstallError::Unsafe(format!("a file in `{inner}` has a name that is no text")));
            };
            let path = if inner.is_empty() { name.clone() } else { format!("{inner}/{name}") };
            // Not of what a link leads to.
            let kind = entry.file_type().map_err(broken)?;
            if kind.is_dir() {
                // Scripts are for a command line, compiled code for another interpreter.
                if !(depth == 0 && name == "bin" || name == "__pycache__") {
                    self.folder(&entry.path(), &path, depth + 1)?;
                }
            } else if kind.is_file() {
                let size = entry.metadata().map_err(broken)?.len();
                self.file(&entry.path(), path, size)?;
            } else {
                return Err(InstallError::Unsafe(format!("`{path}` is neither a file nor a folder")));
            }
        }
        Ok(())
    }

    fn file(&mut self, file: &Path, path: String, size: u64) -> Result<(), InstallError> {
        let Limits { package_set_files, package_set_bytes, .. } = *self.limits;
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
        let ending = name.rsplit_once('.').map(|(_, ending)| ending).unwrap_or_default();
        if NATIVE.contains(&ending) || name.contains(".so.") {
            // Who brought it is known when all is read.
            self.native.get_or_insert(path);
            return Ok(());
        }
        let is_description = folder.ends_with(".dist-info") && !folder.contains('/');
        if ending == "pyc" || (folder.is_empty() && name == ".lock") {
            return Ok(());
        }
        self.bytes = self.bytes.saturating_add(size);
        if self.bytes > package_set_bytes {
            let message = format!("the packages have more than {package_set_bytes} bytes, unpacked");
            return Err(InstallError::TooLarge(message));
        }
        if self.fetched.files.len() as u64 >= package_set_files {
            return Err(InstallError::TooLarge(format!("the packages have more than {package_set_files} files")));
        }
        let wanted = !is_description || name == "RECORD" || DESCRIPTION.contains(&name);
        if !wanted {
            return Ok(());
        }
        let bytes = std::fs::read(file)
            .map_err(|error| InstallError::Machine(format!("reading what was unpacked: {error}")))?;
        if is_description && name == "RECORD" {
            self.records.insert(folder.to_owned(), String::from_utf8_lossy(&bytes).into_owned());
        } else {
            self.fetched.files.insert(path, bytes);
        }
        Ok(())
    }
}

/// The distribution whose record lists a file; failing that, the folder that it lies in.
fn brought_by(records: &BTreeMap<String, String>, file: &str) -> String {
    let lists = |record: &str| record.lines().any(|line| line.split(',').next() == Some(file));
    let found = records.iter().find(|(_, record)| lists(record));
    found.map_or_else(|| file.split('/').next().unwrap_or(file).to_owned(), |(folder, _)| named(folder).0)
}

/// Name and version in the name of a `dist-info` folder.
fn named(folder: &str) -> (String, String) {
    let plain = folder.strip_suffix(".dist-info").unwrap_or(folder);
    let (name, version) = plain.split_once('-').unwrap_or((plain, ""));
    (normalized(name), version.to_owned())
}

/// The top-level module of a file.
fn top_level(path: &str) -> Option<String> {
    let first = path.split('/').next().unwrap_or_default();
    let module = first.strip_suffix(".py").unwrap_or(first);
    let is_word = module.chars().all(|c| c.is_alphanumeric() || c == '_') && !module.is_empty();
    (is_word && path.ends_with(".py")).then(|| module.to_owned())
}

fn holds(files: &BTreeMap<String, Vec<u8>>, module: &str) -> bool {
    let below = format!("{module}/");
    files.contains_key(&format!("{module}.py"))
        || files.range(below.clone()..).next().is_some_and(|(path, _)| path.starts_with(&below))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with these files.
    fn site(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for (path, text) in files {
            let file = folder.path().join(path);
            std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
            std::fs::write(file, text).expect("a file");
        }
        folder
    }

    const GREETER: &[(&str, &str)] = &[
        ("greeter/__init__.py", "A = 1\n"),
        ("greeter/data/word.txt", "hei"),
        ("single.py", ""),
        ("bin/greet", "#!python"),
        ("greeter/__pycache__/x.cpython-314.pyc", ""),
        ("The_Greeter-1.2.dist-info/METADATA", "Name: The-Greeter"),
        (
            "The_Greeter-1.2.dist-info/RECORD",
            "greeter/__init__.py,sha256=x,6\nsingle.py,,\n../../bin/greet,,\nThe_Greeter-1.2.dist-info/RECORD,,\n",
        ),
        ("The_Greeter-1.2.dist-info/WHEEL", "Root-Is-Purelib: true"),
    ];

    #[test]
    fn what_a_set_needs_is_taken_in_with_what_brought_it() {
        let fetched = take(site(GREETER).path(), &Limits::default()).expect("it is sound");
        let files: Vec<&str> = fetched.files.keys().map(String::as_str).collect();
        let expected =
            ["The_Greeter-1.2.dist-info/METADATA", "greeter/__init__.py", "greeter/data/word.txt", "single.py"];
        assert_eq!(files, expected);
        let modules = vec!["greeter".to_owned(), "single".to_owned()];
        let expected = Distribution { name: "the-greeter".into(), version: "1.2".into(), modules };
        assert_eq!(fetched.distributions, [expected]);
    }

    #[test]
    fn machine_code_is_refused_with_its_name() {
        for file in ["fast/_speed.cpython-314-x86_64-linux-gnu.so", "fast.libs/libz.so.1", "fast/_speed.pyd"] {
            let folder = site(&[(file, "\u{7f}ELF")]);
            let told = take(folder.path(), &Limits::default()).expect_err("it is native").to_string();
            assert!(told.contains("native code") && told.contains(file), "{told}");
        }
    }

    #[test]
    fn machine_code_is_told_with_the_package_that_brought_it() {
        let record = ("The_Fast-2.0.dist-info/RECORD", "fast/__init__.py,,\nfast/_speed.so,,\n");
        let folder = site(&[GREETER, &[("fast/_speed.so", ""), record]].concat());
        let told = take(folder.path(), &Limits::default()).expect_err("it is native").to_string();
        assert!(told.starts_with("the package `the-fast` has native code (`fast/_speed.so`)"), "{told}");
    }

    #[test]
    fn a_link_is_refused_wherever_it_leads() {
        let folder = site(GREETER);
        std::os::unix::fs::symlink("/etc/passwd", folder.path().join("greeter/passwd.py")).expect("a link");
        assert!(matches!(take(folder.path(), &Limits::default()), Err(InstallError::Unsafe(_))));
    }

    #[test]
    fn more_than_the_limits_allow_is_refused() {
        for limits in [
            Limits { package_set_files: 2, ..Limits::default() },
            Limits { package_set_bytes: 20, ..Limits::default() },
            Limits { packages: 0, ..Limits::default() },
        ] {
            assert!(matches!(take(site(GREETER).path(), &limits), Err(InstallError::TooLarge(_))));
        }
    }
}
