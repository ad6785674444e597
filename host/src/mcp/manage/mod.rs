//! The tools with which a model manages its own: `mcpbox_*`, one file each.
//!
//! Each declares what a model reads of it, the shape of its arguments and of its answer, and calls
//! one function of the service. To add one: its file, and its line in [`ALL`].

mod add_external_source;
mod asking;
mod create_server;
mod create_server_secret;
mod create_tool;
mod delete_server;
mod delete_tool;
mod discover_external_tools;
mod get_server;
mod get_server_modules;
mod get_tool;
mod get_tool_logs;
mod get_tool_status;
mod help;
mod import_external_tools;
mod list_external_sources;
mod list_pending_requests;
mod list_server_secrets;
mod list_servers;
mod list_tool_versions;
mod list_tools;
mod request_module;
mod request_network_access;
mod request_publish;
mod rollback_tool;
mod schema;
mod search_tools;
mod start_server;
mod stop_server;
mod test_code;
mod update_tool;
mod validate_code;

#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use futures_util::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::call_through;
use crate::domain::caller::Caller;
use crate::domain::content::{Content, ToolResult};
use crate::domain::outcome::GuestEvent;
use crate::domain::schema::Schema;
use crate::service::Error;
use crate::service::Service;
use crate::service::calls::Execution;
use crate::telemetry::RequestId;

/// In the order in which a model meets them. The first takes no arguments.
static ALL: LazyLock<Vec<Tool>> = LazyLock::new(|| {
    vec![
        Tool::of::<list_servers::ListServers>(),
        Tool::of::<help::Help>(),
        Tool::of::<get_server::GetServer>(),
        Tool::of::<create_server::CreateServer>(),
        Tool::of::<delete_server::DeleteServer>(),
        Tool::of::<start_server::StartServer>(),
        Tool::of::<stop_server::StopServer>(),
        Tool::of::<list_server_secrets::ListServerSecrets>(),
        Tool::of::<create_server_secret::CreateServerSecret>(),
        Tool::of::<get_server_modules::GetServerModules>(),
        Tool::of::<list_tools::ListTools>(),
        Tool::of::<get_tool::GetTool>(),
        Tool::of::<get_tool_status::GetToolStatus>(),
        Tool::of::<validate_code::ValidateCode>(),
        Tool::of::<create_tool::CreateTool>(),
        Tool::of::<update_tool::UpdateTool>(),
        Tool::of::<delete_tool::DeleteTool>(),
        Tool::of::<list_tool_versions::ListToolVersions>(),
        Tool::of::<rollback_tool::RollbackTool>(),
        Tool::of::<request_module::RequestModule>(),
        Tool::of::<request_network_access::RequestNetworkAccess>(),
        Tool::of::<request_publish::RequestPublish>(),
        Tool::of::<list_pending_requests::ListPendingRequests>(),
        Tool::of::<test_code::TestCode>(),
        Tool::of::<get_tool_logs::GetToolLogs>(),
        Tool::of::<list_external_sources::ListExternalSources>(),
        Tool::of::<add_external_source::AddExternalSource>(),
        Tool::of::<discover_external_tools::DiscoverExternalTools>(),
        Tool::of::<import_external_tools::ImportExternalTools>(),
    ]
});

/// The tool that finds others, for lists that do not show them all.
static META: LazyLock<Vec<Tool>> = LazyLock::new(|| vec![Tool::of::<search_tools::SearchTools>()]);

/// Every management tool.
pub fn all() -> &'static [Tool] {
    &ALL
}

/// Whether a tool is there for everybody, and not only for those who manage tools.
pub fn is_meta(name: &str) -> bool {
    META.iter().any(|tool| tool.name == name)
}

/// The tool of this name that is run here.
pub fn find(name: &str) -> Option<&'static Tool> {
    ALL.iter().chain(META.iter()).find(|tool| tool.name == name)
}

/// All of them as a client lists them: JSON objects with commas between them.
pub fn lines() -> &'static [u8] {
    static LINES: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let lines: Vec<String> = ALL.iter().map(|tool| tool.line.to_string()).collect();
        lines.join(",").into_bytes()
    });
    &LINES
}

