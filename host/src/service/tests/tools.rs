//! Tools and their approval: what is live, what waits, what clients are offered.

use super::*;

#[tokio::test]
async fn a_tool_is_called_from_its_approval_until_it_is_revoked() -> Done {
    let host = host().await;
    let server = host.server("weather").await?;
    let draft = host.draft(server.id, "forecast").await?;
    assert_eq!((draft.approval_status, draft.live_version), (ApprovalStatus::Draft, None));
    let submitted = host.tool_submit(&model(), draft.id, Some("please".into())).await?;
    assert_eq!(submitted.approval_status, ApprovalStatus::PendingReview);
    assert!(is_conflict(host.tool_submit(&model(), draft.id, None).await));
    assert_eq!(host.offered().await?, []);

    let waiting = host.approval_list(&person(), ApprovalFilter::default(), first_page()).await?.items;
    assert_eq!(waiting.len(), 1);
    assert_eq!(waiting[0].gateway_name, "weather__forecast");
    assert_eq!(waiting[0].version.source.python_code.as_deref(), Some("def main(): return 1"));
    assert_eq!(waiting[0].version.publish_notes.as_deref(), Some("please"));
    let (approve, seen) = (ApprovalAction::Approve, waiting[0].version.digest);
    assert!(is_forbidden(host.approval_act(&model(), draft.id, approve, None, Some(seen)).await));
    let other = Digest::of(b"another");
    assert!(is_conflict(host.approval_act(&person(), draft.id, approve, None, Some(other)).await));
    let live = host.approval_act(&person(), draft.id, approve, None, Some(seen)).await?;
    assert_eq!((live.approval_status, live.live_version), (ApprovalStatus::Approved, Some(1)));
    assert_eq!(host.offered().await?, [("weather__forecast".to_owned(), draft.description)]);
    assert!(is_conflict(host.approval_act(&person(), draft.id, approve, None, None).await));

    assert!(is_invalid(host.approval_act(&person(), draft.id, ApprovalAction::Revoke, None, None).await));
    let revoked = host.act(draft.id, ApprovalAction::Revoke).await?;
    assert_eq!((revoked.approval_status, revoked.live_version), (ApprovalStatus::Rejected, None));
    assert_eq!(revoked.rejection_reason.as_deref(), Some("seen and judged"));
    assert_eq!(host.offered().await?, []);
    assert_eq!(host.acts().await?, ["server.create", "tool.submit", "tool.approve", "tool.revoke"]);
    Ok(())
}

#[tokio::test]
async fn what_is_approved_stays_live_until_the_change_is_approved() -> Done {
    let host = host().await;
    let server = host.server("weather").await?;
    let tool = host.approved(server.id, "forecast").await?;
    let changed = host.describe(tool.id, "Tells more.").await?;
    assert_eq!((changed.current_version, changed.live_version), (2, Some(1)));
    assert_eq!(changed.approval_status, ApprovalStatus::PendingReview);
    assert_eq!(host.offered().await?[0].1, tool.description);
    // A third version takes the place of the second in the queue.
    host.describe(tool.id, "Tells even more.").await?;
    let waiting = host.approval_list(&person(), ApprovalFilter::default(), first_page()).await?;
    assert_eq!((waiting.total, waiting.items[0].version.number), (1, 3));
    assert_eq!(waiting.items[0].live.as_ref().map(|live| live.number), Some(1));
    let live = host.act(tool.id, ApprovalAction::Approve).await?;
    assert_eq!(live.live_version, Some(3));
    assert_eq!(host.offered().await?[0].1, "Tells even more.");

    host.describe(tool.id, "Tells nothing.").await?;
    let rejected = host.act(tool.id, ApprovalAction::Reject).await?;
    assert_eq!((rejected.approval_status, rejected.live_version), (ApprovalStatus::Rejected, Some(3)));
    assert_eq!(host.offered().await?[0].1, "Tells even more.");
    assert_eq!(host.describe(tool.id, "Tells.").await?.approval_status, ApprovalStatus::Draft);

    let versions = host.tool_versions(&model(), tool.id, first_page()).await?;
    let told: Vec<_> = versions.items.iter().map(|version| (version.number, version.is_live)).collect();
    assert_eq!(told, [(5, false), (4, false), (3, true), (2, false), (1, false)]);
    let second = host.tool_version_get(&model(), tool.id, 2).await?;
    assert_eq!(second.change_summary, "changed the description");
    assert_eq!(second.source.python_code.as_deref(), Some("def main(): return 1"));
    assert!(is_missing(host.tool_version_get(&model(), tool.id, 9).await));
    Ok(())
}

#[tokio::test]
async fn a_change_that_changes_nothing_leaves_no_trace() -> Done {
    let host = host().await;
    let server = host.server("weather").await?;
    let tool = host.approved(server.id, "forecast").await?;
    let before = host.acts().await?;
    let same = ToolChange {
        name: Some("forecast".into()),
        description: Some(tool.description.clone()),
        enabled: Some(true),
        ..ToolChange::default()
    };
    let view = host.tool_update(&model(), tool.id, same).await?;
    assert_eq!((view.current_version, view.digest, view.live_version), (1, tool.digest, Some(1)));
    assert_eq!(host.acts().await?, before);
    Ok(())
}

