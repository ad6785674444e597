//! Components: uploaded by a person, inspected before anything is kept, then approved like a source.
//!
//! One component is one tool with one version history, one digest and one approval; what it exports is
//! called under names of its own. Its bytes are kept once, whoever uploads them again.

use std::sync::Arc;

use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use utoipa::ToSchema;

use super::permission::people_only;
use super::tools::{self, Found, ToolView};
use super::{Error, Service, audit, edits, exports, given, policies, servers, versions};
use crate::db::blobs;
use crate::db::tools::{self as tool_rows, Tool};
use crate::db::versions::{self as version_rows};
use crate::domain::caller::Caller;
use crate::domain::component::{Export, Inspection};
use crate::domain::digest::Digest;
use crate::domain::ids::ServerId;
use crate::domain::json::is_too_deep;
use crate::domain::names::{ExportName, ToolName};
use crate::domain::outcome::Outcome;
use crate::domain::schema;
use crate::domain::tool::{ApprovalStatus, ToolKind};
use crate::domain::version::VersionContent;

/// What stands as the schema of a component as a whole: each of its tools has its own.
pub(super) const NO_SCHEMA: &str = r#"{"type":"object"}"#;

/// Bytes of a component on their way to becoming a tool.
#[derive(Clone, Debug)]
pub struct GivenComponent {
    pub bytes: Arc<[u8]>,
    /// None: of a new component empty, else as it is.
    pub description: Option<String>,
    /// None: the server's, else the default; of one that exists, as it is.
    pub timeout_ms: Option<u64>,
}

/// How far an upload has come, for whoever watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum UploadStep {
    /// So much has arrived.
    Received { size_bytes: u64 },
    /// It waits until other components are compiled.
    Queued,
    /// It is compiled for this processor.
    Compiling,
    /// It is known what it offers and asks for.
    Inspected { tools: usize },
    /// It is in the database.
    Stored,
}

/// Hears the steps of an upload; what finds the channel full is not repeated.
pub type UploadSteps = mpsc::Sender<UploadStep>;

/// A component as its newest version is.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ComponentView {
    #[serde(flatten)]
    pub tool: ToolView,
    /// Of the bytes.
    pub component_digest: Digest,
    pub size_bytes: u64,
    /// Whether this upload made a version.
    pub changed: bool,
}

impl Service {
    /// Makes a tool of a component, as a draft. For people.
    ///
    /// It is compiled and asked for its tools first; what is refused leaves nothing behind. `steps`
    /// hears how far it has come.
    ///
    /// # Errors
    /// [`Error::Invalid`] with what is wrong with the component; [`Error::Conflict`] when the server has
    /// a tool of this name, or of the name of one of its exports.
    pub async fn component_upload(
        &self,
        caller: &Caller,
        server: ServerId,
        name: &str,
        given: GivenComponent,
        steps: Option<UploadSteps>,
    ) -> Result<ComponentView, Error> {
        people_only(caller, "upload a component")?;
        let name: ToolName = name.parse().map_err(|error| Error::name("/name", &error))?;
        let description = given.description.as_deref().unwrap_or_default();
        let description = given::text("/description", description, given::TOOL_DESCRIPTION)?;
        let timeout_ms = given::timeout("/timeout_ms", given.timeout_ms, self.limits())?;
        let server = servers::found(self.db(), server).await?;
        if tool_rows::by_name(self.db(), server.id, name.as_str()).await?.is_some() {
            return Err(tools::name_taken(&server, name.as_str()));
        }
        let digest = Digest::of(&given.bytes);
        let (exported, surface) = self.inspected(&given.bytes, digest, steps.as_ref()).await?.split();
        let content = VersionContent {
            kind: ToolKind::Component,
            name: name.to_string(),
            description,
            source_digest: digest,
            timeout_ms,
            input_schema: NO_SCHEMA.to_owned(),
            output_schema: None,
            exports: exported,
            hosts: Vec::new(),
            modules: Vec::new(),
            secret_names: Vec::new(),
        };
        let now = self.clock().now();
        let tool = Tool::new(server.id, name.as_str(), &caller.to_string(), now);
        let mut latest = versions::row(tool.id, 1, content, ApprovalStatus::Draft, "uploaded".into(), caller, now);
        latest.surface = Some(surface);
        let tx = self.db().begin().await?;
        blobs::put_known(&tx, digest, &given.bytes, now).await?;
        tool_rows::insert(&tx, tool.clone()).await.map_err(|error| tools::taken(error, &server, &tool.name))?;
        version_rows::insert(&tx, latest.clone()).await?;
        exports::hold(&tx, &server, &tool, None, &latest).await?;
        let after = json!({
            "server": server.name,
            "name": tool.name,
            "kind": latest.kind,
            "version": 1,
            "digest": latest.digest,
            "component": digest,
        });
        audit::write(&tx, caller, now, tools::act("tool.create", tool.id, None, Some(after))).await?;
        tx.commit().await?;
        tell(steps.as_ref(), UploadStep::Stored);
        let found = Found { server, tool, latest };
        Ok(view(self.tool_view(found, None).await?, digest, &given.bytes, true))
    }

