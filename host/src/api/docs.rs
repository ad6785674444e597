//! The page on which people browse the API. It has all that it needs from this host.

use std::sync::Arc;

use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::openapi::schema::Schema;
use utoipa::{PartialSchema as _, ToSchema};
use utoipa_swagger_ui::Config;

use super::describe::{Answer, Description, content};
use super::extract::{Path, no_such_address};
use super::problem::Problem;

const PAGE: &str = include_str!("docs.html");
const START: &str = include_str!("docs.js");

/// Its scripts and styles come from here, it asks this host, and nobody frames it.
const POLICY: (HeaderName, HeaderValue) = (
    CONTENT_SECURITY_POLICY,
    HeaderValue::from_static(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
);

/// The files that the page names.
#[derive(Clone, Copy, Deserialize, ToSchema)]
pub(super) enum File {
    #[serde(rename = "start.js")]
    Start,
    #[serde(rename = "swagger-ui-bundle.js")]
    Bundle,
    #[serde(rename = "swagger-ui.css")]
    Style,
    #[serde(rename = "favicon-32x32.png")]
    Icon,
}

/// A page.
pub(super) struct Page;

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        ([POLICY, (CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"))], PAGE).into_response()
    }
}

impl Answer for Page {
    fn describe(to: &mut Description) {
        to.answer(StatusCode::OK, vec![("text/html", content(String::schema()))]);
    }
}

/// One of its files.
pub(super) struct Served {
    kind: HeaderValue,
    bytes: Vec<u8>,
}

impl IntoResponse for Served {
    fn into_response(self) -> Response {
        ([(CONTENT_TYPE, self.kind)], self.bytes).into_response()
    }
}

impl Answer for Served {
    fn describe(to: &mut Description) {
        let kinds = ["text/javascript", "text/css", "image/png"];
        to.answer(StatusCode::OK, kinds.map(|kind| (kind, content(Schema::default()))).into());
    }
}

pub(super) async fn page() -> Page {
    Page
}

pub(super) async fn file(Path(file): Path<File>) -> Result<Served, Problem> {
    let (name, kind) = match file {
        File::Start => {
            let kind = HeaderValue::from_static("text/javascript");
            return Ok(Served { kind, bytes: START.as_bytes().to_vec() });
        }
        File::Bundle => ("swagger-ui-bundle.js", "text/javascript"),
        File::Style => ("swagger-ui.css", "text/css"),
        File::Icon => ("favicon-32x32.png", "image/png"),
    };
    let served = utoipa_swagger_ui::serve(name, Arc::new(Config::default()));
    match served.map_err(|error| Problem::internal("reading a file of the page", error.to_string()))? {
        Some(served) => Ok(Served { kind: HeaderValue::from_static(kind), bytes: served.bytes.into_owned() }),
        None => Err(no_such_address(name)),
    }
}
