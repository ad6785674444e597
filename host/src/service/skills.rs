//! Skills are instructions for a model, and what a person approved is what a model reads: a component that answers
//! something else for a file than it did when it was uploaded has failed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::programs::Runs;
use crate::db::versions::Version;
use crate::domain::component::Entry;
use crate::domain::content::{EmbeddedResource, ResourceBody};
use crate::domain::digest::Digest;
use crate::domain::outcome::{Outcome, Report};
use crate::domain::skill::{Skill, SkillFile};
use crate::executor::Program;

/// Holds what was read of a skill's file to what was approved. Everything else stays as it is.
pub(super) fn file_checked(version: &Version, runs: &Runs, mut report: Report) -> Report {
    let Runs::Guest(Program::Component { entry: Entry::Resource { uri }, .. }) = runs else { return report };
    let skills = version.surface.as_ref().map_or(&[][..], |surface| &surface.offer.skills);
    if let (Some(file), Outcome::Answered(json)) = (file_of(skills, uri), &report.outcome)
        && !is_as_approved(json.get(), uri, file)
    {
        let message = format!(
            "`{uri}` is another one than when its component was uploaded, and nobody approved that; its author has to \
             upload the component again"
        );
        report.outcome = Outcome::InvalidResult { message };
    }
    report
}

fn file_of<'a>(skills: &'a [Skill], uri: &str) -> Option<&'a SkillFile> {
    skills.iter().find_map(|skill| skill.file(uri))
}

fn is_as_approved(json: &str, uri: &str, file: &SkillFile) -> bool {
    /// MCP's `ReadResourceResult`.
    #[derive(Deserialize)]
    struct Read {
        contents: Vec<EmbeddedResource>,
    }
    let read = serde_json::from_str::<Read>(json).map(|read| read.contents);
    let Ok([one]) = read.as_deref() else { return false };
    let digest = match &one.body {
        ResourceBody::Text(text) => Digest::of(text.as_bytes()),
        ResourceBody::Blob(blob) => match STANDARD.decode(blob) {
            Ok(bytes) => Digest::of(&bytes),
            Err(_) => return false,
        },
    };
    one.uri == uri && one.mime_type == file.mime_type && digest == file.digest
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_file_is_what_it_was_or_refused() {
        let file = SkillFile { path: "SKILL.md".into(), mime_type: None, digest: Digest::of(b"text"), size_bytes: 4 };
        let is_it = |contents: serde_json::Value| {
            is_as_approved(&json!({ "contents": contents }).to_string(), "skill://a/SKILL.md", &file)
        };
        assert!(is_it(json!([{"uri": "skill://a/SKILL.md", "text": "text"}])));
        assert!(is_it(json!([{"uri": "skill://a/SKILL.md", "blob": "dGV4dA=="}])));
        for other in [
            json!([{"uri": "skill://a/SKILL.md", "text": "other"}]),
            json!([{"uri": "skill://b/SKILL.md", "text": "text"}]),
            json!([{"uri": "skill://a/SKILL.md", "blob": "?"}]),
            json!([{"uri": "skill://a/SKILL.md", "text": "text"}, {"uri": "skill://a/SKILL.md", "text": "text"}]),
            json!([{"uri": "skill://a/SKILL.md", "mimeType": "text/html", "text": "text"}]),
            json!([]),
        ] {
            assert!(!is_it(other.clone()), "{other}");
        }
    }
}
