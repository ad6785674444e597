//! The versions of a tool: what makes a new one, where it stands, and what became of the old ones.
//!
//! A version never changes. Changing a tool makes another version, which a person has to approve
//! before it is called; until then the approved one stays live.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::calls::content;
use super::code::schema;
use super::exports::{self, ExportView};
use super::permission::change_source;
use super::tools::{self, Found, ToolView};
use super::{Error, Page, PageRequest, Service, audit, edits, policies};
use crate::db::versions::{self, Version};
use crate::db::{Conn, Exports, Texts, Whole, blobs};
use crate::domain::caller::Caller;
use crate::domain::component::{Export, Surface};
use crate::domain::digest::Digest;
use crate::domain::ids::{ToolId, VersionId};
use crate::domain::json::JsonSchema;
use crate::domain::tool::{ApprovalStatus, ChangeSource, Language, ToolKind};
use crate::domain::version::VersionContent;

/// One state of a tool.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct VersionView {
    pub id: VersionId,
    pub number: i32,
    pub name: String,
    pub description: String,
    pub kind: ToolKind,
    pub timeout_ms: Option<u64>,
    #[schema(value_type = JsonSchema)]
    pub input_schema: Value,
    #[schema(value_type = Option<JsonSchema>)]
    pub output_schema: Option<Value>,
    pub hosts: Vec<String>,
    pub modules: Vec<String>,
    /// What an approval covers.
    pub digest: Digest,
    pub approval_status: ApprovalStatus,
    /// Whether this is the version that is called.
    pub is_live: bool,
    pub publish_notes: Option<String>,
    pub submitted_at: Option<DateTime<Utc>>,
    pub reviewed_at: Option<DateTime<Utc>>,
    pub reviewed_by: Option<String>,
    pub rejection_reason: Option<String>,
    pub change_source: ChangeSource,
    pub change_summary: String,
    pub created_by: String,
    pub created_at: DateTime<Utc>,
    /// Why clients would not be offered it, as far as its schemas go; where a version is shown alone or waits
    /// for a decision.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub quarantine: Option<String>,
    /// None: it is a component, or a tool of an external source.
    pub language: Option<Language>,
    #[serde(flatten)]
    pub source: SourceView,
    /// The tools of a component.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exports: Vec<ExportView>,
    /// What a component imports, and could use if it were granted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub component: Option<Surface>,
}

/// A source as its author gave it; not in lists, and not of a component.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct SourceView {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub code: Option<String>,
    /// The same again when it is Python, under the name that the first MCPbox gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub python_code: Option<String>,
}

impl SourceView {
    pub(super) fn of(kind: ToolKind, source: Option<String>) -> Self {
        let python_code = source.clone().filter(|_| kind == ToolKind::PythonCode);
        Self { code: source, python_code }
    }
}

impl Service {
    /// The versions of a tool, newest first.
    pub async fn tool_versions(
        &self,
        _caller: &Caller,
        tool: ToolId,
        page: PageRequest,
    ) -> Result<Page<VersionView>, Error> {
        let page = page.of_rows(self.limits())?;
        let found = tools::found(self.db(), tool).await?;
        let rows = versions::of_tool(self.db(), tool, &page).await?;
        Page::from(rows).try_map(|version| view(&version, found.tool.live_version_id, None))
    }

    /// One version of a tool with its source.
    pub async fn tool_version_get(&self, _caller: &Caller, tool: ToolId, number: i32) -> Result<VersionView, Error> {
        let found = tools::found(self.db(), tool).await?;
        let version = of_number(self.db(), &found, number).await?;
        let source = source(self.db(), &version).await?;
        judged(&version, found.tool.live_version_id, source)
    }
}

