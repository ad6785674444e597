//! What is nobody's: the front page, and addresses and methods that do not exist.

use axum::http::{Method, Uri};

use super::extract::no_such_address;
use super::problem::{self, Problem};

/// Says where things are.
pub(super) async fn show() -> &'static str {
    concat!(
        "MCPbox ",
        env!("CARGO_PKG_VERSION"),
        "\n\n",
        "/mcp     for MCP clients (streamable HTTP)\n",
        "/api     for administrators, after POST /auth/login\n",
        "/health  for machines that look after this one\n",
    )
}

pub(super) async fn not_found(uri: Uri) -> Problem {
    no_such_address(uri.path())
}

pub(super) async fn method_not_allowed(method: Method) -> Problem {
    Problem::new(&problem::METHOD_NOT_ALLOWED, format!("{method} is not taken here; `Allow` lists what is"))
}
