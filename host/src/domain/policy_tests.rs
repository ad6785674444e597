//! Each decision beside its table.

use super::*;
use crate::domain::ids::{AdminId, ApiKeyId};

fn with(change: PolicyChange) -> Policies {
    Policies::default().with(&change)
}

fn parse<T: Kept>(word: &str) -> Option<T> {
    Some(T::parse(word).expect("a value"))
}

#[test]
fn an_edit_comes_to_what_the_table_says() {
    // tool_approval_mode, four_eyes, on_tool_edit, the version before: the new version, what is live.
    const TABLE: &str = "
        require_approval off keep_live draft          draft          Same
        require_approval off keep_live pending_review pending_review Same
        require_approval off keep_live approved       pending_review Same
        require_approval off keep_live rejected       draft          Same
        require_approval off take_down draft          draft          None
        require_approval off take_down pending_review pending_review None
        require_approval off take_down approved       pending_review None
        require_approval off take_down rejected       draft          None
        auto_approve     off keep_live draft          draft          Same
        auto_approve     off keep_live pending_review approved       New
        auto_approve     off take_down approved       approved       New
        auto_approve     off take_down rejected       draft          None
        auto_approve     on  keep_live approved       pending_review Same
        auto_approve     on  take_down approved       pending_review None
    ";
    for row in TABLE.lines().filter(|line| !line.trim().is_empty()) {
        let words: Vec<&str> = row.split_whitespace().collect();
        let policies = with(PolicyChange {
            tool_approval_mode: parse(words[0]),
            four_eyes: parse(words[1]),
            on_tool_edit: parse(words[2]),
            ..PolicyChange::default()
        });
        let edited = policies.edited(ApprovalStatus::parse(words[3]).expect("a state"));
        assert_eq!((edited.status.as_str(), format!("{:?}", edited.live).as_str()), (words[4], words[5]), "{row}");
    }
}

#[test]
fn what_is_asked_for_is_approved_at_once_only_where_the_policy_says_so() {
    use RequestStatus::{Approved, Pending};
    for (network, four_eyes, host, status) in [
        ("require_approval", "off", "api.example.com", Pending),
        ("allow_all_public", "off", "api.example.com:443", Approved),
        ("allow_all_public", "off", "*.example.com", Approved),
        ("allow_all_public", "off", "192.168.1.5", Pending),
        ("allow_all_public", "off", "[fd00::5]:8443", Pending),
        ("allow_all_public", "on", "api.example.com", Pending),
    ] {
        let policies = with(PolicyChange {
            network_access_policy: parse(network),
            four_eyes: parse(four_eyes),
            ..PolicyChange::default()
        });
        assert_eq!(policies.host_requested(&host.parse().expect("a host")), status, "{network} {four_eyes} {host}");
    }
    for (mode, four_eyes, request, tool) in [
        ("require_approval", "off", Pending, ApprovalStatus::PendingReview),
        ("auto_approve", "off", Approved, ApprovalStatus::Approved),
        ("auto_approve", "on", Pending, ApprovalStatus::PendingReview),
    ] {
        let policies = with(PolicyChange {
            tool_approval_mode: parse(mode),
            module_approval_mode: parse(mode),
            four_eyes: parse(four_eyes),
            ..PolicyChange::default()
        });
        assert_eq!((policies.module_requested(), policies.submitted()), (request, tool), "{mode} {four_eyes}");
    }
}

#[test]
fn with_four_eyes_nobody_approves_their_own() {
    for (four_eyes, authors, may) in [
        ("off", &["admin:ada"][..], true),
        ("on", &["admin:ada"][..], false),
        ("on", &["local", "admin:ada"][..], false),
        ("on", &["admin:bob"][..], true),
        ("on", &["local", "key:ci"][..], true),
    ] {
        let policies = with(PolicyChange { four_eyes: parse(four_eyes), ..PolicyChange::default() });
        assert_eq!(policies.may_approve("admin:ada", authors.iter().copied()), may, "{four_eyes} {authors:?}");
    }
}

#[test]
fn who_comes_with_a_key_edits_only_where_that_is_enabled() {
    let key = Who::ApiKey { id: ApiKeyId::new(), name: "ci".into() };
    let admin = Who::Admin { id: AdminId::new(), username: "ada".into() };
    for (editing, who, may) in [
        ("disabled", &key, false),
        ("enabled", &key, true),
        ("disabled", &admin, true),
        ("disabled", &Who::Local, true),
        ("disabled", &Who::Operator, true),
    ] {
        let policies = with(PolicyChange { remote_tool_editing: parse(editing), ..PolicyChange::default() });
        assert_eq!(policies.may_edit(who), may, "{editing} {who:?}");
    }
}

#[test]
fn what_was_never_set_is_the_default_and_what_is_unknown_is_told() {
    assert_eq!(Policies::read(|_| None), Ok(Policies::default()));
    let read = |name: &'static str, value: &'static str| Policies::read(|key| (key == name).then_some(value));
    assert_eq!(read("log_retention_days", "7").map(|policies| policies.log_retention_days.map(u32::from)), Ok(Some(7)));
    for (name, value) in [("four_eyes", "maybe"), ("log_retention_days", "0"), ("mcp_rate_limit_rpm", "9")] {
        let error = read(name, value).expect_err(value);
        assert_eq!((error.name, error.value.as_str()), (name, value));
    }
}

#[test]
fn every_policy_reads_back_what_it_keeps() {
    for profile in Profile::ALL {
        let policies = Policies::default().with(&profile.change());
        let kept = policies.in_force();
        let lookup = |key: &str| {
            let found = kept.iter().find(|(policy, value)| policy.name == key && !value.is_empty());
            found.map(|(_, value)| value.as_str())
        };
        assert_eq!(Policies::read(lookup), Ok(policies.clone()));
        assert_eq!(Profile::of(&policies), Some(profile));
    }
    assert_eq!(Profile::of(&Policies::default()), Some(Profile::Balanced));
    let mixed = with(PolicyChange { four_eyes: Some(FourEyes::On), ..PolicyChange::default() });
    assert_eq!(Profile::of(&mixed), None);
}

#[test]
fn every_policy_has_its_sentence() {
    for policy in TABLE {
        assert!(policy.sentence.ends_with('.'), "{}", policy.name);
    }
}
