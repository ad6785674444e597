//! `mcpbox tool new`: makes a folder with a tool that works, to start from.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};

use crate::domain::names::ToolName;

// `TEMPLATES`: language, path in the folder, bytes; made from `guest-sdk/templates`.
include!(concat!(env!("OUT_DIR"), "/templates.rs"));

/// Stands for the tool's name in the templates.
const NAME: &str = "{{name}}";

#[derive(Args)]
pub(in crate::cli) struct New {
    /// In which language.
    #[arg(long, value_name = "LANGUAGE")]
    lang: Lang,
    /// The name of the tool, and of the folder that is made.
    name: ToolName,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Lang {
    Python,
    Javascript,
    Typescript,
    Rust,
    C,
}

impl Lang {
    fn folder(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::Javascript => "javascript",
            Self::Typescript => "typescript",
            Self::Rust => "rust",
            Self::C => "c",
        }
    }

    /// What to do next, in the new folder.
    fn next(self, name: &ToolName) -> String {
        let run = |file: &str| format!("mcpbox tool run {file} '{{\"name\": \"Ada\"}}'");
        match self {
            Self::Python => run("main.py"),
            Self::Javascript => run("main.js"),
            Self::Typescript => run("main.ts"),
            Self::Rust => format!(
                "cargo add mcpbox-sdk --path CHECKOUT/guest-sdk   # MCPbox lies in CHECKOUT; its SDK is not published yet\n  \
                 rustup target add wasm32-unknown-unknown\n  cargo build --release --target wasm32-unknown-unknown\n  {}",
                run(&format!("target/wasm32-unknown-unknown/release/{name}.wasm"))
            ),
            Self::C => format!("make\n  {}", run(&format!("{name}.wasm"))),
        }
    }
}

impl New {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let files: Vec<_> = TEMPLATES.iter().filter(|(lang, ..)| *lang == self.lang.folder()).collect();
        if files.is_empty() {
            bail!("this build has no template for {}", self.lang.folder());
        }
        let folder = PathBuf::from(self.name.as_str());
        if folder.exists() {
            bail!("{} is there already; give another name", folder.display());
        }
        for (_, path, bytes) in files {
            write(&folder.join(path), &filled(bytes, self.name.as_str()))?;
        }
        println!("Made {}. Next:\n\n  cd {}\n  {}", self.name, self.name, self.lang.next(&self.name));
        Ok(ExitCode::SUCCESS)
    }
}

/// A template with the name in its place; what is no text stays as it is.
fn filled(bytes: &[u8], name: &str) -> Vec<u8> {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.replace(NAME, name).into_bytes(),
        Err(_) => bytes.to_vec(),
    }
}

fn write(file: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    std::fs::write(file, bytes).with_context(|| file.display().to_string())
}