impl Service {
    /// Makes an older version the newest again: a new version with its content, which waits for approval as
    /// any change does.
    ///
    /// # Errors
    /// [`Error::NotFound`] without such a version; [`Error::Conflict`] when nothing would change, or its name
    /// is taken.
    pub async fn tool_rollback(&self, caller: &Caller, id: ToolId, number: i32) -> Result<ToolView, Error> {
        self.may_edit(caller).await?;
        let now = self.clock().now();
        let tx = self.db().begin().await?;
        let mut found = tools::locked(&tx, id).await?;
        let old = of_number(&tx, &found, number).await?;
        let Some(mut next) = following(&found.latest, content(&old), caller, now) else {
            let newest = found.latest.number;
            return Err(Error::conflict(format!("version {newest}, the newest, is the same as version {number}")));
        };
        next.surface.clone_from(&old.surface);
        next.change_source = ChangeSource::Rollback;
        next.change_summary = format!("rolled back to version {number}: {}", next.change_summary);
        let before = json!({ "version": found.latest.number, "digest": found.latest.digest });
        let policies = policies::in_force(&tx).await?;
        let effect = edits::put(&tx, caller, &policies, &mut found, next).await?;
        let after = json!({
            "version": found.latest.number,
            "digest": found.latest.digest,
            "rolled_back_to": number,
            "status": found.latest.approval_status,
            "live_version": effect.live,
        });
        audit::write(&tx, caller, now, tools::act("tool.rollback", id, Some(before), Some(after))).await?;
        tx.commit().await?;
        self.took_effect(&effect);
        self.tool_view(found, None).await
    }
}

/// A version of a tool by its number.
///
/// # Errors
/// [`Error::NotFound`], with the numbers that there are.
pub(super) async fn of_number(db: &impl Conn, found: &Found, number: i32) -> Result<Version, Error> {
    let version = versions::by_number(db, found.tool.id, number).await?;
    version.ok_or_else(|| {
        let hint = format!("the newest version is {}", found.latest.number);
        Error::not_found("version", number.to_string(), hint)
    })
}

pub(super) fn view(version: &Version, live: Option<VersionId>, source: Option<String>) -> Result<VersionView, Error> {
    Ok(VersionView {
        id: version.id,
        number: version.number,
        name: version.name.clone(),
        description: version.description.clone(),
        kind: version.kind,
        timeout_ms: version.timeout_ms.map(u64::from),
        input_schema: schema(&version.input_schema)?,
        output_schema: version.output_schema.as_deref().map(schema).transpose()?,
        hosts: version.hosts.0.clone(),
        modules: version.modules.0.clone(),
        digest: version.digest,
        approval_status: version.approval_status,
        is_live: live == Some(version.id),
        publish_notes: version.publish_notes.clone(),
        submitted_at: version.submitted_at,
        reviewed_at: version.reviewed_at,
        reviewed_by: version.reviewed_by.clone(),
        rejection_reason: version.rejection_reason.clone(),
        change_source: version.change_source,
        change_summary: version.change_summary.clone(),
        created_by: version.created_by.clone(),
        created_at: version.created_at,
        quarantine: None,
        language: version.kind.language(),
        source: SourceView::of(version.kind, source),
        exports: version.exports.0.iter().map(exports::view).collect::<Result<_, _>>()?,
        component: version.surface.clone(),
    })
}

/// As [`view`], with what is wrong with its schemas.
pub(super) fn judged(version: &Version, live: Option<VersionId>, source: Option<String>) -> Result<VersionView, Error> {
    let mut view = view(version, live, source)?;
    exports::judge(&mut view.exports, version);
    Ok(VersionView { quarantine: exports::quarantine(version), ..view })
}

/// The source of a version, as its author gave it, or the definition of an external one; a component has
/// none.
pub(super) async fn source(db: &impl Conn, version: &Version) -> Result<Option<String>, Error> {
    let doing = "reading a source";
    if version.kind == ToolKind::Component {
        return Ok(None);
    }
    let digest = version.source_digest;
    let bytes = blobs::get(db, digest).await?.ok_or_else(|| Error::internal(doing, format!("{digest} is missing")))?;
    String::from_utf8(bytes).map(Some).map_err(|error| Error::internal(doing, error))
}

