//! How two versions of a tool differ, in everything that an approval covers.

use std::str::FromStr;

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::calls::content;
use super::tools::{self, Found};
use super::{Error, Service, versions};
use crate::db::Conn;
use crate::db::versions::Version;
use crate::domain::caller::Caller;
use crate::domain::diff::{self, Diff};
use crate::domain::digest::Digest;
use crate::domain::ids::ToolId;
use crate::domain::skill::{Skill, SkillFile};
use crate::domain::tool::ToolKind;

/// Of one text's differences.
const DIFF_BYTES: usize = 256 << 10;

/// A version as a caller names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionName {
    Number(i32),
    /// The one that is called.
    Live,
    /// The newest one.
    Latest,
}

impl FromStr for VersionName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "live" => Ok(Self::Live),
            "latest" => Ok(Self::Latest),
            number => number.parse().map(Self::Number).map_err(|_| {
                let shown: String = number.chars().take(40).collect();
                Error::invalid("", format!("`{shown}` is no version; give a number, `live` or `latest`"))
            }),
        }
    }
}

/// What is different, by what kind of thing it is; what is the same is not listed.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ComparisonView {
    pub from: i32,
    pub to: i32,
    pub from_digest: Digest,
    pub to_digest: Digest,
    pub is_same: bool,
    pub fields: Vec<FieldChange>,
    pub texts: Vec<TextChange>,
    pub lists: Vec<ListChange>,
}

#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct FieldChange {
    pub field: &'static str,
    pub before: Value,
    pub after: Value,
}

/// A unified diff.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct TextChange {
    pub field: &'static str,
    pub diff: String,
    /// Whether there is more of it than is shown.
    pub is_cut: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ListChange {
    pub field: &'static str,
    pub added: Vec<String>,
    pub removed: Vec<String>,
}

impl Service {
    /// What changed from one version of a tool to another.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such version, or none is live.
    pub async fn tool_version_compare(
        &self,
        _caller: &Caller,
        tool: ToolId,
        from: VersionName,
        to: VersionName,
    ) -> Result<ComparisonView, Error> {
        let found = tools::found(self.db(), tool).await?;
        let from = named(self.db(), &found, from).await?;
        let to = named(self.db(), &found, to).await?;
        let sources = [versions::source(self.db(), &from).await?, versions::source(self.db(), &to).await?];
        Ok(compare(&from, &to, sources.map(Option::unwrap_or_default)))
    }
}

async fn named(db: &impl Conn, found: &Found, name: VersionName) -> Result<Version, Error> {
    match name {
        VersionName::Number(number) => versions::of_number(db, found, number).await,
        VersionName::Latest => Ok(found.latest.clone()),
        VersionName::Live => {
            let live = tools::live(db, &found.tool).await?;
            live.ok_or_else(|| Error::not_found("version", "live", "no version of this tool is approved"))
        }
    }
}

fn compare(from: &Version, to: &Version, [old_source, new_source]: [String; 2]) -> ComparisonView {
    let (before, after) = (content(from), content(to));
    // The one export of an external tool says what its definition says.
    let twice = before.kind == ToolKind::McpPassthrough && after.kind == before.kind;
    let exports = |exports: &[_]| {
        let none = exports.is_empty() || twice;
        if none { String::new() } else { serde_json::to_string_pretty(exports).unwrap_or_default() }
    };
    let fields = [
        ("kind", before.kind.as_str().into(), after.kind.as_str().into()),
        ("name", before.name.into(), after.name.into()),
        ("timeout_ms", before.timeout_ms.into(), after.timeout_ms.into()),
        ("source_digest", before.source_digest.to_string().into(), after.source_digest.to_string().into()),
    ];
    let texts = [
        ("description", before.description, after.description),
        ("code", old_source, new_source),
        ("input_schema", pretty(&before.input_schema), pretty(&after.input_schema)),
        (
            "output_schema",
            pretty(before.output_schema.as_deref().unwrap_or_default()),
            pretty(after.output_schema.as_deref().unwrap_or_default()),
        ),
        ("exports", exports(&before.exports), exports(&after.exports)),
        ("skills", skills(from), skills(to)),
    ];
    let lists = [("hosts", before.hosts, after.hosts), ("modules", before.modules, after.modules)];
    ComparisonView {
        from: from.number,
        to: to.number,
        from_digest: from.digest,
        to_digest: to.digest,
        is_same: from.digest == to.digest,
        fields: fields.into_iter().filter_map(field).collect(),
        texts: texts.into_iter().filter_map(text).collect(),
        lists: lists.into_iter().filter_map(list).collect(),
    }
}

