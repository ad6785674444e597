//! Python modules: which ones the interpreter carries, which of those every tool may import unless people
//! decide otherwise, and what one call may import. A test asks the interpreter itself.
//!
//! A name in a list means the module and all that lies below it.

use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Serialize};

use super::package::PackageSet;

/// What the interpreter carries: top-level modules, by name, with a space between them.
const STANDARD: &str = "\
    abc annotationlib antigravity argparse array ast asyncio atexit base64 bdb binascii bisect builtins \
    cProfile calendar cmath cmd code codecs codeop collections colorsys compileall compression concurrent \
    configparser contextlib contextvars copy copyreg csv dataclasses datetime dbm decimal difflib dis \
    doctest email encodings enum errno faulthandler filecmp fileinput fnmatch fractions ftplib functools gc \
    genericpath getopt getpass gettext glob graphlib gzip hashlib heapq hmac html http imaplib importlib \
    inspect io ipaddress itertools json keyword linecache locale logging mailbox marshal math mimetypes \
    modulefinder multiprocessing netrc ntpath nturl2path numbers opcode operator optparse os pathlib pdb \
    pickle pickletools pkgutil platform plistlib poplib posix posixpath pprint profile pstats py_compile \
    pyclbr pydoc pyexpat queue quopri random re reprlib rlcompleter runpy sched secrets select selectors \
    shelve shlex shutil signal site smtplib socket socketserver sqlite3 sre_compile sre_constants sre_parse \
    stat statistics string stringprep struct subprocess symtable sys sysconfig tabnanny tarfile tempfile \
    textwrap this threading time timeit token tokenize tomllib trace traceback tracemalloc types typing \
    unicodedata unittest urllib uuid warnings wave weakref webbrowser wsgiref xml xmlrpc zipapp zipfile \
    zipimport zlib zoneinfo \
    ";

/// What every tool may import until people change it: what computes. Left out is what has no use without
/// threads, processes, sockets and files, and what reaches round the import statement, on which the list rests.
const DEFAULT: &str = "\
    abc annotationlib array ast asyncio base64 binascii bisect calendar cmath codecs collections colorsys \
    compression configparser contextlib contextvars copy csv dataclasses datetime decimal difflib email enum \
    errno fnmatch fractions functools graphlib gzip hashlib heapq hmac html http io ipaddress itertools json \
    keyword locale logging math mimetypes numbers operator pathlib plistlib posixpath pprint queue quopri random \
    re reprlib secrets shlex sqlite3 statistics string stringprep struct tarfile textwrap time tomllib traceback \
    types typing unicodedata urllib.error urllib.parse uuid warnings wave weakref xml zipfile zlib zoneinfo \
    ";

/// What the standard library has elsewhere and the interpreter cannot have: it needs a system around it.
const ABSENT: &str = "\
    bz2 crypt ctypes curses ensurepip fcntl grp idlelib lib2to3 lzma mmap msvcrt nis pty pwd pydoc_data readline \
    resource ssl syslog termios test tkinter tty turtle turtledemo venv winreg winsound \
    ";

static STANDARD_NAMES: LazyLock<Vec<&str>> = LazyLock::new(|| STANDARD.split_whitespace().collect());
static DEFAULT_NAMES: LazyLock<Vec<&str>> = LazyLock::new(|| DEFAULT.split_whitespace().collect());
static ABSENT_NAMES: LazyLock<Vec<&str>> = LazyLock::new(|| ABSENT.split_whitespace().collect());

/// What the code of a Python tool may import. Empty: nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imports {
    pub modules: Arc<[String]>,
    /// What its author is told to do about another one; `{module}` stands for its name.
    pub advice: String,
    /// The packages that the modules beyond the standard library come from.
    pub packages: Option<PackageSet>,
}