#[tokio::test]
async fn a_tool_is_switched_off_and_on_without_a_new_version() -> Done {
    let host = host().await;
    let server = host.server("weather").await?;
    let tool = host.approved(server.id, "forecast").await?;
    for enabled in [false, true] {
        let change = ToolChange { enabled: Some(enabled), ..ToolChange::default() };
        let view = host.tool_update(&model(), tool.id, change).await?;
        assert_eq!((view.enabled, view.current_version), (enabled, 1));
        assert_eq!(host.offered().await?.len(), usize::from(enabled));
    }
    Ok(())
}

#[tokio::test]
async fn a_live_tool_gets_its_new_name_with_the_approval() -> Done {
    let host = host().await;
    let server = host.server("weather").await?;
    let draft = host.draft(server.id, "history").await?;
    assert_eq!(host.rename(draft.id, "past").await?.gateway_name, "weather__past");
    let tool = host.approved(server.id, "forecast").await?;
    assert!(is_conflict(host.rename(tool.id, "past").await));
    assert!(is_invalid(host.rename(tool.id, "Past!").await));
    let renamed = host.rename(tool.id, "outlook").await?;
    assert_eq!((renamed.name.as_str(), renamed.gateway_name.as_str()), ("outlook", "weather__forecast"));
    assert_eq!(host.offered().await?[0].0, "weather__forecast");
    // What waits for a person keeps its name: nobody else takes it meanwhile, nor what is called now.
    assert!(is_conflict(host.rename(draft.id, "outlook").await));
    assert!(is_conflict(host.rename(draft.id, "forecast").await));
    assert_eq!(host.act(tool.id, ApprovalAction::Approve).await?.gateway_name, "weather__outlook");
    assert_eq!(host.offered().await?[0].0, "weather__outlook");
    assert_eq!(host.rename(draft.id, "forecast").await?.name, "forecast", "it is free again");
    Ok(())
}

#[tokio::test]
async fn the_tools_of_a_server_are_listed_with_what_is_live() -> Done {
    let host = host().await;
    let server = host.server("weather").await?;
    let live = host.approved(server.id, "forecast").await?;
    host.describe(live.id, "Tells more.").await?;
    host.draft(server.id, "history").await?;
    let tools = host.tool_list(&model(), server.id, first_page()).await?.items;
    let told: Vec<_> = tools.iter().map(|tool| (tool.name.as_str(), tool.current_version, tool.live_version)).collect();
    assert_eq!(told, [("forecast", 2, Some(1)), ("history", 1, None)]);
    assert!(tools.iter().all(|tool| tool.source.code.is_none()));
    Ok(())
}

#[tokio::test]
async fn what_another_process_changes_is_offered_two_seconds_later() -> Done {
    let host = host().await;
    let server = host.server("weather").await?;
    let tool = host.approved(server.id, "forecast").await?;
    let first = host.catalogue(&model()).await?;
    let mut changes = host.events().catalogue();
    let tx = host.db.begin().await?;
    tool_rows::set_live(&tx, tool.id, None, testing::at(1)).await?;
    tx.commit().await?;
    assert_eq!(host.catalogue(&model()).await?.generation, first.generation);
    host.clock().turn(TimeDelta::seconds(2));
    let second = host.catalogue(&model()).await?;
    assert_eq!((second.generation, second.tools.len()), (first.generation + 1, 0));
    assert!(matches!(changes.has_changed(), Ok(true)));
    changes.mark_unchanged();
    // Nothing has changed since, so nobody is told anything.
    host.clock().turn(TimeDelta::seconds(2));
    assert_eq!(host.catalogue(&model()).await?.generation, second.generation);
    assert!(matches!(changes.has_changed(), Ok(false)));
    Ok(())
}

#[tokio::test]
async fn a_hand_in_an_older_version_counts_until_another_person_approved_it() -> Done {
    let host = host().await;
    let server = host.server("weather").await?;
    let on = PolicyChange { four_eyes: Some(FourEyes::On), ..PolicyChange::default() };
    assert!(is_forbidden(host.security_policy_set(&model(), on.clone()).await));
    host.security_policy_set(&person(), on).await?;
    let tool = host.approved(server.id, "forecast").await?;
    let change = |text: &str| ToolChange { description: Some(text.into()), ..ToolChange::default() };
    host.tool_update(&person(), tool.id, change("Tells more.")).await?;
    host.describe(tool.id, "Tells even more.").await?;
    assert!(is_forbidden(host.act(tool.id, ApprovalAction::Approve).await), "ada changed version 2");
    let bob = Caller { who: Who::Admin { id: AdminId::new(), username: "bob".into() }, from: None };
    let rejected = host.approval_act(&bob, tool.id, ApprovalAction::Reject, Some("no".into()), None).await?;
    assert_eq!(rejected.live_version, Some(1));
    host.approval_act(&bob, tool.id, ApprovalAction::Approve, None, None).await?;
    assert_eq!(host.tool_get(&model(), tool.id).await?.live_version, Some(3));
    Ok(())
}
