//! The official Rust client against a host, in both eras: it lists, calls, hears of progress, answers what a
//! component asks, follows a task and cancels.

use std::sync::Mutex;

use mcpbox::limits::Limits;
use rmcp::handler::client::ClientHandler;
use rmcp::model::{
    CallToolRequest, CallToolRequestParams, CallToolResponse, CancelTaskParams, ClientCapabilities, ClientConfig,
    ClientRequest, ElicitRequestParams, ElicitResult, ElicitationAction, ElicitationCapability, ErrorData,
    ExtensionCapabilities, FormElicitationCapability, GetTaskParams, Implementation, ProgressNotificationParam,
    ProtocolVersion, TASKS_EXTENSION_ID, UpdateTaskParams,
};
use rmcp::service::{
    ClientLifecycleMode, NotificationContext, PeerRequestOptions, RequestContext, RunningService,
    serve_client_with_lifecycle,
};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{RoleClient, ServiceError};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use crate::desk;
use crate::harness::{Host, Wishes};
use crate::mcp_client::{ECHO, PATIENCE, offer, outcome_of_last_call};

/// Says that it has begun, and ends only when it is stopped.
const BEGINS: &str =
    "import asyncio\n\nasync def main():\n    progress(1, 2)\n    progress(2, 2)\n    await asyncio.sleep(300)\n";

/// A person at the client, whose name is Ada.
struct Ada {
    follows_tasks: bool,
    asked: Mutex<Vec<String>>,
    progress: mpsc::UnboundedSender<f64>,
}

impl ClientHandler for Ada {
    fn get_info(&self) -> ClientConfig {
        let mut can = ClientCapabilities::default();
        can.elicitation = Some(ElicitationCapability::new().with_form(FormElicitationCapability::default()));
        if self.follows_tasks {
            let tasks = (TASKS_EXTENSION_ID.to_owned(), Map::new());
            can.extensions = Some(ExtensionCapabilities::from_iter([tasks]));
        }
        ClientConfig::new(can, Implementation::new("rmcp", "3"))
    }

    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        _context: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        let ElicitRequestParams::FormElicitationParams { message, .. } = request else {
            return Err(ErrorData::invalid_params("only forms", None));
        };
        self.asked.lock().expect("no test failed here").push(message);
        Ok(ElicitResult::new(ElicitationAction::Accept).with_content(json!({"name": "Ada"})))
    }

    async fn on_progress(&self, params: ProgressNotificationParam, _context: NotificationContext<RoleClient>) {
        // A test that has heard enough is gone.
        let _ = self.progress.send(params.progress);
    }
}

type Running = RunningService<RoleClient, Ada>;

fn eras() -> [(ClientLifecycleMode, ProtocolVersion); 2] {
    let newest = ProtocolVersion::V_2026_07_28;
    [
        (ClientLifecycleMode::Initialize, ProtocolVersion::V_2025_11_25),
        (ClientLifecycleMode::Discover { preferred_versions: vec![newest.clone()] }, newest),
    ]
}

async fn connect(
    host: &Host,
    era: ClientLifecycleMode,
    follows_tasks: bool,
) -> (Running, mpsc::UnboundedReceiver<f64>) {
    let (progress, heard) = mpsc::unbounded_channel();
    let ada = Ada { follows_tasks, asked: Mutex::default(), progress };
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let settings = StreamableHttpClientTransportConfig::with_uri(format!("{}/mcp", host.base));
    let transport = StreamableHttpClientTransport::with_client(http, settings);
    let running = serve_client_with_lifecycle(ada, transport, era).await.expect("a handshake");
    (running, heard)
}

fn call(name: &'static str, arguments: Value) -> CallToolRequestParams {
    let Value::Object(arguments) = arguments else { panic!("arguments are an object") };
    CallToolRequestParams::new(name).with_arguments(arguments)
}

