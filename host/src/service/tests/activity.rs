//! The activity log on a real database: written, read by people, told to those who listen, deleted.

use std::time::Duration;

use super::*;
use crate::domain::activity::LogType;
use crate::domain::ids::CallId;
use crate::domain::outcome::LogLevel;
use crate::events::{Activity, Change as Told, Heard, Listener};
use crate::service::activity::{ActivityFilter, NewActivity};
use crate::service::exchanges::{Answered, Asked, CallEnd};
use crate::service::sessions::{Opening, Session, SessionKind};
use crate::service::statistics::Period;
use crate::telemetry::RequestId;

fn note(message: &str) -> NewActivity {
    NewActivity::new(LogType::McpRequest, LogLevel::Info, message)
}

#[tokio::test]
async fn a_row_is_there_when_it_is_told_and_only_people_read_it() -> Done {
    let host = host().await;
    let mut listener = host.events().listen(None);
    let request_id = RequestId::new();
    let new = NewActivity {
        caller: Some(person()),
        request_id: Some(request_id.clone()),
        duration: Some(Duration::from_micros(1_500)),
        ..note("tools/list").with("tools", 3)
    };
    host.activity_add(new).await;
    let Some(Heard::Event(event)) = listener.next().await else { panic!("an event") };
    let Told::Activity(told) = &event.change else { panic!("{event:?}") };
    let row = host.activity_get(&person(), told.activity_id).await?;
    assert_eq!((row.message.as_str(), &row.details), ("tools/list", &json!({"tools": 3})));
    assert_eq!((row.caller.as_deref(), row.from_address.as_deref()), (Some("admin:ada"), Some("192.0.2.7")));
    assert_eq!((row.duration_ms, told.duration_ms), (Some(1.5), Some(1.5)));
    let of_request = host.activity_of_request(&person(), request_id.as_str(), first_page()).await?;
    assert_eq!((of_request.logs.items, of_request.executions.len()), (vec![row], 0));
    assert!(is_missing(host.activity_of_request(&person(), "another", first_page()).await));
    assert!(is_missing(host.activity_of_request(&person(), "no id", first_page()).await));

    let any = ActivityFilter::default();
    assert!(is_forbidden(host.activity_list(&model(), any.clone(), first_page()).await));
    assert!(is_forbidden(host.activity_recent(&model(), any.clone(), None).await));
    assert!(is_forbidden(host.activity_get(&model(), told.activity_id).await));
    assert!(is_forbidden(host.activity_of_request(&model(), request_id.as_str(), first_page()).await));
    assert!(is_forbidden(host.activity_statistics(&model(), Period::Day).await));
    assert!(is_forbidden(host.activity_clean_up(&model(), 1).await));
    assert!(is_invalid(host.activity_recent(&person(), any.clone(), Some(101)).await));
    let empty = ActivityFilter { message_has: Some(String::new()), ..any };
    assert!(is_invalid(host.activity_list(&person(), empty, first_page()).await));
    Ok(())
}

fn asked(subject: &'static str) -> Asked {
    Asked {
        method: "tools/call",
        subject: subject.into(),
        arguments_bytes: Some(2),
        server_id: None,
        caller: person(),
        session: None,
        request_id: RequestId::new(),
    }
}

fn answered() -> Answered {
    let call = CallEnd { call_id: CallId::new(), outcome: "raised", fuel: 7 };
    let (level, end, duration) = (LogLevel::Warning, "answered with an error", Duration::from_micros(9));
    Answered { level, end, duration, code: None, call: Some(call) }
}

/// The next row that is told of.
async fn told(listener: &mut Listener) -> Activity {
    let Some(Heard::Event(event)) = listener.next().await else { panic!("an event") };
    let Told::Activity(told) = &event.change else { panic!("{event:?}") };
    told.clone()
}

#[tokio::test]
async fn a_request_that_is_answered_at_once_is_told_once_and_one_that_takes_long_twice() -> Done {
    let host = host().await;
    let mut listener = host.events().listen(None);
    let quick = host.exchange_begin(asked("quick")).await;
    host.exchange_end(quick, answered()).await;
    let one = told(&mut listener).await;
    assert_eq!((&*one.message, one.log_type), ("quick: answered with an error", LogType::McpResponse));
    assert_eq!((one.level, one.duration_ms), (LogLevel::Warning, Some(0.009)));

    let slow = host.exchange_begin(asked("slow")).await;
    let running = told(&mut listener).await;
    assert_eq!((&*running.message, running.log_type), ("slow", LogType::McpRequest));
    let row = host.activity_get(&person(), running.activity_id).await?;
    assert_eq!((row.details, row.duration_ms), (json!({"arguments_bytes": 2}), None));
    host.exchange_end(slow, answered()).await;
    let done = told(&mut listener).await;
    assert_eq!((done.activity_id, &*done.message), (running.activity_id, "slow: answered with an error"));
    let row = host.activity_get(&person(), running.activity_id).await?;
    assert_eq!((row.log_type, row.level), (LogType::McpResponse, LogLevel::Warning));
    assert_eq!((&row.details["outcome"], &row.details["fuel"]), (&json!("raised"), &json!(7)));
    let all = host.activity_list(&person(), ActivityFilter::default(), first_page()).await?;
    assert_eq!(all.total, 2);
    Ok(())
}