impl Imports {
    /// The default list, for an author on their own machine.
    pub fn by_default(more: &[String], advice: &str) -> Self {
        let listed = default_list().iter().map(|name| (*name).to_owned());
        Self { modules: listed.chain(more.iter().cloned()).collect(), advice: advice.to_owned(), packages: None }
    }
}

/// The top-level modules of the standard library that the interpreter carries, by name.
pub fn standard() -> &'static [&'static str] {
    &STANDARD_NAMES
}

/// What every tool may import until people change it, by name.
pub fn default_list() -> &'static [&'static str] {
    &DEFAULT_NAMES
}

/// Whether a module, dotted or not, is of the standard library as the interpreter carries it.
pub fn is_standard(module: &str) -> bool {
    STANDARD_NAMES.binary_search(&first(module)).is_ok()
}

/// Why no request could ever bring this module, if that is so.
pub fn hopeless(module: &str) -> Option<&'static str> {
    let first = first(module);
    if first.starts_with('_') {
        return Some("is a private part of the standard library; import the public module that stands before it");
    }
    ABSENT_NAMES
        .binary_search(&first)
        .is_ok()
        .then_some("needs a system around it that a WebAssembly interpreter has not; do without it")
}

/// The module by which one asks for another: a package comes as a whole.
pub fn asked_by(module: &str) -> &str {
    if is_standard(module) { module } else { first(module) }
}

/// Whether a list has a module, or one that it lies in.
pub fn covers<S: AsRef<str>>(list: &[S], module: &str) -> bool {
    list.iter().any(|listed| lies_in(module, listed.as_ref()))
}

/// Whether `module` is `other` or lies below it.
pub fn lies_in(module: &str, other: &str) -> bool {
    module.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn first(module: &str) -> &str {
    module.split('.').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_lists_are_in_order_and_the_default_is_carried() {
        for list in [standard(), default_list(), &ABSENT_NAMES] {
            assert!(list.is_sorted());
        }
        assert!(default_list().iter().all(|name| is_standard(name)));
        assert!(!ABSENT_NAMES.iter().any(|name| is_standard(name)));
    }

    #[test]
    fn nothing_by_default_starts_processes_or_imports_past_the_list() {
        for module in ["os", "sys", "subprocess", "socket", "threading", "importlib", "builtins", "pickle", "runpy"] {
            assert!(is_standard(module) && !covers(default_list(), module), "{module}");
        }
    }

    #[test]
    fn a_module_below_another_belongs_to_it() {
        for (module, standard) in
            [("json", true), ("xml.etree.ElementTree", true), ("jsonx", false), ("numpy", false), ("", false)]
        {
            assert_eq!(is_standard(module), standard, "{module}");
        }
        for (module, covered) in
            [("xml", true), ("xml.dom", true), ("urllib.parse", true), ("urllib", false), ("xmlrpc.client", false)]
        {
            assert_eq!(covers(default_list(), module), covered, "{module}");
        }
    }

    #[test]
    fn a_package_is_asked_for_as_a_whole_and_the_library_by_its_parts() {
        assert_eq!((asked_by("yaml.nodes"), asked_by("os.path"), asked_by("PIL")), ("yaml", "os.path", "PIL"));
    }

    #[test]
    fn what_can_never_be_imported_is_said_with_its_reason() {
        for (module, never) in
            [("ssl", true), ("_thread", true), ("curses.panel", true), ("os", false), ("yaml", false)]
        {
            assert_eq!(hopeless(module).is_some(), never, "{module}");
        }
    }

    proptest! {
        #[test]
        fn lying_in_is_a_matter_of_whole_names(a in "[a-z]{1,3}(\\.[a-z]{1,3}){0,2}", b in "[a-z]{1,3}(\\.[a-z]{1,3}){0,2}") {
            let parts = |text: &str| text.split('.').map(str::to_owned).collect::<Vec<_>>();
            prop_assert_eq!(lies_in(&a, &b), parts(&a).starts_with(&parts(&b)));
        }
    }
}
