//! Packages of other people that Python tools import: distributions, what is known of them, and the sets that are
//! made of them.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::digest::Digest;

/// What an index offers under a name, in one version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Distribution {
    /// In one spelling: lower case, with single hyphens (PEP 503).
    pub name: String,
    pub version: String,
    /// The top-level modules that it brings.
    pub modules: Vec<String>,
}

/// A set of packages on this machine, for one call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageSet {
    pub digest: Digest,
    /// Absolute; holds the file `set` and nothing else.
    pub folder: PathBuf,
}

/// What is known of the package that brings a module.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct PackageFacts {
    pub module_name: String,
    /// The distribution that brings it, as far as its name says so.
    pub distribution: String,
    pub pypi: Known<PyPi>,
    /// Of the latest version.
    pub vulnerabilities: Known<Vulnerabilities>,
    /// Of the latest version.
    pub dependencies: Known<Dependencies>,
    pub asked_at: DateTime<Utc>,
}

/// An answer, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Known<T> {
    Known(T),
    /// The service knows nothing of such a package.
    Absent,
    /// The service could not be reached, or its answer could not be read.
    Unavailable {
        reason: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PyPi {
    pub summary: Option<String>,
    pub latest_version: String,
    pub license: Option<String>,
    pub home_page: Option<String>,
    pub requires_python: Option<String>,
    /// When the latest version was uploaded, as PyPI writes it.
    pub released_at: Option<String>,
    /// Whether the latest version has a wheel of Python alone; without one it cannot be installed.
    pub pure_python: bool,
    /// Whether the latest version has wheels with code for some machine.
    pub native_code: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Vulnerabilities {
    pub total: usize,
    /// The first of them.
    pub listed: Vec<Vulnerability>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Vulnerability {
    pub id: String,
    pub summary: Option<String>,
    pub severity: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Dependencies {
    pub direct: usize,
    pub indirect: usize,
}

/// A distribution's name in its one spelling (PEP 503).
pub fn normalized(name: &str) -> String {
    let mut spelled = String::with_capacity(name.len());
    for part in name.split(['-', '_', '.']).filter(|part| !part.is_empty()) {
        if !spelled.is_empty() {
            spelled.push('-');
        }
        spelled.push_str(&part.to_ascii_lowercase());
    }
    spelled
}

/// The distribution that brings a top-level module; most are called like it.
pub fn distribution_of(module: &str) -> String {
    let found = OTHERWISE.binary_search_by_key(&module, |(module, _)| module);
    found.map_or_else(|_| normalized(module), |at| OTHERWISE[at].1.to_owned())
}

/// Modules whose distribution is called otherwise, by module.
const OTHERWISE: &[(&str, &str)] = &[
    ("Crypto", "pycryptodome"),
    ("Levenshtein", "levenshtein"),
    ("MySQLdb", "mysqlclient"),
    ("OpenSSL", "pyopenssl"),
    ("PIL", "pillow"),
    ("Xlib", "python-xlib"),
    ("attr", "attrs"),
    ("bs4", "beautifulsoup4"),
    ("cv2", "opencv-python"),
    ("dateutil", "python-dateutil"),
    ("dns", "dnspython"),
    ("docx", "python-docx"),
    ("dotenv", "python-dotenv"),
    ("fitz", "pymupdf"),
    ("github", "pygithub"),
    ("gitlab", "python-gitlab"),
    ("googleapiclient", "google-api-python-client"),
    ("jose", "python-jose"),
    ("jwt", "pyjwt"),
    ("ldap", "python-ldap"),
    ("magic", "python-magic"),
    ("markdown_it", "markdown-it-py"),
    ("nacl", "pynacl"),
    ("pkg_resources", "setuptools"),
    ("pptx", "python-pptx"),
    ("psycopg2", "psycopg2-binary"),
    ("ruamel", "ruamel-yaml"),
    ("serial", "pyserial"),
    ("skimage", "scikit-image"),
    ("sklearn", "scikit-learn"),
    ("slugify", "python-slugify"),
    ("socks", "pysocks"),
    ("telegram", "python-telegram-bot"),
    ("usb", "pyusb"),
    ("win32api", "pywin32"),
    ("yaml", "pyyaml"),
    ("zmq", "pyzmq"),
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_module_leads_to_its_distribution() {
        assert!(OTHERWISE.is_sorted());
        for (module, distribution) in [
            ("PIL", "pillow"),
            ("yaml", "pyyaml"),
            ("bs4", "beautifulsoup4"),
            ("dateutil", "python-dateutil"),
            ("requests", "requests"),
            ("charset_normalizer", "charset-normalizer"),
        ] {
            assert_eq!(distribution_of(module), distribution);
        }
        assert!(OTHERWISE.iter().all(|(_, name)| normalized(name) == *name));
    }

    proptest! {
        #[test]
        fn a_spelling_is_spelled_once(name in "[A-Za-z0-9._-]{0,30}") {
            let once = normalized(&name);
            prop_assert_eq!(normalized(&once), once);
        }
    }
}
