//! What the gateway costs, as CPU for each request: MCPbox beside a server made with rmcp and a bare axum
//! handler. All three answer what MCPbox answered once, the bare handler byte by byte, rmcp from its own
//! types. All take turns.
//!
//! Of a call the guest's own time is not the gateway's. It is measured apart, in the same turns: the same
//! program in a sandbox in this process, as many calls at once, each with its fresh instance, and without doors.
//! What MCPbox writes down of each request, which the others do not, is told by the threads of SQLite.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::serve::ListenerExt as _;
use bytes::Bytes;
use mcpbox::limits::Limits;
use mcpbox::sandbox::{Program, Sandbox};
use mcpbox::telemetry::Telemetry;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ListToolsResult, PaginatedRequestParams,
    ServerCapabilities, ServerConfig,
};
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::task::JoinSet;

use crate::client::{Asked, Client, load};
use crate::page::Table;
use crate::process::{self, Given, Installation, Server};
use crate::samples::{Samples, number};
use crate::{Bench, baseline, guests, proc};

/// The part of this program that is the server made with rmcp.
pub const RMCP: &str = "rmcp";

const CLIENTS: usize = 16;
/// Tools of one component.
const TOOLS_EACH: usize = 200;
/// What the threads of SQLite are called: sqlx says more, of which Linux keeps 15 bytes.
const SQLITE: &str = "sqlx-sqlite-wor";
/// After a turn, so that rows that it left to write are counted with it.
const SETTLE: Duration = Duration::from_millis(200);

/// Answers what it was given, whatever is asked of it.
#[derive(Clone, Default)]
struct Fixed {
    list: Arc<ListToolsResult>,
    call: Arc<CallToolResult>,
}

impl ServerHandler for Fixed {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::clone(&self.list))
    }

    async fn call_tool(
        &self,
        _: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        Ok(CallToolResult::clone(&self.call).into())
    }
}

impl Fixed {
    /// From the response that it is to repeat.
    fn of(answer: &[u8]) -> anyhow::Result<Self> {
        let mut answer: Value = serde_json::from_slice(answer)?;
        let result = answer["result"].take();
        Ok(match result.get("tools") {
            Some(_) => Self { list: Arc::new(serde_json::from_value(result)?), ..Self::default() },
            None => Self { call: Arc::new(serde_json::from_value(result)?), ..Self::default() },
        })
    }
}

/// Answers with what the response in its standard input holds, by rmcp.
///
/// # Errors
/// When that is no response, or it cannot listen.
pub async fn serve_rmcp() -> anyhow::Result<()> {
    let mut answer = Vec::new();
    tokio::io::stdin().read_to_end(&mut answer).await?;
    let fixed = Fixed::of(&answer)?;
    let config = StreamableHttpServerConfig::default().with_legacy_session_mode(false).with_json_response(true);
    let sessions = Arc::new(LocalSessionManager::default());
    let service = StreamableHttpService::new(move || Ok(fixed.clone()), sessions, config);
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    println!("http://{}", listener.local_addr()?);
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, Router::new().route_service("/mcp", service)).await?;
    Ok(())
}

/// Who answers.
enum Who {
    Server(Server),
    /// Nobody but the guest.
    Sandbox(Sandbox, Program),
}

/// One way to have something answered, and what was measured of it.
struct Series {
    what: &'static str,
    name: &'static str,
    who: Who,
    asked: Asked,
    /// In one turn.
    requests: usize,
    samples: Samples,
    cpu: Duration,
    /// Of the threads of SQLite alone.
    database: Duration,
    bytes: usize,
}

impl Series {
    fn new(what: &'static str, name: &'static str, who: Who, asked: &Asked, requests: usize, bytes: usize) -> Self {
        let (samples, cpu, database) = Default::default();
        Self { what, name, who, asked: asked.clone(), requests, samples, cpu, database, bytes }
    }

    async fn turn(&mut self, requests: usize) -> anyhow::Result<()> {
        let (cpu, database) = (self.cpu_so_far()?, self.database_so_far()?);
        let samples = match &self.who {
            Who::Server(server) => load(server.address, &self.asked, CLIENTS, requests, Duration::ZERO).await?.samples,
            Who::Sandbox(sandbox, program) => guests_alone(sandbox, program, requests).await?,
        };
        self.samples.append(samples);
        tokio::time::sleep(SETTLE).await;
        self.cpu += self.cpu_so_far()?.saturating_sub(cpu);
        self.database += self.database_so_far()?.saturating_sub(database);
        Ok(())
    }

    /// Of threads that live: the one that writes does as long as its host.
    fn database_so_far(&self) -> anyhow::Result<Duration> {
        let Who::Server(server) = &self.who else { return Ok(Duration::ZERO) };
        let threads = proc::threads(server.pid()?)?;
        Ok(threads.values().filter(|thread| thread.name.starts_with(SQLITE)).map(|thread| thread.ran).sum())
    }

