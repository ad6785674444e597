//! The door for people and their programs: JSON over HTTP, errors as RFC 9457.
//!
//! A handler unpacks, calls one function of the service and wraps the answer; it holds no rule and no
//! query. Every list is `{items, total, page, page_size, pages}`. Every route stands in one table,
//! with who may use it; the table asks for the credential, so a handler cannot forget to. What a route takes
//! and answers, its handler's types say; what may go wrong beside that stands in the table.

mod activity;
mod activity_stream;
mod api_keys;
mod approvals;
mod audit;
mod circuits;
mod compilations;
mod components;
mod dashboard;
mod describe;
mod docs;
mod doors;
mod events;
mod execution_logs;
mod export;
mod external_mcp_sources;
mod extract;
mod folders;
mod health;
mod layers;
mod limits;
mod live;
mod mcp_clients;
mod metrics;
pub mod openapi;
mod page;
pub mod problem;
mod rate;
mod requests;
mod root;
mod secrets;
mod servers;
mod sessions;
mod settings;
mod tools;
mod upload;
mod versions;

use std::sync::Arc;

use axum::Router;
use axum::http::Method;
use axum::middleware::from_extractor_with_state;
use axum::routing::{MethodFilter, MethodRouter, on};
use tokio_util::task::TaskTracker;

use self::describe::{Described as _, Description};
pub use self::doors::{Doors, Straight};
use self::extract::Admin;
use self::health::Signs;
use self::live::Places;
pub use self::page::markdown;
use self::problem::Kind;
use self::rate::Rate;
use self::upload::Uploads;
use crate::auth::proxies::Proxies;
use crate::service::Service;
use crate::telemetry::Telemetry;

/// Who may use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everybody, as often as the rate allows.
    Open,
    /// Administrators with a session, as often as the rate allows.
    Admin,
    /// The same; the handler asks for the credential, because it also takes a ticket, and tells a refusal
    /// over the socket.
    Socket,
    /// Everybody and without a rate: what orchestrators ask all the time, and what costs next to
    /// nothing.
    Probe,
    /// Peers that sit on this machine or in a private network themselves.
    Private,
}

/// One line of the table.
pub struct Route {
    pub method: Method,
    /// As axum writes it: `{id}` stands for one segment.
    pub path: &'static str,
    pub access: Access,
    /// What it does, for `docs/api.md`.
    pub sentence: &'static str,
    /// Noun and verb: the handler, as this module names it.
    operation: &'static str,
    /// What may go wrong beside what the handler's types and the access say.
    problems: &'static [&'static Kind],
    handler: fn() -> MethodRouter<ApiState>,
    describe: fn(&mut Description),
}

macro_rules! routes {
    ($($method:ident $path:literal $access:ident $handler:path $([$($problem:ident)*])?, $sentence:literal;)*) => {
        /// Every route of this door.
        pub const ROUTES: &[Route] = &[$(Route {
            method: Method::$method,
            path: $path,
            access: Access::$access,
            sentence: $sentence,
            operation: stringify!($handler),
            problems: &[$($(&problem::$problem),*)?],
            handler: || on(MethodFilter::$method, $handler),
            describe: |to| $handler.describe(to),
        },)*];
    };
}

