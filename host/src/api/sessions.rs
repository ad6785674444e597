//! Setting up, logging in and out, and the own account.

use axum::extract::State;
use axum::http::header::{SET_COOKIE, USER_AGENT};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{AppendHeaders, IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ApiState;
use super::describe::{Answer, Created, Description, NoContent};
use super::extract::{Admin, Json, PageQuery, Path, Peer, Query, Tls};
use super::problem::Problem;
use crate::auth::{self, RefreshCookie, cookies};
use crate::domain::ids::SessionId;
use crate::domain::names::Username;
use crate::service::admins::AdminView;
use crate::service::sessions::{Opening, SessionKind, SessionTokens, SessionView};
use crate::service::{Error, Page};

#[derive(Serialize, ToSchema)]
#[schema(as = SetupStatus)]
pub(super) struct StatusView {
    setup_required: bool,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Setup {
    #[schema(value_type = Username)]
    username: String,
    #[schema(min_length = 12, max_length = 128, format = Password)]
    password: String,
    setup_code: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Login {
    username: String,
    password: String,
    /// `cookie` for browsers; absent: `bearer`.
    #[serde(default)]
    session: SessionKind,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Refresh {
    refresh_token: String,
}

/// What a program gets (the fields are those of RFC 6749, section 5.1), or a browser, whose tokens
/// are in its cookies.
#[derive(Serialize, ToSchema)]
pub(super) struct TokensView {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    access_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    refresh_token: Option<String>,
    token_type: SessionKind,
    /// Seconds.
    expires_in: u64,
    /// Seconds.
    refresh_expires_in: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    csrf_token: Option<String>,
}

/// Tokens on their way to their owner.
pub(super) struct Given {
    tokens: SessionTokens,
    secure: bool,
}

impl IntoResponse for Given {
    fn into_response(self) -> Response {
        let Self { tokens: SessionTokens { access, access_s, refresh, refresh_s, csrf }, secure } = self;
        let times = |token_type| TokensView {
            access_token: None,
            refresh_token: None,
            token_type,
            expires_in: access_s,
            refresh_expires_in: refresh_s,
            csrf_token: None,
        };
        let Some(csrf) = csrf else {
            let (access_token, refresh_token) = (Some(access.reveal().to_owned()), Some(refresh.reveal().to_owned()));
            return Json(TokensView { access_token, refresh_token, ..times(SessionKind::Bearer) }).into_response();
        };
        let set = [
            cookies::SESSION.set(&access, access_s, secure),
            cookies::REFRESH.set(&refresh, refresh_s, secure),
            cookies::CSRF.set(&csrf, refresh_s, secure),
        ];
        (
            cookies_set(set),
            Json(TokensView { csrf_token: Some(csrf.reveal().to_owned()), ..times(SessionKind::Cookie) }),
        )
            .into_response()
    }
}

impl Answer for Given {
    fn describe(to: &mut Description) {
        to.answer_json::<TokensView>(StatusCode::OK).cookies = true;
    }
}

/// The end of a session.
pub(super) struct Ended(SetCookies);

impl IntoResponse for Ended {
    fn into_response(self) -> Response {
        (self.0, NoContent).into_response()
    }
}

impl Answer for Ended {
    fn describe(to: &mut Description) {
        to.answer(StatusCode::NO_CONTENT, Vec::new()).cookies = true;
    }
}

/// A refusal that takes cookies back.
pub(super) struct Refused(SetCookies, Problem);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0, self.1).into_response()
    }
}

impl Answer for Result<Given, Refused> {
    fn describe(to: &mut Description) {
        Given::describe(to);
    }
}

type SetCookies = AppendHeaders<Vec<(HeaderName, HeaderValue)>>;

fn cookies_set(cookies: impl IntoIterator<Item = Option<HeaderValue>>) -> SetCookies {
    AppendHeaders(cookies.into_iter().flatten().map(|cookie| (SET_COOKIE, cookie)).collect())
}

/// Takes the cookies of a session back; for a program there are none.
fn cookies_clear(kind: SessionKind, secure: bool) -> SetCookies {
    let all = cookies::COOKIES_OF_A_SESSION.iter().filter(|_| kind == SessionKind::Cookie);
    cookies_set(all.map(|cookie| cookie.clear(secure)))
}

/// Whether cookies of this answer are for TLS only.
fn is_secure(state: &ApiState, Tls(tls): Tls) -> bool {
    tls || state.settings.secure_cookies
}

fn user_agent(headers: &HeaderMap) -> Option<String> {
    headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PasswordChange {
    current_password: String,
    #[schema(min_length = 12, max_length = 128, format = Password)]
    new_password: String,
}

pub(super) async fn status(State(state): State<ApiState>) -> Result<Json<StatusView>, Problem> {
    Ok(Json(StatusView { setup_required: state.service.setup_required().await? }))
}

pub(super) async fn setup(
    State(state): State<ApiState>,
    Peer(peer): Peer,
    Json(setup): Json<Setup>,
) -> Result<Created<AdminView>, Problem> {
    let Setup { username, password, setup_code } = setup;
    let made = state.service.admin_setup(Some(peer.ip()), &username, &password, &setup_code).await?;
    Ok(Created(made))
}

/// Bearer tokens in the answer, or cookies for a page of this host.
pub(super) async fn login(
    State(state): State<ApiState>,
    Peer(peer): Peer,
    tls: Tls,
    headers: HeaderMap,
    Json(Login { username, password, session }): Json<Login>,
) -> Result<Given, Problem> {
    if session == SessionKind::Cookie {
        auth::from_own_page(&headers)?;
    }
    let opening = Opening { kind: session, from: Some(peer.ip()), user_agent: user_agent(&headers) };
    let tokens = state.service.login(opening, &username, &password).await?;
    Ok(Given { tokens, secure: is_secure(&state, tls) })
}

/// A token in the body counts; without one, that of the cookie. A refused cookie is taken back.
pub(super) async fn refresh(
    State(state): State<ApiState>,
    Peer(peer): Peer,
    tls: Tls,
    headers: HeaderMap,
    body: Option<Json<Refresh>>,
) -> Result<Given, Refused> {
    let (kind, secure) =
        (if body.is_some() { SessionKind::Bearer } else { SessionKind::Cookie }, is_secure(&state, tls));
    let from = Some(peer.ip());
    let refreshed = match body {
        Some(Json(Refresh { refresh_token })) => state.service.session_refresh(from, &refresh_token, None).await,
        None => match auth::refresh_cookie(&headers) {
            Ok(RefreshCookie { refresh, csrf }) => {
                state.service.session_refresh(from, refresh.reveal(), Some(&csrf)).await
            }
            Err(error) => Err(error),
        },
    };
    refreshed.map(|tokens| Given { tokens, secure }).map_err(|error| {
        let ended = matches!(error, Error::Unauthenticated { .. });
        let clear = if ended { cookies_clear(kind, secure) } else { cookies_set([]) };
        Refused(clear, error.into())
    })
}

pub(super) async fn logout(State(state): State<ApiState>, tls: Tls, Admin(session): Admin) -> Result<Ended, Problem> {
    state.service.session_end(&session).await?;
    Ok(Ended(cookies_clear(session.kind(), is_secure(&state, tls))))
}

/// All sessions of the account end, this one too; the answer opens a new one.
pub(super) async fn change_password(
    State(state): State<ApiState>,
    tls: Tls,
    Admin(session): Admin,
    Json(change): Json<PasswordChange>,
) -> Result<Given, Problem> {
    let PasswordChange { current_password, new_password } = change;
    let tokens = state.service.password_change(&session, &current_password, &new_password).await?;
    Ok(Given { tokens, secure: is_secure(&state, tls) })
}

pub(super) async fn me(State(state): State<ApiState>, admin: Admin) -> Result<Json<AdminView>, Problem> {
    Ok(Json(state.service.admin_own(admin.caller()).await?))
}

pub(super) async fn list(
    State(state): State<ApiState>,
    Admin(session): Admin,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<SessionView>>, Problem> {
    Ok(Json(state.service.session_list(&session, page.into()).await?))
}

pub(super) async fn revoke(
    State(state): State<ApiState>,
    Admin(session): Admin,
    Path(id): Path<SessionId>,
) -> Result<NoContent, Problem> {
    state.service.session_revoke(&session, id).await?;
    Ok(NoContent)
}