    /// Gives a component other bytes, or another description or time limit: a new version, which waits
    /// for approval while the approved one stays live. What changes nothing makes none. For people.
    ///
    /// # Errors
    /// As [`component_upload`](Self::component_upload); [`Error::NotFound`] when the server has no such
    /// tool, [`Error::Conflict`] when it is no component.
    pub async fn component_replace(
        &self,
        caller: &Caller,
        server: ServerId,
        name: &str,
        given: GivenComponent,
        steps: Option<UploadSteps>,
    ) -> Result<ComponentView, Error> {
        people_only(caller, "upload a component")?;
        let server = servers::found(self.db(), server).await?;
        let missing = || Error::not_found("component", name, "list the tools of the server");
        let id = tool_rows::by_name(self.db(), server.id, name).await?.ok_or_else(missing)?.id;
        let seen = tools::found(self.db(), id).await?.latest;
        if seen.kind != ToolKind::Component {
            return Err(Error::conflict(format!("`{name}` is a source, not a component; change it as a source")));
        }
        let mut content = super::calls::content(&seen);
        if let Some(description) = &given.description {
            content.description = given::text("/description", description, given::TOOL_DESCRIPTION)?;
        }
        if given.timeout_ms.is_some() {
            content.timeout_ms = given::timeout("/timeout_ms", given.timeout_ms, self.limits())?;
        }
        let digest = Digest::of(&given.bytes);
        let (exported, surface) = self.inspected(&given.bytes, digest, steps.as_ref()).await?.split();
        (content.source_digest, content.exports) = (digest, exported);
        let now = self.clock().now();
        let tx = self.db().begin().await?;
        let mut found = tools::locked(&tx, id).await?;
        if found.latest.id != seen.id {
            return Err(Error::conflict("the tool was changed by someone else meanwhile; look at it and try again"));
        }
        let Some(mut next) = versions::following(&found.latest, content, caller, now) else {
            drop(tx);
            tell(steps.as_ref(), UploadStep::Stored);
            let tool = self.tool_view(found, None).await?;
            return Ok(view(tool, digest, &given.bytes, false));
        };
        next.surface = Some(surface);
        blobs::put_known(&tx, digest, &given.bytes, now).await?;
        let latest = &found.latest;
        let before = json!({ "version": latest.number, "digest": latest.digest, "component": latest.source_digest });
        let policies = policies::in_force(&tx).await?;
        let effect = edits::put(&tx, caller, &policies, &mut found, next).await?;
        let after = json!({
            "version": found.latest.number,
            "digest": found.latest.digest,
            "component": digest,
            "change": found.latest.change_summary,
            "status": found.latest.approval_status,
            "live_version": effect.live,
        });
        audit::write(&tx, caller, now, tools::act("tool.update", id, Some(before), Some(after))).await?;
        tx.commit().await?;
        self.took_effect(&effect);
        tell(steps.as_ref(), UploadStep::Stored);
        let tool = self.tool_view(found, None).await?;
        Ok(view(tool, digest, &given.bytes, true))
    }

