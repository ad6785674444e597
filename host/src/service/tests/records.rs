//! What is kept: secrets, the audit log, the execution log.

use std::time::Duration;

use super::super::execution_log::ExecutionRows;
use super::super::logs::ExecutionFilter;
use super::*;
use crate::domain::ids::VersionId;

#[tokio::test]
async fn a_model_makes_a_placeholder_and_a_person_sets_the_value() -> Done {
    let host = host().await;
    let server = host.server("weather").await?;
    let new = |value: Option<&str>| NewSecret {
        key_name: "API_KEY".into(),
        description: "of the weather service".into(),
        value: value.map(|value| SecretValue::new(value.into())),
        binding: None,
    };
    assert!(is_forbidden(host.secret_create(&model(), server.id, new(Some("hunter2"))).await));
    assert!(!host.secret_create(&model(), server.id, new(None)).await?.has_value);
    assert!(is_conflict(host.secret_create(&model(), server.id, new(None)).await));
    assert!(host.secrets_of(server.id).await?.secrets.is_empty());
    let value = SecretValue::new("hunter2 of ada".into());
    let set = || SecretChange { value: Some(value.clone()), binding: None };
    assert!(is_forbidden(host.secret_set(&model(), server.id, "API_KEY", set()).await));
    assert!(is_missing(host.secret_set(&person(), server.id, "OTHER", set()).await));
    assert!(host.secret_set(&person(), server.id, "API_KEY", set()).await?.has_value);
    assert_eq!(host.secrets_of(server.id).await?.secrets.get("API_KEY"), Some(&value));

    let shown = serde_json::to_string(&host.secret_list(&model(), server.id, first_page()).await?);
    let audit = serde_json::to_string(&host.audit_list(&person(), AuditFilter::default(), first_page()).await?);
    for text in [shown, audit] {
        let text = text.expect("it is JSON");
        assert!(text.contains("API_KEY") && !text.contains("hunter2"), "{text}");
    }
    host.secret_delete(&person(), server.id, "API_KEY").await?;
    assert!(host.secrets_of(server.id).await?.secrets.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_secret_that_was_moved_to_another_server_does_not_open() -> Done {
    let host = host().await;
    let (weather, tides) = (host.server("weather").await?, host.server("tides").await?);
    let value = Some(SecretValue::new("hunter2".into()));
    let new = NewSecret { key_name: "API_KEY".into(), description: String::new(), value, binding: None };
    host.secret_create(&person(), weather.id, new).await?;
    let tx = host.db.begin().await?;
    let mut row = secrets::by_name(&tx, weather.id, "API_KEY").await?.expect("it is there");
    secrets::delete(&tx, row.id).await?;
    row.server_id = tides.id;
    secrets::insert(&tx, row).await?;
    tx.commit().await?;
    assert!(matches!(host.secrets_of(tides.id).await, Err(Error::Internal { .. })));
    Ok(())
}

#[tokio::test]
async fn only_people_read_who_did_what_from_where() -> Done {
    let host = host().await;
    let server = host.server("weather").await?;
    host.server_host_add(&person(), server.id, "api.example").await?;
    assert!(is_forbidden(host.audit_list(&model(), AuditFilter::default(), first_page()).await));
    let object = AuditFilter { object: Some(("server".into(), server.id.to_string())), ..AuditFilter::default() };
    let rows = host.audit_list(&person(), object, first_page()).await?.items;
    assert_eq!((rows.len(), rows[0].actor.as_str()), (2, "admin:ada"));
    assert_eq!(rows[0].from_address.as_deref(), Some("192.0.2.7"));
    assert_eq!(rows[0].after, Some(json!({ "host": "api.example", "status": "approved" })));
    assert_eq!((rows[1].actor.as_str(), rows[1].from_address.as_deref()), ("local", None));
    Ok(())
}

/// Holds: log_queue_rows.
#[tokio::test]
async fn a_call_waits_when_too_many_rows_are_queued() -> Done {
    let host = host_within(Limits { log_queue_rows: 3, ..Limits::default() }).await;
    let server = host.server("weather").await?;
    let tool = host.draft(server.id, "forecast").await?;
    // From now on no row gets there.
    host.db.close().await?;
    let mut taken = 0;
    while tokio::time::timeout(Duration::from_secs(1), host.0.log.push(call_of(&tool))).await.is_ok() {
        taken += 1;
    }
    // One batch is on its way for good, and the queue is full.
    assert!((4..=203).contains(&taken), "{taken}");
    Ok(())
}

/// The way of rows to the database.
pub(super) fn execution_rows(host: &Host) -> ExecutionRows {
    ExecutionRows { db: (*host.db).clone(), events: host.events().clone() }
}

/// A call that failed after one and a half milliseconds.
pub(super) fn call_of(tool: &ToolView) -> execution_logs::ExecutionLog {
    execution_logs::ExecutionLog {
        id: CallId::new(),
        server_id: tool.server_id,
        tool_id: tool.id,
        version_id: VersionId::new(),
        version_number: 1,
        tool_name: tool.gateway_name.clone().into(),
        caller: "local".into(),
        request_id: "r".into(),
        is_test: false,
        arguments: "{}".into(),
        result: None,
        error: Some("ValueError: no such city".into()),
        stdout: "".into(),
        arguments_bytes: 15.into(),
        result_bytes: 0.into(),
        stdout_bytes: 0.into(),
        cut: Texts::default(),
        outcome: "raised".into(),
        success: false,
        fuel: 7.into(),
        peak_memory_bytes: 8.into(),
        duration_us: 1_500.into(),
        http_requests: 0.into(),
        http_sent_bytes: 0.into(),
        http_received_bytes: 0.into(),
        started_at: testing::at(0),
    }
}

#[tokio::test]
async fn the_calls_of_a_tool_are_shown_newest_first() -> Done {
    let host = host().await;
    let server = host.server("weather").await?;
    let tool = host.approved(server.id, "forecast").await?;
    let version = tool_rows::by_id(&*host.db, tool.id).await?.and_then(|tool| tool.live_version_id);
    let row = |arguments: &'static str| execution_logs::ExecutionLog {
        version_id: version.expect("it is approved"),
        arguments: arguments.into(),
        ..call_of(&tool)
    };
    let mut tx = host.db.begin_appending().await?;
    execution_logs::append(&mut tx, &[row(r#"{"city":"Oslo"}"#), row(r#"{"city":"Bergen"}"#)]).await?;
    tx.commit().await?;
    let newest = host.tool_logs(&model(), tool.id, 1).await?;
    assert_eq!((newest.len(), &newest[0].arguments), (1, &json!({ "city": "Bergen" })));
    assert_eq!((newest[0].duration_ms, newest[0].fuel), (1.5, 7));
    assert_eq!(host.server_executions(&model(), server.id, ExecutionFilter::default(), first_page()).await?.total, 2);
    assert!(is_missing(host.tool_logs(&model(), ToolId::new(), 1).await));
    Ok(())
}