routes! {
    GET    "/"                                          Open    root::show,
        "Says in plain text where things are.";

    GET    "/health"                                    Probe   health::show,
        "Whether this host is healthy: 200 while its database answers and takes the rows of the logs, otherwise 503.";
    GET    "/health/detail"                             Probe   health::detail,
        "The same, under the name that some orchestrators ask for.";
    GET    "/health/services"                           Probe   health::services,
        "Each part by itself; 503 when one of them does not answer.";
    GET    "/health/live"                               Probe   health::live,
        "200 while the process answers.";
    GET    "/health/ready"                              Probe   health::ready,
        "200 while new work may be sent here; 503 while the host stops or its database does not answer.";
    GET    "/metrics"                                   Private metrics::show,
        "The [metrics](metrics.md) as Prometheus text; 404 with `ENABLE_METRICS=false`.";

    GET    "/auth/status"                               Open    sessions::status,
        "Whether the first administrator is still to be made.";
    POST   "/auth/setup"                                Open    sessions::setup [FORBIDDEN CONFLICT BUSY],
        "Makes the first administrator: `username`, `password`, `setup_code`.";
    POST   "/auth/login"                                Open    sessions::login [UNAUTHENTICATED CROSS_SITE BUSY],
        "Opens a session: `username`, `password`, and `session` (`bearer` or `cookie`); answers an access and a refresh token, or sets cookies.";
    POST   "/auth/refresh"                              Open    sessions::refresh [UNAUTHENTICATED CROSS_SITE],
        "Exchanges a refresh token for the next pair of tokens: `refresh_token`, or the cookie of a browser session.";
    POST   "/auth/logout"                               Admin   sessions::logout,
        "Ends the session of the token, and takes its cookies back.";
    POST   "/auth/change-password"                      Admin   sessions::change_password [FORBIDDEN CONFLICT BUSY],
        "Changes the own password: `current_password`, `new_password`; ends all sessions but a new one.";
    GET    "/auth/me"                                   Admin   sessions::me,
        "The own account.";
    GET    "/auth/sessions"                             Admin   sessions::list,
        "Lists the open sessions of the own account, newest first.";
    DELETE "/auth/sessions/{id}"                        Admin   sessions::revoke,
        "Ends a session of the own account.";

    GET    "/api/api-keys"                              Admin   api_keys::list,
        "Lists the keys of MCP clients by name, revoked ones too.";
    POST   "/api/api-keys"                              Admin   api_keys::create [CONFLICT],
        "Makes a key: `name`; it is shown in this one answer.";
    DELETE "/api/api-keys/{id}"                         Admin   api_keys::revoke [CONFLICT],
        "Revokes a key; the next request that shows it is refused.";

    GET    "/api/mcp/catalogue"                         Admin   mcp_clients::catalogue,
        "What the list of tools costs a model that reads it, and how many tools are in quarantine.";
    GET    "/api/mcp/catalogue/servers"                 Admin   mcp_clients::catalogue_servers,
        "The same of each running server, with the tools in quarantine and why.";
    GET    "/api/mcp/profiles"                          Admin   mcp_clients::profiles,
        "Lists the profiles that were set: which servers a caller of MCP is shown.";
    GET    "/api/mcp/profiles/{caller}"                 Admin   mcp_clients::profile,
        "The profile of `local`, the clients of this machine, or of an API key by its id.";
    PUT    "/api/mcp/profiles/{caller}"                 Admin   mcp_clients::profile_set,
        "Sets it: `servers`, ids or null for all, and `management`, whether the management tools are there.";

    GET    "/api/openapi.json"                          Open    openapi::show,
        "This API as [OpenAPI](openapi.json) 3.1.";
    GET    "/api/docs"                                  Open    docs::page,
        "The page on which people browse it.";
    GET    "/api/docs/{file}"                           Open    docs::file,
        "The scripts and styles of that page.";

    GET    "/api/limits"                                Admin   limits::list,
        "Every [limit](limits.md) with the value in force.";
    GET    "/api/compilations"                          Admin   compilations::list,
        "What is being compiled now.";

    POST   "/api/servers"                               Admin   servers::create [CONFLICT],
        "Makes a server.";
    GET    "/api/servers"                               Admin   servers::list,
        "Lists the servers.";
    GET    "/api/servers/{id}"                          Admin   servers::get,
        "One server, with its hosts and what waits for a person.";
    PATCH  "/api/servers/{id}"                          Admin   servers::update,
        "Changes name, description or time limit of a server.";
    DELETE "/api/servers/{id}"                          Admin   servers::delete,
        "Deletes a server with its tools and secrets.";
    POST   "/api/servers/{id}/allowed-hosts"            Admin   servers::allow_host [CONFLICT],
        "Opens a host to all tools of a server.";
    DELETE "/api/servers/{id}/allowed-hosts"            Admin   servers::forbid_host,
        "Closes a host again (`?host=`); the next call does not reach it.";
    POST   "/api/sandbox/servers/{id}/start"            Admin   servers::start [CONFLICT],
        "Offers the approved tools of a server.";
    POST   "/api/sandbox/servers/{id}/stop"             Admin   servers::stop [CONFLICT],
        "Offers none of its tools any more.";
    POST   "/api/sandbox/servers/{id}/restart"          Admin   servers::restart,
        "Starts a server, also one that runs: what was prepared for its tools is made anew.";
    GET    "/api/sandbox/servers/{id}/status"           Admin   servers::status,
        "Whether a server runs, and which tools clients are offered.";
    GET    "/api/sandbox/servers/{id}/logs"             Admin   activity::of_server,
        "Lists the activity of a server, narrowed as all activity is.";

    GET    "/api/servers/{id}/secrets"                  Admin   secrets::list,
        "Lists the secrets of a server by name; values are never shown.";
    POST   "/api/servers/{id}/secrets"                  Admin   secrets::create [CONFLICT],
        "Makes a secret, with or without a value; with `binding`, one that [no tool sees](secrets.md).";
    PUT    "/api/servers/{id}/secrets/{key_name}"       Admin   secrets::set [CONFLICT],
        "Sets the `value` of a secret, its `binding`, or both; a `binding` of null unbinds it.";
    DELETE "/api/servers/{id}/secrets/{key_name}"       Admin   secrets::delete,
        "Deletes a secret.";

    GET    "/api/servers/{id}/tools"                    Admin   tools::list,
        "Lists the tools of a server.";
    POST   "/api/servers/{id}/tools"                    Admin   tools::create [CONFLICT BUSY],
        "Saves a tool; its first version is a draft.";
    GET    "/api/tools/{id}"                            Admin   tools::get,
        "One tool, with its newest source and schemas.";
    PATCH  "/api/tools/{id}"                            Admin   tools::update [CONFLICT BUSY],
        "Changes a tool; what an approval covers becomes a new version.";
    DELETE "/api/tools/{id}"                            Admin   tools::delete,
        "Deletes a tool with its versions; its log rows stay.";
    POST   "/api/servers/{id}/components"               Admin   components::create,
        "Uploads a component as a new tool: its bytes, or a form with `file`; its first version is a draft.";
    PUT    "/api/servers/{id}/components/{name}"        Admin   components::replace,
        "Uploads a component as the next version of one; equal bytes make none.";
    GET    "/api/tools/{id}/folders"                    Admin   folders::list,
        "Lists the folders of this machine that a tool may use.";
    POST   "/api/tools/{id}/folders"                    Admin   folders::add [CONFLICT],
        "Gives a folder below the operator's roots to a component.";
    DELETE "/api/tools/{id}/folders"                    Admin   folders::remove,
        "Takes a folder from a tool, by its `guest_path`.";
    GET    "/api/tools/{id}/versions"                   Admin   tools::versions,
        "Lists the versions of a tool, newest first.";
    GET    "/api/tools/{id}/versions/compare"           Admin   versions::compare,
        "What changed between two versions: `?from=&to=`, each a number, `live` or `latest`.";
    GET    "/api/tools/{id}/versions/{number}"          Admin   versions::get,
        "One version, with its source.";
    POST   "/api/tools/{id}/versions/{number}/rollback" Admin   versions::rollback [CONFLICT],
        "Makes a new version with the content of an older one, which is approved as any change is.";
    GET    "/api/tools/{id}/logs"                       Admin   tools::logs,
        "Lists the calls of a tool, newest first.";
    POST   "/api/tools/validate-code"                   Admin   tools::validate_code [BUSY],
        "Reads a source and answers its schemas or its faults; runs none of it.";
    POST   "/api/tools/test-code"                       Admin   tools::test_code [NOT_FOUND FORBIDDEN BUSY STOPPING],
        "Runs the approved version of a tool once and shows all that came of it.";

    GET    "/api/approvals/stats"                       Admin   approvals::stats,
        "How many tools, requests and external sources are in which state.";
    GET    "/api/approvals/tools"                       Admin   approvals::tools,
        "Lists what waits for a decision: source, schemas, and everything that it asks for; `?status=` and `?search=` pick.";
    POST   "/api/approvals/tools/{id}/action"           Admin   approvals::decide_tool [CONFLICT FORBIDDEN],
        "Approves or rejects what was looked at; with `digest`, only exactly that.";
    POST   "/api/approvals/tools/{id}/revoke"           Admin   approvals::revoke_tool [CONFLICT],
        "Takes an approval back; the tool is no longer offered.";
    POST   "/api/approvals/tools/bulk-action"           Admin   approvals::decide_tools,
        "Decides about many tools: `action`, `tool_ids`, `reason`, `digests` by id; a result for each.";
    GET    "/api/approvals/network"                     Admin   requests::network,
        "Lists the hosts that tools ask for.";
    POST   "/api/approvals/network/{id}/action"         Admin   requests::decide_network [CONFLICT FORBIDDEN],
        "Approves or rejects a host.";
    POST   "/api/approvals/network/{id}/revoke"         Admin   requests::revoke_network [CONFLICT],
        "Takes a host back; the next call does not reach it.";
    DELETE "/api/approvals/network/{id}"                Admin   requests::delete_network [CONFLICT],
        "Deletes a request that is not approved, so that the tool may ask again.";
    POST   "/api/approvals/network/bulk-action"         Admin   requests::decide_networks,
        "Decides many requests for hosts: `action`, `request_ids`, `reason`; a result for each.";
    GET    "/api/approvals/modules"                     Admin   requests::modules,
        "Lists the modules that tools ask for.";
    POST   "/api/approvals/modules/{id}/action"         Admin   requests::decide_module [CONFLICT FORBIDDEN],
        "Approves or rejects a module.";
    POST   "/api/approvals/modules/{id}/revoke"         Admin   requests::revoke_module [CONFLICT],
        "Takes a module back.";
    DELETE "/api/approvals/modules/{id}"                Admin   requests::delete_module [CONFLICT],
        "Deletes a request that is not approved, so that the tool may ask again.";
    POST   "/api/approvals/modules/bulk-action"         Admin   requests::decide_modules,
        "Decides many requests for modules: `action`, `request_ids`, `reason`; a result for each.";
    GET    "/api/approvals/sources"                     Admin   external_mcp_sources::awaiting,
        "Lists the external sources that a person has still to allow, by `PUT` with `status` `active`, or to delete.";
    GET    "/api/approvals/server/{id}/network"         Admin   requests::network_of_server,
        "Lists the requests for hosts of one server.";
    GET    "/api/approvals/server/{id}/modules"         Admin   requests::modules_of_server,
        "Lists the requests for modules of one server.";

    POST   "/api/external-sources/servers/{id}/sources" Admin   external_mcp_sources::create [CONFLICT],
        "Adds an [external source](external-sources.md) to a server: another MCP server, whose tools can be imported.";
    GET    "/api/external-sources/servers/{id}/sources" Admin   external_mcp_sources::list,
        "Lists the external sources of a server.";
    GET    "/api/external-sources/sources/{id}"         Admin   external_mcp_sources::get,
        "One external source; what lets us in there is never shown.";
    PUT    "/api/external-sources/sources/{id}"         Admin   external_mcp_sources::update [CONFLICT],
        "Changes an external source, allows it or switches it off: `status` is `active` or `disabled`.";
    DELETE "/api/external-sources/sources/{id}"         Admin   external_mcp_sources::delete [CONFLICT],
        "Deletes an external source that no tool was imported from.";
    POST   "/api/external-sources/sources/{id}/discover" Admin  external_mcp_sources::discover [CONFLICT BUSY SOURCE_FAILED],
        "Asks an external source for its tools now; those that are defined differently wait for approval.";
    GET    "/api/external-sources/sources/{id}/cached-tools" Admin external_mcp_sources::cached_tools,
        "Lists what an external source offered the last time that it was asked.";
    POST   "/api/external-sources/sources/{id}/import"  Admin   external_mcp_sources::import,
        "Makes tools of what an external source offers, approved at once: `tool_names`; a result for each.";
    POST   "/api/external-sources/sources/{id}/health"  Admin   external_mcp_sources::health [CONFLICT BUSY],
        "Asks an external source whether it answers.";
    POST   "/api/external-sources/sources/{id}/oauth/start" Admin external_mcp_sources::oauth_start [CONFLICT BUSY SOURCE_FAILED],
        "Begins a login at an external source: answers where to go, and the `state` that comes back.";
    POST   "/api/external-sources/oauth/exchange"       Admin   external_mcp_sources::oauth_exchange [NOT_FOUND CONFLICT SOURCE_FAILED],
        "Ends a login at an external source: `state`, `code`, and `iss` where one came back.";

    GET    "/health/circuits"                           Admin   circuits::list,
        "Every breaker: which external sources failed too often and are left alone.";
    POST   "/health/circuits/reset"                     Admin   circuits::reset_all,
        "Closes all breakers.";
    POST   "/health/circuits/{name}/reset"              Admin   circuits::reset,
        "Closes the breaker of one external source, by its name or its id.";

    GET    "/api/settings"                              Admin   settings::list,
        "Lists every policy with its values, its default and who set it.";
    GET    "/api/settings/security-policy"              Admin   settings::security_policy,
        "The [policies](policies.md) in force, and the profile that they are.";
    PATCH  "/api/settings/security-policy"              Admin   settings::set_security_policy,
        "Changes the policies that are given.";
    PATCH  "/api/settings/security-profile"             Admin   settings::set_security_profile,
        "Sets several policies at once: `profile` is `strict`, `balanced` or `permissive`.";
    POST   "/api/settings/onboarding-complete"          Admin   settings::complete_onboarding,
        "Notes that a person was led through the first steps.";
    GET    "/api/config"                                Admin   settings::installation,
        "What a dashboard has to know first: version, the path of MCP, languages, whether the first steps are done.";

    GET    "/api/settings/modules"                      Admin   settings::modules,
        "The [modules](modules.md) that every Python tool may import.";
    PATCH  "/api/settings/modules"                      Admin   settings::set_modules,
        "Changes that list: `add_modules`, `remove_modules`, `reset_to_defaults`.";
    GET    "/api/settings/modules/enhanced"             Admin   settings::enhanced_modules,
        "Lists the modules that are allowed or were asked for, with what is known of each.";

    GET    "/api/settings/modules/pypi/{module_name}"   Admin   settings::package_facts [CONFLICT],
        "What PyPI, OSV and deps.dev say of the package that brings a module; each may be unavailable.";
    POST   "/api/settings/modules/{module_name}/install" Admin  settings::install_package [CONFLICT],
        "Installs the package that brings a module, or its latest version if one is installed; answers when it is done.";
    POST   "/api/settings/modules/sync"                 Admin   settings::sync_packages [CONFLICT],
        "Installs the packages of all approved modules anew, and removes those of no other.";

    GET    "/api/dashboard"                             Admin   dashboard::show,
        "Tells what there is, what waits for a person, and how the calls of `?period=` went: 1h, 6h, 24h, 7d.";
    GET    "/api/execution-logs"                        Admin   execution_logs::list,
        "Lists the calls, newest first; by server, tool, caller, outcome, success, time or a word of the error.";
    GET    "/api/execution-logs/stats"                  Admin   execution_logs::statistics,
        "Counts the calls of `?period=`, of all tools, of one, or of one server's.";
    GET    "/api/servers/{id}/execution-logs"           Admin   execution_logs::of_server,
        "Lists the calls of a server's tools, narrowed as all calls are.";
    GET    "/api/logs/{id}"                             Admin   execution_logs::get,
        "Shows one call.";
    GET    "/api/export/servers"                        Admin   export::servers [TOO_LARGE BUSY],
        "All servers with their tools and the policies that were set, as a [signed file](export-import.md); `?versions=all`, `?components=digests`.";
    GET    "/api/export/servers/{id}"                   Admin   export::server [TOO_LARGE BUSY],
        "The same of one server, without policies.";
    GET    "/api/export/download/servers"               Admin   export::download [TOO_LARGE BUSY],
        "All servers, as a file to save.";
    POST   "/api/export/import"                         Admin   export::import [FORBIDDEN],
        "Takes the servers of such a file over, all or nothing, none approved: `?dry_run=`, `?clashes=`, `?broken=`, `?settings=`, `?trust=`.";
    GET    "/api/audit"                                 Admin   audit::list,
        "Lists every act that changed something, newest first; by object, actor, action or time.";

    GET    "/api/activity/logs"                         Admin   activity::list,
        "Lists what MCP clients asked and were answered, newest first; by server, type, level, request, method, time or a word.";
    DELETE "/api/activity/logs"                         Admin   activity::clean_up,
        "Deletes rows of it that are older than `?older_than_days=`.";
    GET    "/api/activity/logs/{id}"                    Admin   activity::get,
        "Shows one row of it.";
    GET    "/api/activity/recent"                       Admin   activity::recent,
        "Shows the newest rows of it (`?limit=`, at most 100), without counting the others.";
    GET    "/api/activity/stats"                        Admin   activity::statistics,
        "Counts its rows of `?period=` by type and level.";
    GET    "/api/activity/request/{request_id}"         Admin   activity::of_request,
        "Shows all rows of one request, oldest first, and its calls.";
    POST   "/api/activity/ticket"                       Admin   activity::ticket,
        "Makes a ticket that opens the socket below once, within 30 seconds.";
    GET    "/api/activity/stream"                       Socket  activity_stream::open [MALFORMED BUSY],
        "A WebSocket that tells of [activity](events.md#the-socket) as it happens; takes a ticket too (`?ticket=`).";
    GET    "/api/events"                                Admin   events::stream [BUSY],
        "Tells as [server-sent events](events.md) what changes, as it does.";
}