fn field((field, before, after): (&'static str, Value, Value)) -> Option<FieldChange> {
    (before != after).then_some(FieldChange { field, before, after })
}

fn text((field, before, after): (&'static str, String, String)) -> Option<TextChange> {
    let Diff { text, cut } = diff::unified(&before, &after, DIFF_BYTES);
    (!text.is_empty()).then_some(TextChange { field, diff: text, is_cut: cut })
}

fn list((field, before, after): (&'static str, Vec<String>, Vec<String>)) -> Option<ListChange> {
    let without = |list: &[String], other: &[String]| -> Vec<String> {
        list.iter().filter(|name| !other.contains(name)).cloned().collect()
    };
    let (added, removed) = (without(&after, &before), without(&before, &after));
    (!added.is_empty() || !removed.is_empty()).then_some(ListChange { field, added, removed })
}

/// The skills of a component, each with its files and the text that a model reads first.
fn skills(version: &Version) -> String {
    let skill = |Skill { uri, files, instructions, .. }: &Skill| {
        let file = |file: &SkillFile| format!("  {} {} bytes sha256:{}\n", file.path, file.size_bytes, file.digest);
        format!("{uri}\n{}{instructions}\n", files.iter().map(file).collect::<String>())
    };
    let offer = version.surface.as_ref().map(|surface| &surface.offer);
    offer.map_or_else(String::new, |offer| offer.skills.iter().map(skill).collect())
}

/// A schema in many lines; as it is, when it is none.
fn pretty(schema: &str) -> String {
    let parsed: Result<Value, _> = serde_json::from_str(schema);
    parsed.and_then(|schema| serde_json::to_string_pretty(&schema)).unwrap_or_else(|_| schema.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::testing::version;
    use crate::db::{Texts, Whole};

    #[test]
    fn everything_that_an_approval_covers_is_compared() {
        let from = version(ToolId::new(), 1, Digest::of(b"a"));
        let mut to = version(from.tool_id, 2, Digest::of(b"b"));
        to.name = "weather".into();
        to.timeout_ms = Some(Whole(1_000));
        to.description.push('!');
        to.input_schema = r#"{"type":"object","required":["city"]}"#.into();
        to.output_schema = Some("{}".into());
        to.hosts = Texts(vec!["b.example".into()]);
        to.modules = Texts(vec!["yaml".into()]);
        to.digest = Digest::of(b"another");
        let told = compare(&from, &to, ["a\n".into(), "b\n".into()]);
        let names: Vec<&str> = told.fields.iter().map(|field| field.field).collect();
        assert_eq!(names, ["name", "timeout_ms", "source_digest"]);
        let names: Vec<&str> = told.texts.iter().map(|text| text.field).collect();
        assert_eq!(names, ["description", "code", "input_schema", "output_schema"]);
        assert_eq!(told.texts[1].diff, "@@ -1,1 +1,1 @@\n-a\n+b\n");
        let names: Vec<&str> = told.lists.iter().map(|list| list.field).collect();
        assert_eq!(names, ["hosts", "modules"]);
        assert_eq!(told.lists[0].added, ["b.example"]);
        let same = compare(&from, &from, ["a".into(), "a".into()]);
        assert!(same.is_same && same.fields.is_empty() && same.texts.is_empty() && same.lists.is_empty());
    }

    #[test]
    fn a_version_is_named_by_its_number_or_by_what_it_is() {
        for (text, name) in
            [("3", VersionName::Number(3)), ("live", VersionName::Live), ("latest", VersionName::Latest)]
        {
            assert_eq!(text.parse().ok(), Some(name));
        }
        assert!("newest".parse::<VersionName>().is_err());
    }
}