/// What `desk` asks the client as it is.
fn form() -> Value {
    let schema = json!({"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]});
    json!({"mode": "form", "message": "Who are you?", "requestedSchema": schema})
}

#[tokio::test]
async fn the_rust_client_lists_calls_answers_hears_of_progress_and_cancels_in_both_eras() {
    let host = Host::start().await;
    let admin = host.admin().await;
    desk::offer(&admin).await;
    let tools = offer(&host, &admin, &[("echo", ECHO), ("begins", BEGINS)]).await;
    for (era, version) in eras() {
        let (client, mut heard) = connect(&host, era, false).await;
        let peer = client.peer_info().expect("it was told");
        assert_eq!(peer.protocol_version, version, "{peer:?}");
        let listed = client.list_all_tools().await.expect("a list");
        let names: Vec<&str> = listed.iter().map(|tool| tool.name.as_ref()).collect();
        assert!(names.contains(&"s__echo") && names.contains(&"desk__ask"), "{names:?}");
        let resources = client.list_all_resources().await.expect("a list");
        assert_eq!(resources.iter().map(|one| one.uri.as_str()).collect::<Vec<_>>(), ["mcpbox+desk:notes://1"]);
        let told = client.call_tool(call("s__echo", json!({"text": "x"}))).await.expect("an answer");
        assert_eq!(told.structured_content, Some(json!({"text": "x"})));

        let told = client.call_tool(call("desk__ask", form())).await.expect("an answer");
        let text = serde_json::to_string(&told).expect("JSON");
        assert!(told.is_error != Some(true) && text.contains("Ada"), "{text}");
        assert_eq!(*client.service().asked.lock().expect("no test failed here"), ["Who are you?"], "{version}");

        let request = ClientRequest::CallToolRequest(CallToolRequest::new(call("s__begins", json!({}))));
        let options = PeerRequestOptions::no_options();
        let calling = client.peer().send_cancellable_request(request, options).await.expect("it is sent");
        let steps = async { [heard.recv().await, heard.recv().await] };
        let steps = tokio::time::timeout(PATIENCE, steps).await.expect("progress in time");
        assert_eq!(steps, [Some(1.0), Some(2.0)], "{version}");
        calling.cancel(Some("that is enough".to_owned())).await.expect("it is told");
        assert_eq!(outcome_of_last_call(&host, &tools[1]).await, "cancelled", "{version}");
        let unknown = client.call_tool(call("s__ecko", json!({}))).await;
        assert!(matches!(&unknown, Err(ServiceError::McpError(error)) if error.message.contains("s__echo")));
        client.cancel().await.expect("it ends");
    }
}

#[tokio::test]
async fn the_rust_client_follows_a_task_answers_in_it_and_cancels_one() {
    let limits = Limits { task_after_ms: 10, ..Wishes::default().limits };
    let host = Host::with(Wishes { limits, ..Wishes::default() }).await;
    let admin = host.admin().await;
    desk::offer(&admin).await;
    let [_, (newest, _)] = eras();
    let (client, _heard) = connect(&host, newest, true).await;
    for answers in [true, false] {
        let made = client.peer().call_tool_once(call("desk__task", form())).await.expect("an answer");
        let CallToolResponse::Task(task) = made else { panic!("no task: {made:?}") };
        let id = task.task.task_id.clone();
        let asks = until(&client, &id, "input_required").await;
        assert_eq!(asks["inputRequests"]["who"]["params"]["message"], "Who are you?", "{asks}");
        if answers {
            let said = json!({"who": {"action": "accept", "content": {"name": "Ada"}}});
            let said = serde_json::from_value(said).expect("answers");
            client.peer().update_task(UpdateTaskParams::new(&id, said)).await.expect("it is taken");
            let done = until(&client, &id, "completed").await;
            assert!(done["result"].to_string().contains("Ada"), "{done}");
        } else {
            client.peer().cancel_task(CancelTaskParams::new(&id)).await.expect("it is taken");
            until(&client, &id, "cancelled").await;
        }
    }
    client.cancel().await.expect("it ends");
}

/// Waits until the task stands so.
async fn until(client: &Running, id: &str, status: &str) -> Value {
    let found = async {
        loop {
            let seen = client.peer().get_task(GetTaskParams::new(id)).await.expect("it is known");
            let seen = serde_json::to_value(&seen).expect("JSON");
            if seen["status"] == status {
                return seen;
            }
        }
    };
    tokio::time::timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("the task is not {status}"))
}
