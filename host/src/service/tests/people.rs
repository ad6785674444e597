//! Accounts, sessions and API keys.

use std::net::IpAddr;
use std::time::Duration;

use super::*;
use crate::crypto::token::{Token, TokenKind};
use crate::db::admin_sessions;
use crate::domain::ids::{ApiKeyId, SessionId};
use crate::service::sessions::{Opening, Session, SessionKind, SessionTokens};

const PASSWORD: &str = "correct horse battery";
const OTHER: &str = "staple battery horse";
const HERE: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7)));

fn is_refused<T>(result: Result<T, Error>) -> bool {
    matches!(result, Err(Error::Unauthenticated { .. }))
}

fn waits<T>(result: Result<T, Error>) -> Option<Duration> {
    match result {
        Err(Error::RateLimited { retry_after, .. }) => Some(retry_after),
        _ => None,
    }
}

/// A program that logs in.
fn from(from: Option<IpAddr>) -> Opening {
    Opening { from, ..Opening::default() }
}

/// A browser that logs in.
fn browser() -> Opening {
    Opening { kind: SessionKind::Cookie, from: HERE, user_agent: Some("Firefox".repeat(100)) }
}

impl Host {
    async fn ada(&self) -> Result<(), Error> {
        self.admin_create(&Caller::operator(), "ada", PASSWORD).await.map(drop)
    }

    async fn session(&self, tokens: &SessionTokens) -> Result<Session, Error> {
        self.session_of(&tokens.access, SessionKind::Bearer, HERE).await
    }

    async fn refresh(&self, tokens: &SessionTokens) -> Result<SessionTokens, Error> {
        self.session_refresh(HERE, tokens.refresh.reveal(), tokens.csrf.as_ref()).await
    }
}

#[tokio::test]
async fn the_first_account_is_made_once_with_the_code_of_the_data_folder() -> Done {
    let host = host().await;
    let code = host.setup_code_open().await?.expect("there is no account");
    assert!(host.setup_required().await?);
    assert!(is_forbidden(host.admin_setup(HERE, "ada", PASSWORD, "AAAA-AAAA-AAAA-AAAA").await));
    assert!(is_invalid(host.admin_setup(HERE, "a b", PASSWORD, code.reveal()).await));
    assert!(is_invalid(host.admin_setup(HERE, "ada", "too short", code.reveal()).await));
    let made = host.admin_setup(HERE, "ada", PASSWORD, &code.reveal().to_lowercase()).await?;
    assert_eq!(made.username, "ada");
    assert!(!host.setup_required().await?);
    assert!(!host.0.parts.setup_code_file.exists(), "a code that was used is gone");
    assert!(is_conflict(host.admin_setup(HERE, "bob", PASSWORD, code.reveal()).await));
    assert!(host.setup_code_open().await?.is_none());
    assert!(!host.0.parts.setup_code_file.exists());
    assert_eq!(host.acts().await?, ["admin.setup"]);
    Ok(())
}

#[tokio::test]
async fn of_two_who_set_up_at_the_same_time_one_is_first() -> Done {
    let host = host().await;
    let code = host.setup_code_open().await?.expect("there is no account");
    let (one, other) = tokio::join!(
        host.admin_setup(HERE, "ada", PASSWORD, code.reveal()),
        host.admin_setup(HERE, "bob", PASSWORD, code.reveal()),
    );
    assert_ne!(one.is_ok(), other.is_ok());
    assert!(is_conflict(if one.is_ok() { other } else { one }));
    Ok(())
}

#[tokio::test]
async fn a_setup_code_cannot_be_guessed_at_leisure() -> Done {
    let host = host().await;
    host.setup_code_open().await?;
    for _ in 0..5 {
        assert!(is_forbidden(host.admin_setup(HERE, "ada", PASSWORD, "AAAA-AAAA-AAAA-AAAA").await));
    }
    assert!(waits(host.admin_setup(HERE, "ada", PASSWORD, "AAAA-AAAA-AAAA-AAAA").await).is_some());
    Ok(())
}

