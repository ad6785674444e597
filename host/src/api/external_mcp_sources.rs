//! External sources: other MCP servers, asked for their tools and logged in at.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ApiState;
use super::describe::{Created, NoContent};
use super::extract::{Admin, Json, PageQuery, Path, Query};
use super::problem::Problem;
use crate::domain::ids::{ServerId, SourceId};
use crate::domain::names::SourceName;
use crate::domain::secret::SecretValue;
use crate::domain::source::{SourceAuth, SourceTransport};
use crate::service::external_logins::{LoginAnswer, LoginView};
use crate::service::external_mcp_sources::{NewSource, SourceChange, SourceHealth, SourceView};
use crate::service::external_mcp_tools::{DiscoveryView, ExternalToolView, ImportedView};
use crate::service::{LoginWish, Page};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SourceCreate)]
pub(super) struct Create {
    #[schema(value_type = SourceName)]
    name: String,
    #[schema(min_length = 1, max_length = 2048)]
    url: String,
    #[serde(default = "streamable_http")]
    transport_type: SourceTransport,
    #[serde(default = "no_auth")]
    auth_type: SourceAuth,
    auth_secret_name: Option<String>,
    auth_header_name: Option<String>,
    private_network: Option<bool>,
}

fn streamable_http() -> SourceTransport {
    SourceTransport::StreamableHttp
}

fn no_auth() -> SourceAuth {
    SourceAuth::None
}

/// What is absent stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SourceUpdate)]
pub(super) struct Update {
    name: Option<String>,
    url: Option<String>,
    transport_type: Option<SourceTransport>,
    auth_type: Option<SourceAuth>,
    auth_secret_name: Option<String>,
    auth_header_name: Option<String>,
    private_network: Option<bool>,
    status: Option<Switch>,
}

/// What a person can make of a source; `error` is not theirs to say.
#[derive(Deserialize, PartialEq, Eq, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = SourceSwitch)]
enum Switch {
    Active,
    Disabled,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SourceImport)]
pub(super) struct Import {
    #[schema(min_items = 1, max_items = 100)]
    tool_names: Vec<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = SourceImported)]
pub(super) struct Imported {
    results: Vec<ImportedView>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = LoginStart)]
pub(super) struct Start {
    redirect_uri: String,
    #[serde(default)]
    scopes: Vec<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
    client_metadata_url: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = LoginExchange)]
pub(super) struct Exchange {
    state: String,
    code: String,
    iss: Option<String>,
}

pub(super) async fn create(
    State(state): State<ApiState>,
    admin: Admin,
    Path(server): Path<ServerId>,
    Json(body): Json<Create>,
) -> Result<Created<SourceView>, Problem> {
    let new = NewSource {
        name: body.name,
        url: body.url,
        transport_type: body.transport_type,
        auth_type: body.auth_type,
        auth_secret_name: body.auth_secret_name,
        auth_header_name: body.auth_header_name,
        private_network: body.private_network,
    };
    Ok(Created(state.service.source_create(admin.caller(), server, new).await?))
}

pub(super) async fn list(
    State(state): State<ApiState>,
    admin: Admin,
    Path(server): Path<ServerId>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<SourceView>>, Problem> {
    Ok(Json(state.service.source_list(admin.caller(), server, page.into()).await?))
}

pub(super) async fn awaiting(
    State(state): State<ApiState>,
    admin: Admin,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<SourceView>>, Problem> {
    Ok(Json(state.service.sources_awaiting(admin.caller(), page.into()).await?))
}

pub(super) async fn get(
    State(state): State<ApiState>,
    admin: Admin,
    Path(id): Path<SourceId>,
) -> Result<Json<SourceView>, Problem> {
    Ok(Json(state.service.source_get(admin.caller(), id).await?))
}

pub(super) async fn update(
    State(state): State<ApiState>,
    admin: Admin,
    Path(id): Path<SourceId>,
    Json(body): Json<Update>,
) -> Result<Json<SourceView>, Problem> {
    let change = SourceChange {
        name: body.name,
        url: body.url,
        transport_type: body.transport_type,
        auth_type: body.auth_type,
        auth_secret_name: body.auth_secret_name,
        auth_header_name: body.auth_header_name,
        private_network: body.private_network,
        enabled: body.status.map(|status| status == Switch::Active),
    };
    Ok(Json(state.service.source_update(admin.caller(), id, change).await?))
}

pub(super) async fn delete(
    State(state): State<ApiState>,
    admin: Admin,
    Path(id): Path<SourceId>,
) -> Result<NoContent, Problem> {
    state.service.source_delete(admin.caller(), id).await?;
    Ok(NoContent)
}

pub(super) async fn discover(
    State(state): State<ApiState>,
    admin: Admin,
    Path(id): Path<SourceId>,
) -> Result<Json<DiscoveryView>, Problem> {
    Ok(Json(state.service.source_discover(admin.caller(), id).await?))
}

pub(super) async fn cached_tools(
    State(state): State<ApiState>,
    admin: Admin,
    Path(id): Path<SourceId>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<ExternalToolView>>, Problem> {
    Ok(Json(state.service.source_tools(admin.caller(), id, page.into()).await?))
}

pub(super) async fn import(
    State(state): State<ApiState>,
    admin: Admin,
    Path(id): Path<SourceId>,
    Json(Import { tool_names }): Json<Import>,
) -> Result<Json<Imported>, Problem> {
    let results = state.service.source_import(admin.caller(), id, tool_names).await?;
    Ok(Json(Imported { results }))
}

pub(super) async fn health(
    State(state): State<ApiState>,
    admin: Admin,
    Path(id): Path<SourceId>,
) -> Result<Json<SourceHealth>, Problem> {
    Ok(Json(state.service.source_health(admin.caller(), id).await?))
}

pub(super) async fn oauth_start(
    State(state): State<ApiState>,
    admin: Admin,
    Path(id): Path<SourceId>,
    Json(body): Json<Start>,
) -> Result<Json<LoginView>, Problem> {
    let wish = LoginWish {
        redirect_uri: body.redirect_uri,
        scopes: body.scopes,
        client_id: body.client_id,
        client_secret: body.client_secret.map(SecretValue::new),
        client_metadata_url: body.client_metadata_url,
    };
    Ok(Json(state.service.source_login_start(admin.caller(), id, wish).await?))
}

pub(super) async fn oauth_exchange(
    State(state): State<ApiState>,
    admin: Admin,
    Json(Exchange { state: returned, code, iss }): Json<Exchange>,
) -> Result<Json<SourceView>, Problem> {
    let answer = LoginAnswer { state: returned, code: SecretValue::new(code), iss };
    Ok(Json(state.service.source_login_finish(admin.caller(), answer).await?))
}