    /// What a component offers and asks for; compiled when that was not done before.
    pub(super) async fn inspected(
        &self,
        bytes: &Arc<[u8]>,
        digest: Digest,
        steps: Option<&UploadSteps>,
    ) -> Result<Inspection, Error> {
        let limit = self.limits().component_bytes;
        if bytes.len() as u64 > limit {
            return Err(Error::TooLarge { message: format!("the component has more than {limit} bytes") });
        }
        looks_like_one(bytes).map_err(|why| Error::invalid("", why))?;
        let mut compilations = self.executor().watch_compilations();
        let inspecting = self.executor().inspect(bytes, digest);
        tokio::pin!(inspecting);
        let mut told = None;
        let found = loop {
            tokio::select! {
                found = &mut inspecting => break found,
                Ok(()) = compilations.changed() => {
                    let list = compilations.borrow_and_update();
                    let running = list.iter().find(|one| one.digest == digest).map(|one| one.running);
                    if running.is_some() && running != told {
                        told = running;
                        tell(steps, if running == Some(true) { UploadStep::Compiling } else { UploadStep::Queued });
                    }
                }
            }
        };
        let found = found.map_err(|error| match error.refusal() {
            Some(why) => Error::invalid("", why),
            None => error.into(),
        })?;
        let found = found.map_err(|outcome| Error::invalid("", did_not_answer(&outcome)))?;
        fit(&found)?;
        tell(steps, UploadStep::Inspected { tools: found.tools.len() });
        Ok(found)
    }
}

fn tell(steps: Option<&UploadSteps>, step: UploadStep) {
    if let Some(steps) = steps {
        // Who watches may have gone away, or be slow; the upload goes on.
        let _ = steps.try_send(step);
    }
}

fn view(tool: ToolView, component_digest: Digest, bytes: &[u8], changed: bool) -> ComponentView {
    ComponentView { tool, component_digest, size_bytes: bytes.len() as u64, changed }
}

/// Looks at the first eight bytes: magic, version and layer, as the component model's binary format has
/// them. What is no component at all is told so, without starting a compiler for it.
///
/// # Errors
/// In words for the author.
pub fn looks_like_one(bytes: &[u8]) -> Result<(), &'static str> {
    match bytes {
        [0, b'a', b's', b'm', 0x0d, 0, 1, 0, ..] => Ok(()),
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => {
            Err("this is a core WebAssembly module, not a component; build it for a \
                                                      target that makes components, such as wasm32-wasip2, or link it \
                                                      with wasm-component-ld")
        }
        [0, b'a', b's', b'm', ..] => Err("this is WebAssembly in a version that is not known here"),
        [] => Err("the body is empty; send the bytes of a component"),
        _ => Err("these bytes are no WebAssembly: they do not begin with `\\0asm`"),
    }
}

/// Why a component that was asked for its tools has none.
fn did_not_answer(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Stopped(bound) => {
            format!("the component was asked for its tools and reached the limit on {}", bound.as_str())
        }
        Outcome::Trapped { message } => format!("the component was asked for its tools and failed: {message}"),
        other => format!("the component was asked for its tools and did not answer ({})", other.label()),
    }
}