#[tokio::test]
async fn only_the_operator_makes_further_accounts() -> Done {
    let host = host().await;
    host.ada().await?;
    for caller in [person(), model()] {
        assert!(is_forbidden(host.admin_create(&caller, "bob", PASSWORD).await));
    }
    assert!(is_conflict(host.admin_create(&Caller::operator(), "ada", PASSWORD).await));
    host.admin_create(&Caller::operator(), "bob", PASSWORD).await?;
    assert_eq!(host.acts().await?, ["admin.create", "admin.create"]);
    Ok(())
}

#[tokio::test]
async fn a_login_opens_a_session_until_its_end() -> Done {
    let host = host().await;
    host.ada().await?;
    let token = host.login(from(HERE), "ada", PASSWORD).await?;
    assert_eq!((token.access_s, token.refresh_s), (host.limits().access_token_s, host.limits().refresh_token_s));
    assert!(token.csrf.is_none());
    let session = host.session(&token).await?;
    assert_eq!((session.caller.to_string().as_str(), session.caller.from), ("admin:ada", HERE));
    let me = host.admin_own(&session.caller).await?;
    assert_eq!(me.username, "ada");
    assert!(me.last_login_at.is_some());
    host.clock().turn(TimeDelta::seconds(890));
    assert!(host.session(&token).await.is_ok());
    host.clock().turn(TimeDelta::seconds(10));
    assert!(is_refused(host.session(&token).await));
    assert_eq!(host.acts().await?, ["admin.create", "admin.login"]);
    Ok(())
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_name_are_refused_alike() -> Done {
    let host = host().await;
    host.ada().await?;
    let mut said = Vec::new();
    for (name, password) in [("ada", OTHER), ("bob", PASSWORD), ("no name", PASSWORD), ("ada", "")] {
        match host.login(from(HERE), name, password).await {
            Err(Error::Unauthenticated { message }) => said.push(message),
            other => panic!("{name}: {other:?}"),
        }
    }
    said.dedup();
    assert_eq!(said.len(), 1, "{said:?}");
    let rows = host.audit_list(&person(), AuditFilter::default(), first_page()).await?.items;
    let names: Vec<_> = rows.iter().rev().map(|row| (row.action.as_str(), row.object_id.as_str())).collect();
    let refused = "admin.login_refused";
    assert_eq!(names[1..], [(refused, "ada"), (refused, "bob"), (refused, ""), (refused, "ada")]);
    assert!(rows.iter().take(4).all(|row| row.actor == "nobody" && row.from_address.as_deref() == Some("192.0.2.7")));
    Ok(())
}

#[tokio::test]
async fn after_five_failures_name_and_address_wait_a_minute() -> Done {
    let host = host().await;
    host.ada().await?;
    for _ in 0..5 {
        assert!(is_refused(host.login(from(HERE), "ada", OTHER).await));
    }
    let elsewhere = Some(IpAddr::from([198, 51, 100, 1]));
    for (address, name) in [(HERE, "ada"), (HERE, "bob"), (elsewhere, "ada")] {
        let wait = waits(host.login(from(address), name, PASSWORD).await);
        assert!(wait.is_some_and(|wait| wait <= Duration::from_secs(60)), "{address:?} {name}: {wait:?}");
    }
    assert!(is_refused(host.login(from(elsewhere), "bob", PASSWORD).await), "others may try");
    host.clock().turn(TimeDelta::seconds(60));
    assert!(host.login(from(HERE), "ada", PASSWORD).await.is_ok());
    Ok(())
}

#[tokio::test]
async fn logins_that_succeed_are_not_counted() -> Done {
    let host = host().await;
    host.ada().await?;
    for _ in 0..7 {
        host.login(from(HERE), "ada", PASSWORD).await?;
    }
    Ok(())
}

#[tokio::test]
async fn after_a_logout_the_token_opens_nothing() -> Done {
    let host = host().await;
    host.ada().await?;
    let (token, other) =
        (host.login(from(HERE), "ada", PASSWORD).await?, host.login(from(HERE), "ada", PASSWORD).await?);
    let session = host.session(&token).await?;
    host.session_end(&session).await?;
    assert!(is_refused(host.session(&token).await));
    assert!(host.session(&other).await.is_ok(), "another session goes on");
    host.session_end(&session).await?;
    let acts = host.acts().await?;
    assert_eq!(acts.iter().filter(|act| *act == "admin.logout").count(), 1);
    Ok(())
}

#[tokio::test]
async fn a_new_password_ends_every_session_and_opens_one() -> Done {
    let host = host().await;
    host.ada().await?;
    let (token, other) =
        (host.login(from(HERE), "ada", PASSWORD).await?, host.login(from(HERE), "ada", PASSWORD).await?);
    let session = host.session(&token).await?;
    assert!(is_forbidden(host.password_change(&session, OTHER, OTHER).await));
    assert!(is_invalid(host.password_change(&session, PASSWORD, "too short").await));
    let fresh = host.password_change(&session, PASSWORD, OTHER).await?;
    assert!(is_refused(host.session(&token).await) && is_refused(host.session(&other).await));
    assert!(is_refused(host.refresh(&token).await) && is_refused(host.refresh(&other).await));
    assert!(host.session(&fresh).await.is_ok());
    assert!(is_refused(host.login(from(HERE), "ada", PASSWORD).await));
    assert!(host.login(from(HERE), "ada", OTHER).await.is_ok());
    Ok(())
}

#[tokio::test]
async fn of_two_changes_of_a_password_at_the_same_time_one_counts() -> Done {
    let host = host().await;
    host.ada().await?;
    let session = host.session(&host.login(from(HERE), "ada", PASSWORD).await?).await?;
    let (one, other) = tokio::join!(
        host.password_change(&session, PASSWORD, OTHER),
        host.password_change(&session, PASSWORD, "a third password"),
    );
    assert_ne!(one.is_ok(), other.is_ok());
    Ok(())
}

/// Holds: passwords_at_once, password_wait_ms.
#[tokio::test]
async fn so_many_passwords_are_compared_at_the_same_time() -> Done {
    let host = host_within(Limits { passwords_at_once: 1, password_wait_ms: 100, ..Limits::default() }).await;
    host.ada().await?;
    let turn = host.hashing_turn().await?;
    let began = std::time::Instant::now();
    assert!(matches!(host.login(from(HERE), "ada", PASSWORD).await, Err(Error::Busy { .. })));
    assert!(began.elapsed() >= Duration::from_millis(100), "it waited for its turn");
    drop(turn);
    assert!(host.login(from(HERE), "ada", PASSWORD).await.is_ok());
    Ok(())
}

#[tokio::test]
async fn a_key_is_shown_once_and_opens_until_it_is_revoked() -> Done {
    let host = host().await;
    let made = host.api_key_create(&person(), "claude.desktop").await?;
    let token: Token = made.key.parse().expect("a token");
    assert!(made.key.starts_with(&made.view.prefix) && !format!("{made:?}").contains(&made.key));
    let caller = host.caller_of_key(&token, HERE).await?;
    assert_eq!((caller.to_string().as_str(), caller.from), ("key:claude.desktop", HERE));
    assert!(is_refused(host.caller_of_key(&Token::new(TokenKind::ApiKey), HERE).await));
    assert!(is_conflict(host.api_key_create(&person(), "claude.desktop").await));
    assert!(is_missing(host.api_key_revoke_named(&person(), "nobody").await));
    let revoked = host.api_key_revoke_named(&person(), "claude.desktop").await?;
    assert!(revoked.revoked_at.is_some());
    assert!(is_refused(host.caller_of_key(&token, HERE).await));
    assert!(is_conflict(host.api_key_revoke_named(&person(), "claude.desktop").await));
    assert_eq!(host.acts().await?, ["api_key.create", "api_key.revoke"]);
    Ok(())
}

#[tokio::test]
async fn only_people_see_and_change_keys() -> Done {
    let host = host().await;
    assert!(is_forbidden(host.api_key_create(&model(), "ci").await));
    assert!(is_forbidden(host.api_key_list(&model(), first_page()).await));
    assert!(is_forbidden(host.api_key_revoke_named(&model(), "ci").await));
    assert!(is_forbidden(host.api_key_revoke(&model(), ApiKeyId::new()).await));
    for bad in ["", "a b", ".a", &"x".repeat(65)] {
        assert!(is_invalid(host.api_key_create(&person(), bad).await), "{bad}");
    }
    Ok(())
}

#[tokio::test]
async fn the_last_use_of_a_key_is_noted_to_the_minute() -> Done {
    let host = host().await;
    let made = host.api_key_create(&person(), "ci").await?;
    let token: Token = made.key.parse().expect("a token");
    let noted = async || -> Result<_, Error> {
        host.caller_of_key(&token, HERE).await?;
        Ok(host.api_key_list(&person(), first_page()).await?.items[0].last_used_at.expect("it was used"))
    };
    let first = noted().await?;
    host.clock().turn(TimeDelta::seconds(50));
    assert_eq!(noted().await?, first);
    host.clock().turn(TimeDelta::seconds(10));
    assert!(noted().await? >= first + TimeDelta::seconds(60));
    Ok(())
}

#[tokio::test]
async fn an_exchange_gives_the_next_tokens_and_ends_those_of_before() -> Done {
    let host = host().await;
    host.ada().await?;
    let first = host.login(from(HERE), "ada", PASSWORD).await?;
    host.clock().turn(TimeDelta::seconds(900));
    assert!(is_refused(host.session(&first).await));
    let second = host.refresh(&first).await?;
    assert!(host.session(&second).await.is_ok());
    let third = host.refresh(&second).await?;
    assert!(is_refused(host.session(&second).await), "its time is not over, but it was exchanged");
    assert!(host.session(&third).await.is_ok());
    assert_eq!(host.acts().await?, ["admin.create", "admin.login"], "an exchange is no act");
    Ok(())
}

#[tokio::test]
async fn a_refresh_token_that_comes_twice_ends_its_session_and_no_other() -> Done {
    let host = host().await;
    host.ada().await?;
    let (first, other) =
        (host.login(from(HERE), "ada", PASSWORD).await?, host.login(from(HERE), "ada", PASSWORD).await?);
    let second = host.refresh(&first).await?;
    let third = host.refresh(&second).await?;
    assert!(is_refused(host.refresh(&first).await), "also one of long ago");
    assert!(is_refused(host.session(&third).await) && is_refused(host.refresh(&third).await));
    assert!(host.session(&other).await.is_ok() && host.refresh(&other).await.is_ok());
    let rows = host.audit_list(&person(), AuditFilter::default(), first_page()).await?.items;
    assert_eq!((rows[0].action.as_str(), rows[0].actor.as_str()), ("session.refresh_reused", "nobody"));
    assert_eq!(rows.iter().filter(|row| row.action == "session.refresh_reused").count(), 1);
    Ok(())
}

#[tokio::test]
async fn of_two_exchanges_at_the_same_time_at_most_one_is_answered() -> Done {
    let host = host().await;
    host.ada().await?;
    let first = host.login(from(HERE), "ada", PASSWORD).await?;
    let (one, other) = tokio::join!(host.refresh(&first), host.refresh(&first));
    assert!(one.is_ok() != other.is_ok());
    let given = one.or(other)?;
    assert!(is_refused(host.session(&given).await), "two had the token: the session has ended");
    Ok(())
}

/// Holds: refresh_token_s, admin_session_s.
#[tokio::test]
async fn a_session_ends_a_while_after_its_last_exchange_and_in_any_case_once() -> Done {
    let limits = Limits { refresh_token_s: 1_000, admin_session_s: 2_500, ..Limits::default() };
    let host = host_within(limits).await;
    host.ada().await?;
    let left = host.login(from(HERE), "ada", PASSWORD).await?;
    let mut tokens = host.login(from(HERE), "ada", PASSWORD).await?;
    for lives in [(900, 1_000), (900, 900), (100, 100)] {
        host.clock().turn(TimeDelta::seconds(800));
        tokens = host.refresh(&tokens).await?;
        assert!(tokens.access_s.abs_diff(lives.0) < 5 && tokens.refresh_s.abs_diff(lives.1) < 5, "{tokens:?}");
    }
    assert!(is_refused(host.refresh(&left).await));
    host.clock().turn(TimeDelta::seconds(101));
    assert!(is_refused(host.refresh(&tokens).await));
    assert_eq!(host.acts().await?.iter().filter(|act| act.starts_with("session.")).count(), 0, "none was reused");
    Ok(())
}

#[tokio::test]
async fn what_a_browser_was_given_opens_nothing_for_a_program() -> Done {
    let host = host().await;
    host.ada().await?;
    let (cookie, bearer) =
        (host.login(browser(), "ada", PASSWORD).await?, host.login(from(HERE), "ada", PASSWORD).await?);
    assert!(is_refused(host.session_of(&cookie.access, SessionKind::Bearer, HERE).await));
    assert!(is_refused(host.session_of(&bearer.access, SessionKind::Cookie, HERE).await));
    let csrf = cookie.csrf.clone().expect("a browser has one");
    assert!(is_refused(host.session_refresh(HERE, cookie.refresh.reveal(), None).await));
    assert!(is_refused(host.session_refresh(HERE, bearer.refresh.reveal(), Some(&csrf)).await));
    let other = Token::new(TokenKind::Csrf);
    let forged = host.session_refresh(HERE, cookie.refresh.reveal(), Some(&other)).await;
    assert!(matches!(forged, Err(Error::CrossSite { .. })));
    let session = host.session_of(&cookie.access, SessionKind::Cookie, HERE).await?;
    assert!(session.has_csrf(&csrf) && !session.has_csrf(&other) && !session.has_csrf(&cookie.access));
    let bearer = host.session(&bearer).await?;
    assert!(!bearer.has_csrf(&csrf));
    assert_eq!((session.kind(), bearer.kind()), (SessionKind::Cookie, SessionKind::Bearer));
    let refreshed = host.refresh(&cookie).await?;
    assert_eq!(refreshed.csrf.map(|csrf| csrf.hash()), Some(csrf.hash()), "other tabs go on");
    assert!(!format!("{session:?}").contains(&csrf.hash()));
    Ok(())
}

#[tokio::test]
async fn unknown_refresh_tokens_are_counted_for_the_address_and_spent_ones_are_not() -> Done {
    let host = host().await;
    host.ada().await?;
    let tokens = host.login(from(HERE), "ada", PASSWORD).await?;
    host.session_end(&host.session(&tokens).await?).await?;
    for _ in 0..7 {
        assert!(is_refused(host.refresh(&tokens).await));
    }
    let open = host.login(from(HERE), "ada", PASSWORD).await?;
    for token in ["nonsense", Token::new(TokenKind::Refresh).reveal(), open.access.reveal(), "", "mbx_rt_"] {
        assert!(is_refused(host.session_refresh(HERE, token, None).await), "{token}");
    }
    assert!(waits(host.refresh(&open).await).is_some());
    assert!(waits(host.login(from(HERE), "ada", PASSWORD).await).is_some());
    host.clock().turn(TimeDelta::seconds(60));
    assert!(host.refresh(&open).await.is_ok());
    Ok(())
}

#[tokio::test]
async fn a_wrong_current_password_counts_like_a_failed_login() -> Done {
    let host = host().await;
    host.ada().await?;
    let session = host.session(&host.login(from(HERE), "ada", PASSWORD).await?).await?;
    for _ in 0..5 {
        assert!(is_forbidden(host.password_change(&session, OTHER, OTHER).await));
    }
    assert!(waits(host.password_change(&session, PASSWORD, OTHER).await).is_some());
    let elsewhere = Some(IpAddr::from([198, 51, 100, 1]));
    assert!(waits(host.login(from(elsewhere), "ada", PASSWORD).await).is_some(), "the name waits");
    assert!(waits(host.login(from(HERE), "bob", PASSWORD).await).is_some(), "the address waits");
    Ok(())
}

#[tokio::test]
async fn a_person_sees_and_ends_their_own_sessions() -> Done {
    let host = host().await;
    host.ada().await?;
    host.admin_create(&Caller::operator(), "bob", PASSWORD).await?;
    let (ada, bob) = (host.login(from(HERE), "ada", PASSWORD).await?, host.login(from(HERE), "bob", PASSWORD).await?);
    let tab = host.login(browser(), "ada", PASSWORD).await?;
    let (ada, bob) = (host.session(&ada).await?, host.session(&bob).await?);
    let listed = host.session_list(&ada, first_page()).await?;
    let shown: Vec<_> = listed.items.iter().map(|view| (view.kind, view.current)).collect();
    assert_eq!(shown, [(SessionKind::Cookie, false), (SessionKind::Bearer, true)]);
    let view = &listed.items[0];
    assert_eq!(view.from_address.as_deref(), Some("192.0.2.7"));
    assert_eq!(view.user_agent.as_ref().map(String::len), Some(200));
    for id in [bob.id, SessionId::new()] {
        assert!(is_missing(host.session_revoke(&ada, id).await));
    }
    host.session_revoke(&ada, view.id).await?;
    assert!(is_refused(host.session_of(&tab.access, SessionKind::Cookie, HERE).await));
    assert!(is_refused(host.refresh(&tab).await));
    assert!(is_missing(host.session_revoke(&ada, view.id).await));
    assert_eq!(host.session_list(&ada, first_page()).await?.total, 1);
    assert_eq!(host.acts().await?.last().map(String::as_str), Some("session.revoke"));
    Ok(())
}

#[tokio::test]
async fn sessions_that_expired_are_swept_a_bounded_number_at_a_time() -> Done {
    let host = host().await;
    host.ada().await?;
    for _ in 0..3 {
        host.login(from(HERE), "ada", PASSWORD).await?;
    }
    assert_eq!(host.sessions_sweep(10).await?, 0);
    host.clock().turn(TimeDelta::days(8));
    let open = host.login(from(HERE), "ada", PASSWORD).await?;
    assert_eq!(
        (host.sessions_sweep(2).await?, host.sessions_sweep(2).await?, host.sessions_sweep(2).await?),
        (2, 1, 0)
    );
    assert!(host.session(&open).await.is_ok());
    Ok(())
}

#[tokio::test]
async fn tokens_are_not_kept_as_they_are() -> Done {
    let host = host().await;
    host.ada().await?;
    let tokens = host.login(browser(), "ada", PASSWORD).await?;
    let (row, _) = admin_sessions::by_access_hash(&*host.db, &tokens.access.hash()).await?.expect("a session");
    let kept = format!("{row:?}");
    let csrf = tokens.csrf.as_ref().expect("a browser has one");
    for token in [&tokens.access, &tokens.refresh, csrf] {
        assert!(!kept.contains(&token.reveal()[12..]), "{token:?}");
    }
    assert!(!format!("{tokens:?}").contains(&tokens.access.reveal()[12..]));
    Ok(())
}