/// What the operator says about this door.
#[derive(Clone, Debug, Default)]
pub struct ApiSettings {
    /// Whether only this machine reaches the listener.
    pub local: bool,
    /// Further names of this machine, with or without a port.
    pub allowed_hosts: Vec<String>,
    /// Whether `/metrics` answers.
    pub metrics: bool,
    /// Proxies that are believed when they say for whom they speak.
    pub trusted_proxies: Proxies,
    /// Whether cookies are for TLS only, whoever says what.
    pub secure_cookies: bool,
}

/// What handlers work with. Clones share everything.
#[derive(Clone)]
pub struct ApiState(Arc<Inner>);

/// What an [`ApiState`] shares.
pub struct Inner {
    service: Service,
    telemetry: Telemetry,
    settings: Arc<ApiSettings>,
    rate: Arc<Rate>,
    signs: Arc<Signs>,
    uploads: Arc<Uploads>,
    places: Arc<Places>,
    /// What the host waits for when it stops.
    tasks: TaskTracker,
}

impl ApiState {
    pub fn new(service: Service, telemetry: Telemetry, settings: ApiSettings, tasks: TaskTracker) -> Self {
        let rate = Arc::new(Rate::new(service.limits().api_requests_per_minute));
        let uploads = Arc::new(Uploads::new(service.limits()));
        let places = Arc::new(Places::new(service.limits()));
        let (settings, signs) = (Arc::new(settings), Arc::default());
        Self(Arc::new(Inner { service, telemetry, settings, rate, signs, uploads, places, tasks }))
    }
}