/// The row of a version that nobody has reviewed.
pub(super) fn row(
    tool_id: ToolId,
    number: i32,
    content: VersionContent,
    status: ApprovalStatus,
    summary: String,
    caller: &Caller,
    at: DateTime<Utc>,
) -> Version {
    Version {
        id: VersionId::new(),
        tool_id,
        number,
        digest: content.digest(),
        name: content.name,
        description: content.description,
        kind: content.kind,
        source_digest: content.source_digest,
        timeout_ms: content.timeout_ms.map(Whole),
        input_schema: content.input_schema,
        output_schema: content.output_schema,
        exports: Exports(content.exports),
        surface: None,
        hosts: Texts(content.hosts),
        modules: Texts(content.modules),
        secret_names: Texts(content.secret_names),
        approval_status: status,
        publish_notes: None,
        submitted_at: None,
        submitted_by: None,
        reviewed_at: None,
        reviewed_by: None,
        rejection_reason: None,
        change_source: change_source(caller),
        change_summary: summary,
        created_by: caller.to_string(),
        created_at: at,
    }
}

/// The version that follows `latest`, or none when nothing has changed. Where it stands is said when it
/// takes its place ([`edits::put`](super::edits::put)).
pub(super) fn following(
    latest: &Version,
    changed: VersionContent,
    caller: &Caller,
    at: DateTime<Utc>,
) -> Option<Version> {
    let summary = summary(&content(latest), &changed)?;
    let status = ApprovalStatus::Draft;
    let mut version = row(latest.tool_id, latest.number + 1, changed, status, summary, caller, at);
    if version.source_digest == latest.source_digest {
        version.surface.clone_from(&latest.surface);
    }
    Some(version)
}

