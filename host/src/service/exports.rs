//! The tools of a component: how they are shown, and which names a tool holds on its server.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::code::schema as json;
use super::{Error, tools};
use crate::db::servers::Server;
use crate::db::tools::{self as tool_rows, Tool};
use crate::db::versions::Version;
use crate::db::{Texts, Tx, tool_names};
use crate::domain::component::{Export, ToolAnnotations};
use crate::domain::json::JsonSchema;
use crate::domain::schema;
use crate::domain::tool::ToolKind;

/// One tool of a component.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ExportView {
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub title: Option<String>,
    pub description: String,
    /// Not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = JsonSchema)]
    pub input_schema: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = JsonSchema)]
    pub output_schema: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub annotations: Option<ToolAnnotations>,
    /// Why clients are not offered it; absent when they are, and in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub quarantine: Option<String>,
}

/// The same, with where it stands.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ToolExportView {
    #[serde(flatten)]
    pub export: ExportView,
    /// What a model calls.
    pub gateway_name: String,
    /// False: it is switched off.
    pub enabled: bool,
}

pub(super) fn view(export: &Export) -> Result<ExportView, Error> {
    Ok(ExportView {
        name: export.name.clone(),
        title: export.title.clone(),
        description: export.description.clone(),
        input_schema: Some(json(&export.input_schema)?),
        output_schema: export.output_schema.as_deref().map(json).transpose()?,
        annotations: export.annotations,
        quarantine: None,
    })
}

/// Says of each export why it is in quarantine, if it is.
pub(super) fn judge<'a>(views: impl IntoIterator<Item = &'a mut ExportView>, version: &Version) {
    for (view, export) in views.into_iter().zip(&version.exports.0) {
        view.quarantine = schema::problem(&export.input_schema, export.output_schema.as_deref());
    }
}

/// Why a tool that is no component is in quarantine, if it is.
pub(super) fn quarantine(version: &Version) -> Option<String> {
    if version.kind == ToolKind::Component {
        return None;
    }
    schema::problem(&version.input_schema, version.output_schema.as_deref())
}

/// The exports of a tool's version, as they are on its server.
pub(super) fn views(server: &Server, tool: &Tool, version: &Version) -> Result<Vec<ToolExportView>, Error> {
    let each = version.exports.0.iter().map(|export| {
        Ok(ToolExportView {
            export: view(export)?,
            gateway_name: tools::called(server, &export.name)?,
            enabled: is_enabled(tool, &export.name),
        })
    });
    each.collect()
}

/// Whether an export of this tool may be called, as far as the tool itself goes.
pub(super) fn is_enabled(tool: &Tool, export: &str) -> bool {
    !tool.disabled_exports.0.iter().any(|disabled| disabled == export)
}

/// Whether anything of this version can be called, as far as switches go.
pub(super) fn offers(tool: &Tool, version: &Version) -> bool {
    version.kind != ToolKind::Component || version.exports.0.iter().any(|export| is_enabled(tool, &export.name))
}

/// The exports that are to be switched off, if each is one.
///
/// # Errors
/// [`Error::Invalid`] with the first that is none.
pub(super) fn disabled(mut names: Vec<String>, latest: &Version, live: Option<&Version>) -> Result<Texts, Error> {
    names.sort_unstable();
    names.dedup();
    let known = |name: &String| {
        let mut exports = latest.exports.0.iter().chain(live.iter().flat_map(|live| &live.exports.0));
        exports.any(|export| export.name == *name)
    };
    match names.iter().find(|name| !known(name)) {
        Some(name) => Err(Error::invalid("/disabled_tools", format!("the component has no tool `{name}`"))),
        None => Ok(Texts(names)),
    }
}

/// What can be called of a version.
fn names(version: &Version) -> Vec<String> {
    match version.kind.has_exports() {
        true => version.exports.0.iter().map(|export| export.name.clone()).collect(),
        false => vec![version.name.clone()],
    }
}

/// Makes the tool hold the names of its live and its newest version, and no others.
///
/// # Errors
/// [`Error::Conflict`] when another tool of the server holds one of them; it names both.
pub(super) async fn hold(
    tx: &Tx,
    server: &Server,
    tool: &Tool,
    live: Option<&Version>,
    latest: &Version,
) -> Result<(), Error> {
    let mut held = names(latest);
    held.extend(live.map(names).unwrap_or_default());
    held.sort_unstable();
    held.dedup();
    free(tx, server, Some(tool), latest.kind, &held).await?;
    let done = tool_names::hold(tx, server.id, tool.id, &held).await;
    // Somebody else may have been a moment faster.
    done.map_err(|error| tools::taken(error, server, &tool.name))
}

/// Refuses names that another tool of the server holds.
///
/// # Errors
/// [`Error::Conflict`] with the first.
pub(super) async fn free(
    db: &impl crate::db::Conn,
    server: &Server,
    tool: Option<&Tool>,
    kind: ToolKind,
    names: &[String],
) -> Result<(), Error> {
    let Some((name, holder)) = tool_names::held_by_others(db, server.id, tool.map(|tool| tool.id), names).await? else {
        return Ok(());
    };
    let holder = tool_rows::by_id(db, holder).await?.map_or_else(String::new, |holder| holder.name);
    let exports =
        if kind == ToolKind::Component { format!("the component exports `{name}`, and ") } else { String::new() };
    let through =
        if holder == name || holder.is_empty() { String::new() } else { format!(", which belongs to `{holder}`") };
    Err(Error::conflict(format!("{exports}the server `{}` already has a tool `{name}`{through}", server.name)))
}