/// The tools that find and call others, as a client lists them.
pub fn meta_lines() -> &'static [u8] {
    static LINES: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let lines = META.iter().map(|tool| &tool.line).chain([call_through::line()]);
        lines.map(Value::to_string).collect::<Vec<_>>().join(",").into_bytes()
    });
    &LINES
}

const PAGE_HEAD: &str = "\
# Management tools

The tools with which a model builds tools, in the words that it reads itself. They are listed at `/mcp` before
the tools that people approved. None of them approves, and none sets or reads a secret: that is for people, at
the [API](api.md) or the command line.

This page is made from the tools in `host/src/mcp/manage`: change those, then run
`make docs`.
";

const META_HEAD: &str = "
# When there are many tools

More than `tools_listed` ([limits](limits.md)) tools are not listed: in their place stand these two, with which a
model finds and calls them ([the list of tools](catalogue.md)).
";

/// `docs/mcp-tools.md`.
pub fn markdown() -> String {
    let page = ALL.iter().fold(String::from(PAGE_HEAD), |page, tool| page + &section(&tool.line));
    let meta = META.iter().map(|tool| &tool.line).chain([call_through::line()]);
    meta.fold(page + META_HEAD, |page, line| page + &section(line))
}

/// The part of `docs/mcp-tools.md` about one tool.
fn section(line: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut section = format!("\n## {}\n\n{}\n", text(&line["name"]), text(&line["description"]));
    let input = &line["inputSchema"];
    let required = input["required"].as_array().map(Vec::as_slice).unwrap_or_default();
    for (row, (name, argument)) in input["properties"].as_object().into_iter().flatten().enumerate() {
        if row == 0 {
            section += "\n| argument | type | required | what it is |\n| --- | --- | --- | --- |\n";
        }
        let types = match &argument["type"] {
            Value::Array(types) => types.iter().map(text).collect::<Vec<_>>().join(" or "),
            one => text(one),
        };
        let must = if required.iter().any(|required| required == name) { "yes" } else { "" };
        section += &format!("| `{name}` | {types} | {must} | {} |\n", text(&argument["description"]));
    }
    section
}

/// What a tool does to the world, as MCP's `ToolAnnotations` say it.
#[derive(Clone, Copy, Debug)]
enum Effect {
    /// Changes nothing.
    Reads,
    /// Adds something each time.
    Adds,
    /// Changes what is there; the same again changes nothing more.
    Sets,
    /// Takes away what does not come back.
    Removes,
    /// Runs a guest, which can do whatever it was granted.
    Runs,
    /// Asks somebody outside; what is kept of it changes nothing that is approved.
    Asks,
}

impl Effect {
    fn annotations(self) -> Value {
        match self {
            Self::Reads => json!({"readOnlyHint": true, "openWorldHint": false}),
            Self::Adds => json!({
                "readOnlyHint": false, "destructiveHint": false, "idempotentHint": false, "openWorldHint": false}),
            Self::Sets => json!({
                "readOnlyHint": false, "destructiveHint": false, "idempotentHint": true, "openWorldHint": false}),
            Self::Removes => json!({
                "readOnlyHint": false, "destructiveHint": true, "idempotentHint": true, "openWorldHint": false}),
            Self::Asks => json!({
                "readOnlyHint": false, "destructiveHint": false, "idempotentHint": true, "openWorldHint": true}),
            Self::Runs => json!({
                "readOnlyHint": false, "destructiveHint": true, "idempotentHint": false, "openWorldHint": true}),
        }
    }
}

/// What a management tool is.
trait Management: 'static {
    const NAME: &'static str;
    const TITLE: &'static str;
    /// For a model: what it does, when to use it, what to do next.
    const DESCRIPTION: &'static str;
    const EFFECT: Effect;
    /// Refuses unknown members.
    type Arguments: DeserializeOwned + Send;

    /// JSON Schema of the arguments.
    fn input() -> Value;
    /// JSON Schema of the structured answer.
    fn output() -> Value;
    /// Arguments with every member, for the tests.
    #[cfg(test)]
    fn example() -> Value;

    fn run(call: Call<'_>, arguments: Self::Arguments) -> impl Future<Output = Result<Answered, Error>> + Send;
}

