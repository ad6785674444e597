//! Accounts, sessions and API keys.

use std::net::IpAddr;
use std::time::Duration;

use super::*;
use crate::crypto::token::{Token, TokenKind};
use crate::db::admin_sessions;
use crate::service::sessions::{AccessToken, Session};

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

impl Host {
    async fn ada(&self) -> Result<(), Error> {
        self.admin_create(&Caller::operator(), "ada", PASSWORD).await.map(drop)
    }

    async fn session(&self, token: &AccessToken) -> Result<Session, Error> {
        self.session_of(&token.access_token.parse().expect("a token"), HERE).await
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
    let token = host.login(HERE, "ada", PASSWORD).await?;
    assert_eq!((token.token_type, token.expires_in), ("bearer", host.limits().access_token_s));
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
        match host.login(HERE, name, password).await {
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
        assert!(is_refused(host.login(HERE, "ada", OTHER).await));
    }
    let elsewhere = Some(IpAddr::from([198, 51, 100, 1]));
    for (from, name) in [(HERE, "ada"), (HERE, "bob"), (elsewhere, "ada")] {
        let wait = waits(host.login(from, name, PASSWORD).await);
        assert!(wait.is_some_and(|wait| wait <= Duration::from_secs(60)), "{from:?} {name}: {wait:?}");
    }
    assert!(is_refused(host.login(elsewhere, "bob", PASSWORD).await), "others may try");
    host.clock().turn(TimeDelta::seconds(60));
    assert!(host.login(HERE, "ada", PASSWORD).await.is_ok());
    Ok(())
}

#[tokio::test]
async fn logins_that_succeed_are_not_counted() -> Done {
    let host = host().await;
    host.ada().await?;
    for _ in 0..7 {
        host.login(HERE, "ada", PASSWORD).await?;
    }
    Ok(())
}

#[tokio::test]
async fn after_a_logout_the_token_opens_nothing() -> Done {
    let host = host().await;
    host.ada().await?;
    let (token, other) = (host.login(HERE, "ada", PASSWORD).await?, host.login(HERE, "ada", PASSWORD).await?);
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
    let (token, other) = (host.login(HERE, "ada", PASSWORD).await?, host.login(HERE, "ada", PASSWORD).await?);
    let caller = host.session(&token).await?.caller;
    assert!(is_forbidden(host.password_change(&caller, OTHER, OTHER).await));
    assert!(is_invalid(host.password_change(&caller, PASSWORD, "too short").await));
    assert!(is_forbidden(host.password_change(&model(), PASSWORD, OTHER).await));
    let fresh = host.password_change(&caller, PASSWORD, OTHER).await?;
    assert!(is_refused(host.session(&token).await) && is_refused(host.session(&other).await));
    assert!(host.session(&fresh).await.is_ok());
    assert!(is_refused(host.login(HERE, "ada", PASSWORD).await));
    assert!(host.login(HERE, "ada", OTHER).await.is_ok());
    Ok(())
}

#[tokio::test]
async fn of_two_changes_of_a_password_at_the_same_time_one_counts() -> Done {
    let host = host().await;
    host.ada().await?;
    let caller = host.session(&host.login(HERE, "ada", PASSWORD).await?).await?.caller;
    let (one, other) = tokio::join!(
        host.password_change(&caller, PASSWORD, OTHER),
        host.password_change(&caller, PASSWORD, "a third password"),
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
    assert!(matches!(host.login(HERE, "ada", PASSWORD).await, Err(Error::Busy { .. })));
    assert!(began.elapsed() >= Duration::from_millis(100), "it waited for its turn");
    drop(turn);
    assert!(host.login(HERE, "ada", PASSWORD).await.is_ok());
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
    assert!(is_missing(host.api_key_revoke(&person(), "nobody").await));
    let revoked = host.api_key_revoke(&person(), "claude.desktop").await?;
    assert!(revoked.revoked_at.is_some());
    assert!(is_refused(host.caller_of_key(&token, HERE).await));
    assert!(is_conflict(host.api_key_revoke(&person(), "claude.desktop").await));
    assert_eq!(host.acts().await?, ["api_key.create", "api_key.revoke"]);
    Ok(())
}

#[tokio::test]
async fn only_people_see_and_change_keys() -> Done {
    let host = host().await;
    assert!(is_forbidden(host.api_key_create(&model(), "ci").await));
    assert!(is_forbidden(host.api_key_list(&model(), first_page()).await));
    assert!(is_forbidden(host.api_key_revoke(&model(), "ci").await));
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
async fn tokens_are_not_kept_as_they_are() -> Done {
    let host = host().await;
    host.ada().await?;
    let access: Token = host.login(HERE, "ada", PASSWORD).await?.access_token.parse().expect("a token");
    let (row, _) = admin_sessions::by_token_hash(&*host.db, &access.hash()).await?.expect("a session");
    assert_eq!(row.token_hash.len(), 64);
    assert!(!access.reveal().contains(&row.token_hash));
    Ok(())
}