impl std::ops::Deref for ApiState {
    type Target = Inner;
    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl Access {
    /// The words of documents for it.
    pub fn words(self) -> &'static str {
        match self {
            Self::Open => "everybody",
            Self::Admin | Self::Socket => "administrators",
            Self::Probe => "everybody, uncounted",
            Self::Private => "peers in the own network",
        }
    }

    /// Whether the rate of its address counts such a request.
    fn is_counted(self) -> bool {
        matches!(self, Self::Open | Self::Admin | Self::Socket)
    }
}

impl Route {
    /// The sentence without its links, which are for pages of `docs/`.
    pub fn summary(&self) -> String {
        let mut parts = self.sentence.split('[');
        let begin = parts.next().unwrap_or_default().to_owned();
        parts.fold(begin, |text, part| match part.split_once("](") {
            Some((words, rest)) => text + words + rest.split_once(')').map_or("", |(_, rest)| rest),
            None => text + "[" + part,
        })
    }

    fn router(&self, state: &ApiState) -> MethodRouter<ApiState> {
        let handler = (self.handler)();
        match self.access {
            // Before the handler takes anything from the request.
            Access::Admin => handler.layer(from_extractor_with_state::<Admin, _>(state.clone())),
            Access::Private => handler.layer(from_extractor_with_state::<metrics::PrivatePeer, _>(state.clone())),
            Access::Open | Access::Socket | Access::Probe => handler,
        }
    }
}

/// The routes of this door and of the one `beside` it, with all layers. It wants to know the peer:
/// serve it with connect info of `SocketAddr`.
fn router(state: &ApiState, beside: Router) -> Router {
    let routes = |counted| {
        let wanted = ROUTES.iter().filter(|route| route.access.is_counted() == counted);
        let router = wanted.fold(Router::new(), |router, route| router.route(route.path, route.router(state)));
        router.method_not_allowed_fallback(root::method_not_allowed)
    };
    layers::around(state, routes(true).fallback(root::not_found), routes(false), beside)
}