#[tokio::test]
async fn a_request_that_nobody_answered_stays_one_that_is_not_answered() -> Done {
    let host = host().await;
    let lost = host.exchange_begin(asked("lost")).await;
    drop(lost);
    host.finish().await;
    let all = host.activity_list(&person(), ActivityFilter::default(), first_page()).await?;
    assert_eq!((all.total, all.items[0].log_type), (1, LogType::McpRequest));
    Ok(())
}

#[tokio::test]
async fn a_clean_up_deletes_what_is_old_and_is_an_act() -> Done {
    let host = host().await;
    for _ in 0..3 {
        host.activity_add(note("old")).await;
    }
    host.clock().turn(TimeDelta::days(2));
    host.activity_add(note("young")).await;
    host.finish().await;
    let counted = host.activity_statistics(&person(), Period::Week).await?;
    assert_eq!((counted.total, counted.by_type["mcp_request"], counted.by_level["info"]), (4, 4, 4));
    assert_eq!((counted.errors, counted.by_type["alert"]), (0, 0));
    assert!(is_invalid(host.activity_clean_up(&person(), 0).await));
    assert_eq!(host.activity_clean_up(&person(), 1).await?.deleted, 3);
    let left = host.activity_list(&person(), ActivityFilter::default(), first_page()).await?;
    assert_eq!(left.items.iter().map(|row| row.message.as_str()).collect::<Vec<_>>(), ["young"]);
    assert_eq!(host.acts().await?, ["activity.clean_up"]);
    Ok(())
}

async fn logged_in(host: &Host) -> Result<Session, Error> {
    let code = host.setup_code_open().await?.expect("nobody is there yet");
    host.admin_setup(None, "ada", "correct horse battery", code.reveal()).await?;
    let tokens = host.login(Opening::default(), "ada", "correct horse battery").await?;
    host.session_of(&tokens.access, SessionKind::Bearer, None).await
}

#[tokio::test]
async fn a_ticket_opens_one_stream_within_seconds() -> Done {
    let host = host().await;
    let session = logged_in(&host).await?;
    let ticket = host.stream_ticket_create(&session).await?.ticket;
    assert_eq!(host.stream_ticket_use(&ticket, None).await?.id, session.id);
    let is_refused = |used: Result<Session, Error>| matches!(used, Err(Error::Unauthenticated { .. }));
    assert!(is_refused(host.stream_ticket_use(&ticket, None).await), "it was used");
    assert!(is_refused(host.stream_ticket_use("nonsense", None).await));
    let late = host.stream_ticket_create(&session).await?.ticket;
    host.clock().turn(TimeDelta::seconds(31));
    assert!(is_refused(host.stream_ticket_use(&late, None).await), "it has expired");
    let ended = host.stream_ticket_create(&session).await?.ticket;
    host.session_end(&session).await?;
    assert!(is_refused(host.stream_ticket_use(&ended, None).await), "its session has ended");
    Ok(())
}

#[tokio::test]
async fn a_session_has_so_many_tickets_and_no_more() -> Done {
    let host = host().await;
    let session = logged_in(&host).await?;
    let mut tickets = Vec::new();
    for _ in 0..21 {
        tickets.push(host.stream_ticket_create(&session).await?.ticket);
        host.clock().turn(TimeDelta::milliseconds(1));
    }
    assert!(host.stream_ticket_use(&tickets[0], None).await.is_err(), "the oldest made room");
    host.stream_ticket_use(&tickets[1], None).await?;
    host.stream_ticket_use(&tickets[20], None).await?;
    Ok(())
}

#[tokio::test]
async fn a_session_goes_on_until_its_token_expires_or_it_is_ended() -> Done {
    let host = host().await;
    let session = logged_in(&host).await?;
    assert!(host.session_goes_on(&session).await?);
    host.clock().turn(TimeDelta::minutes(14));
    assert!(host.session_goes_on(&session).await?);
    host.clock().turn(TimeDelta::minutes(2));
    assert!(!host.session_goes_on(&session).await?);
    Ok(())
}