/// What a change did, in words; none when it did nothing.
fn summary(before: &VersionContent, after: &VersionContent) -> Option<String> {
    let mut parts = Vec::new();
    if before.name != after.name {
        parts.push(format!("renamed from {} to {}", before.name, after.name));
    }
    if before.description != after.description {
        parts.push("changed the description".to_owned());
    }
    if before.source_digest != after.source_digest {
        let what = match after.kind {
            ToolKind::Component => "component",
            ToolKind::McpPassthrough => "definition",
            ToolKind::PythonCode | ToolKind::JavascriptCode => "code",
        };
        parts.push(format!("changed the {what}"));
    } else if (&before.input_schema, &before.output_schema) != (&after.input_schema, &after.output_schema) {
        parts.push("derived the schemas anew".to_owned());
    }
    if before.timeout_ms != after.timeout_ms {
        let words = |ms: Option<u64>| ms.map_or_else(|| "the default".to_owned(), |ms| format!("{ms} ms"));
        parts.push(format!("changed the time limit from {} to {}", words(before.timeout_ms), words(after.timeout_ms)));
    }
    parts.extend(exports_summary(&before.exports, &after.exports));
    for (what, before, after) in [
        ("host", &before.hosts, &after.hosts),
        ("module", &before.modules, &after.modules),
        ("secret", &before.secret_names, &after.secret_names),
    ] {
        parts.extend(missing(after, before).map(|name| format!("asks for the {what} {name}")));
        parts.extend(missing(before, after).map(|name| format!("no longer asks for the {what} {name}")));
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// What became of the tools of a component, in words.
fn exports_summary(before: &[Export], after: &[Export]) -> Vec<String> {
    let find = |list: &[Export], name: &str| list.iter().find(|export| export.name == name).cloned();
    let of = |what: &str, names: Vec<&str>| (!names.is_empty()).then(|| format!("{what} {}", names.join(", ")));
    let new = after.iter().filter(|export| find(before, &export.name).is_none());
    let gone = before.iter().filter(|export| find(after, &export.name).is_none());
    let other = after.iter().filter(|export| find(before, &export.name).is_some_and(|old| old != **export));
    [
        of("adds the tools", new.map(|export| export.name.as_str()).collect()),
        of("drops the tools", gone.map(|export| export.name.as_str()).collect()),
        of("changes what it says of the tools", other.map(|export| export.name.as_str()).collect()),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What is in `list` and not in `other`.
fn missing<'a>(list: &'a [String], other: &'a [String]) -> impl Iterator<Item = &'a String> {
    list.iter().filter(|name| !other.contains(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::caller::Who;

    fn content_of(name: &str) -> VersionContent {
        VersionContent {
            kind: ToolKind::PythonCode,
            name: name.into(),
            description: "Tells the weather.".into(),
            source_digest: Digest::of(b"source"),
            timeout_ms: None,
            input_schema: "{}".into(),
            output_schema: None,
            exports: Vec::new(),
            hosts: vec!["a.example".into()],
            modules: vec![],
            secret_names: vec![],
        }
    }

    fn local() -> Caller {
        Caller { who: Who::Local, from: None }
    }

    fn version(status: ApprovalStatus) -> Version {
        let at = DateTime::UNIX_EPOCH;
        row(ToolId::new(), 3, content_of("forecast"), status, "created".into(), &local(), at)
    }

    #[test]
    fn each_change_is_told_in_words() {
        type Change = fn(&mut VersionContent);
        let cases: [(Change, &str); 8] = [
            (|c| c.name = "weather".into(), "renamed from forecast to weather"),
            (|c| c.description.push('!'), "changed the description"),
            (|c| c.source_digest = Digest::of(b"other"), "changed the code"),
            (|c| c.input_schema.push(' '), "derived the schemas anew"),
            (|c| c.timeout_ms = Some(1_000), "changed the time limit from the default to 1000 ms"),
            (|c| c.hosts.push("b.example:443".into()), "asks for the host b.example:443"),
            (|c| c.hosts.clear(), "no longer asks for the host a.example"),
            (|c| c.secret_names.push("KEY".into()), "asks for the secret KEY"),
        ];
        for (change, words) in cases {
            let mut changed = content_of("forecast");
            change(&mut changed);
            assert_eq!(summary(&content_of("forecast"), &changed).as_deref(), Some(words));
        }
    }

    #[test]
    fn what_became_of_each_tool_of_a_component_is_told() {
        let export = |name: &str, description: &str| Export {
            name: name.into(),
            title: None,
            description: description.into(),
            input_schema: "{}".into(),
            output_schema: None,
            annotations: None,
        };
        let before = [export("a", ""), export("b", ""), export("c", "")];
        let after = [export("b", ""), export("c", "Other."), export("d", ""), export("e", "")];
        let told = ["adds the tools d, e", "drops the tools a", "changes what it says of the tools c"];
        assert_eq!(exports_summary(&before, &after), told);
        assert_eq!(exports_summary(&before, &before), [""; 0]);
        let mut changed = VersionContent { kind: ToolKind::Component, ..content_of("data") };
        let first = changed.clone();
        changed.source_digest = Digest::of(b"other");
        assert_eq!(summary(&first, &changed).as_deref(), Some("changed the component"));
    }

    #[test]
    fn several_changes_are_told_together() {
        let mut changed = content_of("weather");
        changed.source_digest = Digest::of(b"other");
        changed.output_schema = Some("{}".into());
        let told = summary(&content_of("forecast"), &changed);
        assert_eq!(told.as_deref(), Some("renamed from forecast to weather; changed the code"));
    }

    #[test]
    fn a_change_that_changes_nothing_makes_no_version() {
        let latest = version(ApprovalStatus::Approved);
        let mut same = content_of("forecast");
        same.hosts = vec!["a.example".into()];
        assert_eq!(following(&latest, same, &local(), DateTime::UNIX_EPOCH), None);
    }

    #[test]
    fn a_version_carries_the_digest_of_its_content() {
        let version = version(ApprovalStatus::Draft);
        assert_eq!(version.digest, content(&version).digest());
    }
}
