//! A package index that tests make up, with wheels that they build: PEP 503 pages over PEP 427 archives.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse as _, Response};
use axum::routing::get;
use mcpbox::config::Packaging;
use mcpbox::domain::digest::Digest;

/// The installer, as `scripts/uv.sh` installs it.
pub fn uv() -> PathBuf {
    let cache = crate::sandbox::cache_dir();
    let program = cache.parent().expect("a cache").join("venvs/uv/bin/uv");
    assert!(program.exists(), "uv is missing: run scripts/uv.sh");
    program
}

/// No packages, and nobody who would know of one.
pub fn nowhere() -> Packaging {
    let none = || "http://nowhere.example".to_owned();
    Packaging {
        uv: Some("/nowhere/uv".into()),
        package_index: none(),
        pypi_url: none(),
        osv_url: none(),
        deps_dev_url: none(),
    }
}

/// Files by distribution and name, each with the digest that the index tells.
type Files = BTreeMap<String, BTreeMap<String, (Vec<u8>, Digest)>>;

/// An index that listens until the test ends.
#[derive(Clone, Default)]
pub struct Index {
    files: Arc<Mutex<Files>>,
}

impl Index {
    /// Answers the address of its pages.
    pub async fn open(&self) -> String {
        let router = Router::new()
            .route("/simple/{name}/", get(page))
            .route("/files/{name}/{file}", get(file))
            .with_state(self.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::task::spawn(async move { axum::serve(listener, router).await });
        format!("http://{address}/simple")
    }

    /// Offers a wheel.
    pub fn offer(&self, wheel: &Wheel) {
        let bytes = wheel.bytes();
        let digest = Digest::of(&bytes);
        self.put(wheel, bytes, digest);
    }

    /// Offers a wheel under the digest of other bytes.
    pub fn offer_falsely(&self, wheel: &Wheel) {
        self.put(wheel, wheel.bytes(), Digest::of(b"other bytes"));
    }

    fn put(&self, wheel: &Wheel, bytes: Vec<u8>, digest: Digest) {
        let mut files = self.files.lock().expect("no test failed here");
        files.entry(wheel.name.replace('_', "-")).or_default().insert(wheel.file(), (bytes, digest));
    }
}

async fn page(State(index): State<Index>, Path(name): Path<String>) -> Response {
    let files = index.files.lock().expect("no test failed here");
    let Some(found) = files.get(&name) else { return StatusCode::NOT_FOUND.into_response() };
    let links = found.iter().fold(String::new(), |mut links, (file, (_, digest))| {
        let _ = writeln!(links, "<a href=\"/files/{name}/{file}#sha256={digest}\">{file}</a>");
        links
    });
    Html(format!("<!DOCTYPE html><html><body>{links}</body></html>")).into_response()
}

async fn file(State(index): State<Index>, Path((name, file)): Path<(String, String)>) -> Response {
    let files = index.files.lock().expect("no test failed here");
    match files.get(&name).and_then(|found| found.get(&file)) {
        Some((bytes, _)) => bytes.clone().into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// A wheel to be built.
pub struct Wheel {
    name: &'static str,
    version: &'static str,
    tag: &'static str,
    requires: &'static [&'static str],
    files: Vec<(&'static str, String)>,
}

impl Wheel {
    /// One of Python alone.
    pub fn new(name: &'static str, version: &'static str, files: &[(&'static str, &str)]) -> Self {
        let files = files.iter().map(|(path, text)| (*path, (*text).to_owned())).collect();
        Self { name, version, tag: "py3-none-any", requires: &[], files }
    }

    pub fn requiring(self, requires: &'static [&'static str]) -> Self {
        Self { requires, ..self }
    }

    pub fn tagged(self, tag: &'static str) -> Self {
        Self { tag, ..self }
    }

    fn file(&self) -> String {
        format!("{}-{}-{}.whl", self.name, self.version, self.tag)
    }

    fn bytes(&self) -> Vec<u8> {
        let Self { name, version, tag, requires, .. } = self;
        let requires: String = requires.iter().map(|one| format!("Requires-Dist: {one}\n")).collect();
        let info = format!("{name}-{version}.dist-info");
        let mut files: Vec<(String, String)> =
            self.files.iter().map(|(path, text)| ((*path).to_owned(), text.clone())).collect();
        let metadata = format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}");
        files.push((format!("{info}/METADATA"), metadata));
        let wheel = format!("Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n");
        files.push((format!("{info}/WHEEL"), wheel));
        let record: String = files.iter().map(|(path, _)| format!("{path},,\n")).collect();
        files.push((format!("{info}/RECORD"), format!("{record}{info}/RECORD,,\n")));
        zip(&files)
    }
}

/// A ZIP archive (APPNOTE.TXT 6.3) of files that are stored as they are.
fn zip(files: &[(String, String)]) -> Vec<u8> {
    let (mut archive, mut directory) = (Vec::new(), Vec::new());
    for (path, text) in files {
        let (at, size) = (archive.len(), text.len());
        // Version needed, flags, method, time, date, checksum, sizes, lengths of name and extra field.
        let mut header = Vec::new();
        for word in [20, 0, 0, 0, 0x21] {
            header.extend_from_slice(&u16::to_le_bytes(word));
        }
        for word in [crc32(text.as_bytes()), size as u32, size as u32] {
            header.extend_from_slice(&word.to_le_bytes());
        }
        header.extend_from_slice(&(path.len() as u16).to_le_bytes());
        header.extend_from_slice(&[0, 0]);
        archive.extend_from_slice(b"PK\x03\x04");
        archive.extend_from_slice(&header);
        archive.extend_from_slice(path.as_bytes());
        archive.extend_from_slice(text.as_bytes());
        directory.extend_from_slice(b"PK\x01\x02\x14\x00");
        directory.extend_from_slice(&header);
        // Comment, disk and attributes: none; then where the file begins.
        directory.extend_from_slice(&[0; 10]);
        directory.extend_from_slice(&(at as u32).to_le_bytes());
        directory.extend_from_slice(path.as_bytes());
    }
    let (at, count) = (archive.len() as u32, (files.len() as u16).to_le_bytes());
    let size = (directory.len() as u32).to_le_bytes();
    archive.extend_from_slice(&directory);
    archive.extend_from_slice(b"PK\x05\x06\x00\x00\x00\x00");
    for part in [&count[..], &count, &size, &at.to_le_bytes(), &[0, 0]] {
        archive.extend_from_slice(part);
    }
    archive
}

/// CRC-32 as ZIP has it (polynomial 0xedb88320).
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 })
    })
}