/// Who calls, and what goes with it.
pub struct Call<'a> {
    pub service: &'a Service,
    pub caller: &'a Caller,
    pub request_id: &'a RequestId,
    pub cancel: &'a CancellationToken,
    /// What a guest that is run says meanwhile.
    pub events: Option<mpsc::Sender<GuestEvent>>,
}

/// What a model gets to read.
pub struct Answered {
    pub result: ToolResult,
    pub is_error: bool,
    /// Of a guest, when one ran.
    pub execution: Option<Execution>,
}

impl Answered {
    /// The value as structured content, and the same JSON as text for clients that read only that.
    ///
    /// # Errors
    /// When it cannot be written as JSON, which is a fault of ours.
    fn of(value: &impl Serialize) -> Result<Self, Error> {
        let json = serde_json::value::to_raw_value(value)
            .map_err(|error| Error::internal("writing a tool's answer", error))?;
        let content = vec![Content::text(json.get())];
        Ok(Self { result: ToolResult { content, structured_content: Some(json) }, is_error: false, execution: None })
    }

    /// An answer about something that was made or changed: the thing itself, and what to do next.
    ///
    /// # Errors
    /// As [`Answered::of`].
    fn done(thing: &impl Serialize, message: String) -> Result<Self, Error> {
        #[derive(Serialize)]
        struct Done<'a, T> {
            success: bool,
            message: String,
            #[serde(flatten)]
            thing: &'a T,
        }
        Self::of(&Done { success: true, message, thing })
    }
}

/// A management tool, ready to be listed and called.
pub struct Tool {
    pub name: &'static str,
    /// `Tool` of the schema.
    line: Value,
    arguments: Schema,
    run: for<'a> fn(Call<'a>, Value) -> BoxFuture<'a, Result<Answered, Error>>,
    #[cfg(test)]
    example: fn() -> Value,
    /// Whether the typed arguments accept a value.
    #[cfg(test)]
    takes: fn(Value) -> bool,
}

impl Tool {
    fn of<T: Management>() -> Self {
        let input = T::input();
        #[expect(clippy::expect_used, reason = "the schemas are constants, and a test compiles each")]
        let arguments = Schema::read(&input.to_string()).expect("the schema of a management tool is one");
        let line = json!({
            "name": T::NAME,
            "title": T::TITLE,
            "description": T::DESCRIPTION,
            "inputSchema": input,
            "outputSchema": T::output(),
            "annotations": T::EFFECT.annotations(),
        });
        Self {
            name: T::NAME,
            line,
            arguments,
            run: |call, arguments| Box::pin(run::<T>(call, arguments)),
            #[cfg(test)]
            example: T::example,
            #[cfg(test)]
            takes: |value| serde_json::from_value::<T::Arguments>(value).is_ok(),
        }
    }

    /// Checks the arguments and runs the tool.
    ///
    /// # Errors
    /// Arguments that do not fit, with the path of some of them; otherwise the service's.
    pub async fn call(&self, call: Call<'_>, arguments: Option<&RawValue>) -> Result<Answered, Error> {
        let mut arguments = match arguments {
            None => json!({}),
            Some(raw) => serde_json::from_str(raw.get()).map_err(|error| Error::invalid("", error.to_string()))?,
        };
        self.arguments.check(&arguments, call.service.limits().schema_steps).map_err(Error::unfit)?;
        schema::make_whole(self.arguments.value(), &mut arguments);
        (self.run)(call, arguments).await
    }
}

async fn run<T: Management>(call: Call<'_>, arguments: Value) -> Result<Answered, Error> {
    let arguments = serde_json::from_value(arguments).map_err(|error| Error::invalid("", error.to_string()))?;
    T::run(call, arguments).await
}

/// An id among the arguments; models like to give a name instead.
///
/// # Errors
/// That names the argument, and where ids come from.
fn id<T: std::str::FromStr>(argument: &str, text: &str, source: &str) -> Result<T, Error> {
    text.parse().map_err(|_| {
        let text = super::error::shorten(text);
        Error::invalid(format!("/{argument}"), format!("`{text}` is not an id; take it from {source}"))
    })
}