    fn cpu_so_far(&self) -> anyhow::Result<Duration> {
        Ok(match &self.who {
            Who::Server(server) => proc::cpu(server.pid()?)?.own,
            Who::Sandbox(..) => proc::own_cpu()?.own,
        })
    }

    /// Of all its threads, and of those of SQLite where there are some.
    fn costs(&self) -> impl Iterator<Item = Cost> {
        let count = self.samples.len().max(1);
        let (what, bytes) = (self.what, self.bytes);
        let cost =
            move |name, cpu: Duration| Cost { what, name, count, bytes, us: cpu.as_secs_f64() * 1e6 / count as f64 };
        let database = (!self.database.is_zero()).then(|| cost(DATABASE, self.database));
        [cost(self.name, self.cpu)].into_iter().chain(database)
    }
}

/// As many calls at once as the servers have clients.
async fn guests_alone(sandbox: &Sandbox, program: &Program, calls: usize) -> anyhow::Result<Samples> {
    let mut running = JoinSet::new();
    for _ in 0..CLIENTS {
        let (sandbox, program) = (sandbox.clone(), program.clone());
        running.spawn(async move {
            let mut samples = Samples::default();
            for _ in 0..calls / CLIENTS {
                samples.push(guests::call(&sandbox, &program).await?);
            }
            anyhow::Ok(samples)
        });
    }
    let mut all = Samples::default();
    while let Some(samples) = running.join_next().await {
        all.append(samples??);
    }
    Ok(all)
}

const CALL: &str = "`tools/call` of a no-op";
const LIST: &str = "`tools/list`, 200 tools";
const PAGE: &str = "`tools/list`, a page of 10,000 tools";
const OURS: &str = "MCPbox";
const GUEST: &str = "the guest alone, in a sandbox";
const SHARE: &str = "MCPbox without the guest";
const DATABASE: &str = "of that SQLite, for the rows that each leaves";
const BARE: &str = "bare axum handler";

/// CPU of one request.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Cost {
    what: &'static str,
    name: &'static str,
    count: usize,
    bytes: usize,
    us: f64,
}

/// The rows of the table: each cost beside that of the bare handler, and what is left of a call of ours when
/// the guest is taken away.
fn rows(costs: &[Cost]) -> Vec<Vec<String>> {
    let floors: BTreeMap<_, _> =
        costs.iter().filter(|cost| cost.name == BARE).map(|cost| (cost.what, cost.us)).collect();
    let named = |name| costs.iter().find(|cost| cost.what == CALL && cost.name == name);
    let share =
        named(OURS).zip(named(GUEST)).map(|(ours, guest)| Cost { name: SHARE, us: ours.us - guest.us, ..*ours });
    let row = |cost: &Cost| {
        let ratio = floors.get(cost.what).map(|floor| cost.us / floor.max(1e-9));
        vec![
            cost.what.to_owned(),
            cost.name.to_owned(),
            cost.count.to_string(),
            number(cost.bytes as f64 / 1e3),
            number(cost.us),
            ratio.map_or_else(|| "–".to_owned(), number),
        ]
    };
    costs.iter().chain(&share).map(row).collect()
}

/// A plain component with many tools, each of them with a few parameters.
fn many() -> anyhow::Result<guests::Component> {
    let (mut wit, mut exports) = ("package bench:many;\nworld many {\n".to_owned(), String::new());
    for tool in 0..TOOLS_EACH {
        writeln!(wit, "  /// Tells the weather of a place for some days, way {tool}.")?;
        writeln!(wit, "  export tool-{tool}: func(place: string, days: u32, units: option<string>) -> string;")?;
        write!(exports, "(export \"tool-{tool}\") ")?;
    }
    wit.push_str("}\n");
    let wat = format!(
        r#"(module
  (memory (export "memory") 1)
  (func {exports} (param i32 i32 i32 i32 i32 i32) (result i32) (i32.const 16))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024)))"#
    );
    guests::plain(&wit, &wat, "tool-0")
}

/// A host with so many servers that have this component.
async fn host_of(bench: &Bench, servers: usize, component: &[u8]) -> anyhow::Result<(Installation, Server)> {
    let settings = [("MCPBOX_PAGE_SIZE_MAX", "1000")];
    let installation = Installation::new(&bench.program, &bench.cache, &settings)?;
    let host = installation.serve().await?;
    let mut client = Client::connect(host.address).await?;
    installation.set_up(&mut client).await?;
    let token = process::log_in(&mut client).await?;
    for server in 0..servers {
        let (name, tool) = (format!("server{server}"), [("many", Given::Component(component))]);
        process::offer(&mut client, &token, &name, &tool).await?;
    }
    Ok((installation, host))
}

