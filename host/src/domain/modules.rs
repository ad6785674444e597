//! Which Python modules a tool can import without anybody's decision: the standard library, as far
//! as the interpreter carries it. A test asks the interpreter itself.

use std::sync::LazyLock;

/// The top-level modules, by name, with a space between them.
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

static NAMES: LazyLock<Vec<&str>> = LazyLock::new(|| STANDARD.split_whitespace().collect());

/// The top-level modules of the standard library that every tool can import, by name.
pub fn standard() -> &'static [&'static str] {
    &NAMES
}

/// Whether a module, dotted or not, is part of what every tool can import.
pub fn is_standard(module: &str) -> bool {
    let top = module.split('.').next().unwrap_or_default();
    NAMES.binary_search(&top).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_in_order() {
        assert!(standard().is_sorted());
    }

    #[test]
    fn a_module_below_another_belongs_to_it() {
        for (module, standard) in
            [("json", true), ("xml.etree.ElementTree", true), ("jsonx", false), ("numpy", false), ("", false)]
        {
            assert_eq!(is_standard(module), standard, "{module}");
        }
    }
}
