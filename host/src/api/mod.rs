//! The door for people and their programs: JSON over HTTP, errors as RFC 9457.
//!
//! A handler unpacks, calls one function of the service and wraps the answer; it holds no rule and no
//! query. Every list is `{items, total, page, page_size, pages}`. Every route stands in one table,
//! with who may use it; the table asks for the credential, so a handler cannot forget to.

mod approvals;
mod audit;
mod compilations;
mod components;
mod execution_logs;
mod extract;
mod folders;
mod health;
mod layers;
mod limits;
mod metrics;
pub mod problem;
mod rate;
mod root;
mod secrets;
mod servers;
mod sessions;
mod tools;
mod upload;

use std::sync::Arc;

use axum::Router;
use axum::http::Method;
use axum::middleware::from_extractor_with_state;
use axum::routing::{MethodFilter, MethodRouter, on};

use self::extract::Admin;
use self::health::Signs;
use self::rate::Rate;
use self::upload::Uploads;
use crate::service::Service;
use crate::telemetry::Telemetry;

/// Who may use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everybody, as often as the rate allows.
    Open,
    /// Administrators with a session, as often as the rate allows.
    Admin,
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
    handler: fn() -> MethodRouter<ApiState>,
}

macro_rules! routes {
    ($($method:ident $path:literal $access:ident $handler:path;)*) => {
        /// Every route of this door.
        pub const ROUTES: &[Route] = &[$(Route {
            method: Method::$method,
            path: $path,
            access: Access::$access,
            handler: || on(MethodFilter::$method, $handler),
        },)*];
    };
}

routes! {
    GET    "/"                                          Open    root::show;

    GET    "/health"                                    Probe   health::show;
    GET    "/health/detail"                             Probe   health::show;
    GET    "/health/live"                               Probe   health::live;
    GET    "/health/ready"                              Probe   health::ready;
    GET    "/metrics"                                   Private metrics::show;

    GET    "/auth/status"                               Open    sessions::status;
    POST   "/auth/setup"                                Open    sessions::setup;
    POST   "/auth/login"                                Open    sessions::login;
    POST   "/auth/logout"                               Admin   sessions::logout;
    POST   "/auth/change-password"                      Admin   sessions::change_password;
    GET    "/auth/me"                                   Admin   sessions::me;

    GET    "/api/limits"                                Admin   limits::list;
    GET    "/api/compilations"                          Admin   compilations::list;

    POST   "/api/servers"                               Admin   servers::create;
    GET    "/api/servers"                               Admin   servers::list;
    GET    "/api/servers/{id}"                          Admin   servers::get;
    PATCH  "/api/servers/{id}"                          Admin   servers::update;
    DELETE "/api/servers/{id}"                          Admin   servers::delete;
    POST   "/api/servers/{id}/allowed-hosts"            Admin   servers::allow_host;
    DELETE "/api/servers/{id}/allowed-hosts"            Admin   servers::forbid_host;
    POST   "/api/sandbox/servers/{id}/start"            Admin   servers::start;
    POST   "/api/sandbox/servers/{id}/stop"             Admin   servers::stop;

    GET    "/api/servers/{id}/secrets"                  Admin   secrets::list;
    POST   "/api/servers/{id}/secrets"                  Admin   secrets::create;
    PUT    "/api/servers/{id}/secrets/{key_name}"       Admin   secrets::set;
    DELETE "/api/servers/{id}/secrets/{key_name}"       Admin   secrets::delete;

    GET    "/api/servers/{id}/tools"                    Admin   tools::list;
    POST   "/api/servers/{id}/tools"                    Admin   tools::create;
    GET    "/api/tools/{id}"                            Admin   tools::get;
    PATCH  "/api/tools/{id}"                            Admin   tools::update;
    DELETE "/api/tools/{id}"                            Admin   tools::delete;
    POST   "/api/servers/{id}/components"               Admin   components::create;
    PUT    "/api/servers/{id}/components/{name}"        Admin   components::replace;
    GET    "/api/tools/{id}/folders"                    Admin   folders::list;
    POST   "/api/tools/{id}/folders"                    Admin   folders::add;
    DELETE "/api/tools/{id}/folders"                    Admin   folders::remove;
    GET    "/api/tools/{id}/versions"                   Admin   tools::versions;
    GET    "/api/tools/{id}/logs"                       Admin   tools::logs;
    POST   "/api/tools/validate-code"                   Admin   tools::validate_code;
    POST   "/api/tools/test-code"                       Admin   tools::test_code;

    GET    "/api/approvals/tools"                       Admin   approvals::tools;
    POST   "/api/approvals/tools/{id}/action"           Admin   approvals::decide_tool;
    POST   "/api/approvals/tools/{id}/revoke"           Admin   approvals::revoke_tool;
    GET    "/api/approvals/network"                     Admin   approvals::network;
    POST   "/api/approvals/network/{id}/action"         Admin   approvals::decide_network;

    GET    "/api/execution-logs"                        Admin   execution_logs::list;
    GET    "/api/audit"                                 Admin   audit::list;
}

/// What the operator says about this door.
#[derive(Clone, Debug, Default)]
pub struct ApiSettings {
    /// Whether the listener is on loopback only; then `Host` has to be a name of this machine.
    pub local: bool,
    /// Further names of this machine, with or without a port.
    pub allowed_hosts: Vec<String>,
    /// Whether `/metrics` answers.
    pub metrics: bool,
}

/// What handlers work with. Clones share everything.
#[derive(Clone)]
pub struct ApiState {
    service: Service,
    telemetry: Telemetry,
    settings: Arc<ApiSettings>,
    rate: Arc<Rate>,
    signs: Arc<Signs>,
    uploads: Arc<Uploads>,
}

impl ApiState {
    pub fn new(service: Service, telemetry: Telemetry, settings: ApiSettings) -> Self {
        let rate = Arc::new(Rate::new(service.limits().api_requests_per_minute));
        let uploads = Arc::new(Uploads::new(service.limits()));
        Self { service, telemetry, settings: Arc::new(settings), rate, signs: Arc::default(), uploads }
    }
}

impl Access {
    /// Whether the rate of its address counts such a request.
    fn is_counted(self) -> bool {
        matches!(self, Self::Open | Self::Admin)
    }
}

impl Route {
    fn router(&self, state: &ApiState) -> MethodRouter<ApiState> {
        let handler = (self.handler)();
        match self.access {
            // Before the handler takes anything from the request.
            Access::Admin => handler.layer(from_extractor_with_state::<Admin, _>(state.clone())),
            Access::Private => handler.layer(from_extractor_with_state::<metrics::PrivatePeer, _>(state.clone())),
            Access::Open | Access::Probe => handler,
        }
    }
}

/// The routes of this door and of the one `beside` it, with all layers. It wants to know the peer:
/// serve it with connect info of `SocketAddr`.
pub fn router(state: &ApiState, beside: Router) -> Router {
    let routes = |counted| {
        let wanted = ROUTES.iter().filter(|route| route.access.is_counted() == counted);
        let router = wanted.fold(Router::new(), |router, route| router.route(route.path, route.router(state)));
        router.method_not_allowed_fallback(root::method_not_allowed)
    };
    layers::around(state, routes(true).fallback(root::not_found), routes(false), beside)
}
