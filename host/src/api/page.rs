//! `docs/api.md`, made of the table of routes.

use super::{ROUTES, Route};

const PAGE_HEAD: &str = "\
# API

Every address of the API. Bodies and answers are JSON; a list is `{items, total, page, page_size, pages}` and
takes `?page=` and `?page_size=`; what does not succeed is one of the [problems](problems.md). Administrators
show the token of `POST /auth/login` as `Authorization: Bearer TOKEN`, or the cookies of a browser
([logging in](authentication.md)). Requests of one address are counted (`RATE_LIMIT_REQUESTS_PER_MINUTE`),
except where the page says so. Models speak MCP at `/mcp` and have
[tools of their own](mcp-tools.md).

What each route takes and answers, to the last field, stands in [openapi.json](openapi.json) (OpenAPI 3.1). A host
serves the same at `/api/openapi.json`, and a page to browse and try it at `/api/docs`; both need no credential,
and nothing from anywhere else. What an answer may leave out is never null, and what may be null is never left
out.

This page is made from the table in `host/src/api/mod.rs`: change that, then run
`make docs`.

| method | path | for whom | what it does |
| --- | --- | --- | --- |
";

/// `docs/api.md`.
pub fn markdown() -> String {
    let mut page = String::from(PAGE_HEAD);
    for Route { method, path, access, sentence, .. } in ROUTES {
        page += &format!("| {method} | `{path}` | {} | {sentence} |\n", access.words());
    }
    page
}