/// One thing that is asked of all.
async fn all_of(what: &'static str, host: Server, asked: &Asked, requests: [usize; 3]) -> anyhow::Result<[Series; 3]> {
    let answer: Bytes = Client::connect(host.address).await?.done(asked).await?;
    let bytes = answer.len();
    let mut rmcp = Command::new(std::env::current_exe()?);
    let rmcp = Server::start(rmcp.arg(RMCP), answer.clone()).await?;
    let bare = baseline::bare(answer).await?;
    let [ours, theirs, floor] = requests;
    Ok([
        Series::new(what, OURS, Who::Server(host), asked, ours, bytes),
        Series::new(what, "a server made with rmcp", Who::Server(rmcp), asked, theirs, bytes),
        Series::new(what, BARE, Who::Server(bare), asked, floor, bytes),
    ])
}

/// # Errors
/// When anything that is measured fails.
pub async fn run(bench: &Bench) -> anyhow::Result<Table> {
    Telemetry::install();
    let noop = guests::fixture("noop")?;
    let caller = Installation::new(&bench.program, &bench.cache, &[])?;
    let calls = caller.serve().await?;
    caller.publish(&calls, &[("compiled", Given::Component(&noop.bytes))]).await?;
    let call = process::call("bench__noop", json!({}))?;
    let sandbox = guests::sandbox(&bench.program, &bench.cache, &Limits::default())?;
    let guest = Series::new(CALL, GUEST, Who::Sandbox(sandbox, noop.program()), &call, 3_200, 0);

    let many = many()?;
    let list = process::list()?;
    let (_few, few) = host_of(bench, 1, &many.bytes).await?;
    let (_lots, lots) = host_of(bench, if bench.quick { 5 } else { 50 }, &many.bytes).await?;
    let mut series: Vec<Series> = all_of(CALL, calls, &call, [3_200, 3_200, 16_000]).await?.into();
    series.push(guest);
    series.extend(all_of(LIST, few, &list, [4_800, 320, 4_800]).await?);
    series.extend(all_of(PAGE, lots, &list, [1_600, 80, 1_600]).await?);
    // Everything once, unmeasured.
    for one in &mut series {
        one.turn(bench.shorten(one.requests)).await?;
        (one.samples, one.cpu) = Default::default();
    }
    for round in 1..=bench.rounds(8) {
        bench.say(&format!("gateway: round {round}"));
        for one in &mut series {
            one.turn(bench.shorten(one.requests)).await?;
        }
    }
    let costs: Vec<Cost> = series.iter().flat_map(Series::costs).collect();
    for one in series {
        if let Who::Server(server) = one.who {
            server.stop().await.context("stopping what was measured")?;
        }
    }
    let heads = ["what", "answered by", "requests", "answer, kB", "CPU µs for each", "÷ bare"];
    Ok(Table::new("The gateway alone: 16 clients", &heads, rows(&costs)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(what: &'static str, name: &'static str, us: f64) -> Cost {
        Cost { what, name, count: 10, bytes: 1_500, us }
    }

    #[test]
    fn each_cost_stands_beside_that_of_the_bare_handler_for_the_same_answer() {
        let told =
            rows(&[cost(LIST, OURS, 30.0), cost(LIST, BARE, 20.0), cost(PAGE, OURS, 90.0), cost(PAGE, BARE, 60.0)]);
        let ratios: Vec<&str> = told.iter().map(|row| row[5].as_str()).collect();
        assert_eq!(ratios, ["1.50", "1.00", "1.50", "1.00"]);
        assert_eq!(told[0][..5], [LIST, OURS, "10", "1.50", "30.0"]);
    }

    #[test]
    fn the_share_of_the_gateway_in_a_call_is_what_the_guest_leaves() {
        let told = rows(&[cost(CALL, OURS, 50.0), cost(CALL, BARE, 10.0), cost(CALL, GUEST, 30.0)]);
        let share = told.last().expect("a row");
        assert_eq!((share[1].as_str(), share[4].as_str(), share[5].as_str()), (SHARE, "20.0", "2.00"));
        assert!(rows(&[cost(CALL, BARE, 10.0)]).iter().all(|row| row[1] != SHARE), "without calls of ours");
    }

    #[test]
    fn rmcp_repeats_a_list_or_the_result_of_a_call() -> anyhow::Result<()> {
        let tool = json!({"name": "a", "description": "b", "inputSchema": {"type": "object"}});
        let list = Fixed::of(json!({"jsonrpc": "2.0", "id": 1, "result": {"tools": [tool]}}).to_string().as_bytes())?;
        assert_eq!(list.list.tools.len(), 1);
        let result = json!({"content": [{"type": "text", "text": "ok"}], "isError": false});
        let call = Fixed::of(json!({"jsonrpc": "2.0", "id": 1, "result": result}).to_string().as_bytes())?;
        assert_eq!((call.call.content.len(), call.call.is_error), (1, Some(false)));
        Ok(())
    }

    #[test]
    fn the_component_with_many_tools_is_one() -> anyhow::Result<()> {
        assert!(!many()?.bytes.is_empty());
        Ok(())
    }
}
