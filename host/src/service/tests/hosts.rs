//! What a call may reach, and who says so.

use super::*;

#[tokio::test]
async fn a_host_is_reached_when_the_request_and_the_version_are_approved() -> Done {
    let host = host().await;
    let server = host.server("weather").await?;
    let tool = host.approved(server.id, "forecast").await?;
    let asked = host.ask(&[tool.id], "API.example:443").await?;
    assert_eq!((asked[0].host.as_str(), asked[0].port), ("api.example", Some(443)));
    assert!(is_conflict(host.ask(&[tool.id], "api.example:443").await));
    let waiting = host.approval_list(&person(), ApprovalFilter::default(), first_page()).await?.items;
    assert_eq!(waiting[0].hosts[0].status, Some(RequestStatus::Pending));

    let approve = ApprovalAction::Approve;
    assert!(is_forbidden(host.network_request_act(&model(), asked[0].id, approve, None).await));
    host.network_request_act(&person(), asked[0].id, approve, None).await?;
    assert!(host.reach(tool.id).await?.is_empty(), "the live version does not ask for it");
    host.act(tool.id, approve).await?;
    assert_eq!(host.reach(tool.id).await?, ["api.example:443"]);

    assert!(is_invalid(host.network_request_act(&person(), asked[0].id, ApprovalAction::Revoke, None).await));
    let reason = Some("no longer".to_owned());
    host.network_request_act(&person(), asked[0].id, ApprovalAction::Revoke, reason).await?;
    assert!(host.reach(tool.id).await?.is_empty());
    assert!(is_conflict(host.ask(&[tool.id], "api.example:443").await));
    let rejected = host
        .network_request_list(
            &model(),
            RequestFilter { status: Some(RequestStatus::Rejected), search: None },
            first_page(),
        )
        .await?
        .items;
    assert_eq!(rejected[0].rejection_reason.as_deref(), Some("no longer"));
    assert_eq!((rejected[0].server_name.as_str(), rejected[0].tool_name.as_deref()), ("weather", Some("forecast")));
    Ok(())
}

#[tokio::test]
async fn several_tools_ask_together_or_not_at_all() -> Done {
    let host = host().await;
    let server = host.server("weather").await?;
    let (one, two) = (host.draft(server.id, "forecast").await?, host.draft(server.id, "history").await?);
    host.ask(&[two.id], "api.example").await?;
    assert!(is_conflict(host.ask(&[one.id, two.id], "api.example").await));
    assert_eq!(host.tool_get(&model(), one.id).await?.current_version, 1);
    assert_eq!(host.ask(&[one.id, two.id, one.id], "other.example").await?.len(), 2);
    assert!(is_invalid(host.ask(&[], "other.example").await));
    Ok(())
}

#[tokio::test]
async fn a_person_opens_a_host_to_a_whole_server_and_closes_it() -> Done {
    let host = host().await;
    let server = host.server("weather").await?;
    let tool = host.approved(server.id, "forecast").await?;
    assert!(is_forbidden(host.server_host_add(&model(), server.id, "api.example").await));
    assert!(is_invalid(host.server_host_add(&person(), server.id, "http://api.example/").await));
    host.server_host_add(&person(), server.id, "api.example").await?;
    assert!(is_conflict(host.server_host_add(&person(), server.id, "API.example.").await));
    assert_eq!(host.reach(tool.id).await?, ["api.example"]);
    assert!(is_conflict(host.ask(&[tool.id], "api.example:443").await));
    assert!(is_forbidden(host.server_host_remove(&model(), server.id, "api.example").await));
    let closed = host.server_host_remove(&person(), server.id, "api.example").await?;
    assert!(closed.allowed_hosts.is_empty());
    assert!(host.reach(tool.id).await?.is_empty());
    assert!(is_missing(host.server_host_remove(&person(), server.id, "api.example").await));
    Ok(())
}
