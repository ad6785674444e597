//! A set of packages as the product makes one, of modules that are made up: twenty in one package, each with
//! functions and a class, which import each other.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use mcpbox::domain::digest::Digest;
use mcpbox::domain::modules::Imports;
use mcpbox::domain::package::PackageSet;
use mcpbox::packages::{Fetched, build};
use mcpbox::sandbox::Sandbox;
use tempfile::TempDir;

const MODULES: usize = 20;

/// A tool that imports all of it.
pub const TOOL: &str = "import bundle\ndef main():\n    return bundle.m19.f0(1)\n";

fn module(number: usize) -> String {
    let mut source = if number == 0 { String::new() } else { format!("from . import m{}\n", number - 1) };
    for at in 0..12 {
        let _ = write!(
            source,
            "\ndef f{at}(value, *, times=2, name='x'):\n    \"\"\"Does something.\"\"\"\n    found = [value * n for n in \
             range(times)]\n    return {{'name': name, 'found': sorted(found), 'at': {at}}}\n"
        );
    }
    source + "\nclass Thing:\n    size = 3\n\n    def __init__(self, a):\n        self.a = a\n"
}

/// Makes the set, and what a call needs to import from it; the folder holds the set.
///
/// # Errors
/// When the interpreter does not compile it.
pub async fn set(sandbox: &Sandbox) -> anyhow::Result<(TempDir, Imports)> {
    let mut fetched = Fetched::default();
    let names: Vec<String> = (0..MODULES).map(|number| format!("m{number}")).collect();
    fetched.files.insert("bundle/__init__.py".to_owned(), format!("from . import {}\n", names.join(", ")).into());
    for (number, name) in names.iter().enumerate() {
        fetched.files.insert(format!("bundle/{name}.py"), module(number).into());
    }
    let sources = fetched.files.iter().map(|(file, text)| (file.clone(), Arc::from(text.as_slice()))).collect();
    let until = tokio::time::Instant::now() + Duration::from_secs(60);
    let compiled = sandbox.compile_modules(sources, until).await?.context("compiling took too long")?;
    let bytes = build(&fetched, &compiled);
    let folder = TempDir::new()?;
    std::fs::write(folder.path().join("set"), &bytes)?;
    let packages = PackageSet { digest: Digest::of(&bytes), folder: folder.path().to_owned() };
    Ok((folder, Imports { packages: Some(packages), ..Imports::by_default(&["bundle".to_owned()], "") }))
}
