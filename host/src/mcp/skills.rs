//! Skills as clients see them (`Skill` of the extension `io.modelcontextprotocol/skills`).

use serde::Serialize;
use serde_json::{Map, Value};

use crate::domain::skill::{Skill, SkillFile, root_of};

/// The extension, as capabilities name it.
pub(super) const SKILLS: &str = "io.modelcontextprotocol/skills";

/// One skill with all its files.
#[derive(Serialize)]
pub(super) struct Entry {
    uri: String,
    frontmatter: Map<String, Value>,
    resources: Vec<EntryFile>,
}

#[derive(Serialize)]
struct EntryFile {
    uri: String,
    /// `sha256:` and 64 digits.
    digest: String,
    size: u64,
}

impl Entry {
    /// Of a skill whose main file is called `uri` here.
    pub(super) fn of(skill: &Skill, uri: &str) -> Self {
        let root = root_of(uri);
        let file = |SkillFile { path, digest, size_bytes, .. }: &SkillFile| EntryFile {
            uri: format!("{root}/{path}"),
            digest: format!("sha256:{digest}"),
            size: *size_bytes,
        };
        Self {
            uri: uri.to_owned(),
            frontmatter: skill.frontmatter.clone(),
            resources: skill.files.iter().map(file).collect(),
        }
    }
}
