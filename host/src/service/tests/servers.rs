//! Servers: made, changed, started, stopped and deleted.

use super::*;

#[tokio::test]
async fn a_server_runs_from_the_start_and_is_stopped_once() -> Done {
    let host = host().await;
    let server = host.server("weather").await?;
    assert_eq!(server.status, ServerStatus::Running);
    assert!(is_conflict(host.server("weather").await));
    assert!(is_invalid(host.server("Wea__ther").await));
    assert!(is_conflict(host.server_start(&model(), server.id).await));
    assert_eq!(host.server_stop(&model(), server.id).await?.status, ServerStatus::Stopped);
    assert!(is_conflict(host.server_stop(&model(), server.id).await));
    assert_eq!(host.server_start(&model(), server.id).await?.status, ServerStatus::Running);
    assert!(is_missing(host.server_get(&model(), ServerId::new()).await));
    assert_eq!(host.acts().await?, ["server.create", "server.stop", "server.start"]);
    Ok(())
}

#[tokio::test]
async fn a_server_says_what_it_holds() -> Done {
    let host = host().await;
    let weather = host.server("weather").await?;
    host.server("tides").await?;
    let tool = host.approved(weather.id, "forecast").await?;
    host.draft(weather.id, "history").await?;
    host.server_host_add(&person(), weather.id, "api.example:443").await?;
    host.ask(&[tool.id], "other.example").await?;
    let Page { items, total, .. } = host.server_list(&model(), first_page()).await?;
    let told: Vec<_> = items.iter().map(|server| (server.name.as_str(), server.tool_count)).collect();
    assert_eq!((told, total), (vec![("tides", 0), ("weather", 2)], 2));
    assert_eq!(items[1].allowed_hosts, ["api.example:443"]);
    let one = host.server_get(&model(), weather.id).await?;
    assert_eq!((one.tool_count, one.allowed_hosts), (2, vec!["api.example:443".to_owned()]));
    assert_eq!(one.pending_requests.map(|pending| (pending.modules, pending.network)), Some((0, 1)));
    Ok(())
}

#[tokio::test]
async fn a_server_is_changed_within_the_limits() -> Done {
    let host = host().await;
    let server = host.server("weather").await?;
    let change =
        |description: &str, ms| ServerChange { description: Some(description.into()), default_timeout_ms: Some(ms) };
    assert!(is_invalid(host.server_update(&model(), server.id, change("", 99)).await));
    let changed = host.server_update(&model(), server.id, change("Of the world", 2_000)).await?;
    assert_eq!((changed.description.as_str(), changed.default_timeout_ms), ("Of the world", Some(2_000)));
    host.server_update(&model(), server.id, change("Of the world", 2_000)).await?;
    assert_eq!(host.acts().await?, ["server.create", "server.update"]);
    Ok(())
}

#[tokio::test]
async fn a_deleted_server_takes_its_tools_along() -> Done {
    let host = host().await;
    let server = host.server("weather").await?;
    let tool = host.approved(server.id, "forecast").await?;
    assert_eq!(host.offered().await?.len(), 1);
    host.server_delete(&model(), server.id).await?;
    assert_eq!(host.offered().await?, []);
    assert!(is_missing(host.tool_get(&model(), tool.id).await));
    assert!(is_missing(host.server_delete(&model(), server.id).await));
    Ok(())
}