/// What a component lists has to make tools that can be shown and called.
fn fit(found: &Inspection) -> Result<(), Error> {
    if found.tools.is_empty() {
        let skipped: Vec<String> = found.skipped.iter().map(|one| format!("`{}`: {}", one.name, one.reason)).collect();
        let why = if skipped.is_empty() { "it exports nothing".to_owned() } else { skipped.join("; ") };
        return Err(Error::invalid("", format!("the component has no function that can be a tool: {why}")));
    }
    let (mut usable, mut problems) = (0, Vec::new());
    let mut seen = std::collections::HashSet::new();
    for Export { name, description, input_schema, output_schema, title, .. } in &found.tools {
        let _: ExportName = name.parse().map_err(|error| Error::name("", &error))?;
        if !seen.insert(name) {
            return Err(Error::invalid("", format!("the component lists the tool `{name}` twice")));
        }
        given::measured("", description, given::TOOL_DESCRIPTION).map_err(|error| of_tool(name, &error))?;
        given::measured("", title.as_deref().unwrap_or_default(), given::TITLE)
            .map_err(|error| of_tool(name, &error))?;
        for text in std::iter::once(input_schema).chain(output_schema) {
            if text.len() > schema::BYTES_MAX || serde_json::from_str::<&RawValue>(text).is_err() || is_too_deep(text) {
                let rule = format!("is no JSON, over {} bytes, or nested too deeply", schema::BYTES_MAX);
                return Err(Error::invalid("", format!("a schema of the tool `{name}` {rule}")));
            }
        }
        // One that cannot be used is in quarantine; its neighbours are not.
        match schema::problem(input_schema, output_schema.as_deref()) {
            None => usable += 1,
            Some(why) => problems.push(format!("`{name}`: {why}")),
        }
    }
    if usable == 0 {
        return Err(Error::invalid("", format!("no tool of the component can be used: {}", problems.join("; "))));
    }
    Ok(())
}

fn of_tool(name: &str, error: &Error) -> Error {
    Error::invalid("", format!("a text of the tool `{name}` cannot be kept: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::component::{ComponentWorld, Offer, Skipped};

    fn inspection(names: &[&str]) -> Inspection {
        let tools = names.iter().map(|name| Export {
            name: (*name).to_owned(),
            title: None,
            description: String::new(),
            input_schema: NO_SCHEMA.to_owned(),
            output_schema: None,
            annotations: None,
        });
        Inspection {
            world: ComponentWorld::Plain,
            exports: Vec::new(),
            imports: Vec::new(),
            capabilities: Vec::new(),
            tools: tools.collect(),
            skipped: vec![Skipped { name: "a:b/files#open".into(), reason: "it hands out a resource".into() }],
            offer: Offer::default(),
        }
    }

    #[test]
    fn what_is_no_component_is_told_what_it_is() {
        assert_eq!(looks_like_one(b"\0asm\x0d\0\x01\0rest"), Ok(()));
        for (bytes, words) in [
            (&b"\0asm\x01\0\0\0"[..], "core WebAssembly module"),
            (b"\0asm\x0a\0\x01\0", "version"),
            (b"", "empty"),
            (b"PK\x03\x04", "no WebAssembly"),
            (b"\0asm", "version"),
        ] {
            assert!(looks_like_one(bytes).is_err_and(|why| why.contains(words)), "{bytes:?}");
        }
    }

    #[test]
    fn what_a_component_lists_has_to_make_tools() {
        assert!(fit(&inspection(&["parse", "Do-it_2"])).is_ok());
        let told = |found: &Inspection| fit(found).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(told(&inspection(&[])).contains("`a:b/files#open`: it hands out a resource"));
        assert!(told(&inspection(&["a", "a"])).contains("twice"));
        assert!(told(&inspection(&["a b"])).contains("a b"));
        let mut long = inspection(&["a"]);
        long.tools[0].description = "x".repeat(10_001);
        assert!(told(&long).contains("`a`"));
        let mut bad = inspection(&["a"]);
        bad.tools[0].input_schema = r#"{"type": 7}"#.into();
        assert!(told(&bad).contains("`a`: its input schema"));
    }
}
