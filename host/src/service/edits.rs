//! A new version takes its place: the policies say where it stands, and which version is called then.
//!
//! Every change of a tool passes here, whichever door it came through, so that no way of changing one
//! forgets a policy.

use chrono::{DateTime, Utc};

use super::tools::{self, Found};
use super::{Error, Service, exports};
use crate::db::Tx;
use crate::db::servers::Server;
use crate::db::tools::{self as tool_rows, Live, Tool};
use crate::db::versions::{self as version_rows, Review, Version};
use crate::domain::caller::Caller;
use crate::domain::digest::Digest;
use crate::domain::policy::{Edited, LiveAfter, Policies};
use crate::domain::tool::ApprovalStatus;

/// Who approved what no person looked at.
pub(super) const BY_TOOL_POLICY: &str = "policy:tool_approval_mode";

/// What a change did to what is called; takes effect when it is committed.
#[derive(Debug, Default)]
pub(super) struct Effect {
    /// The number of the version that is called now.
    pub(super) live: Option<i32>,
    relisted: bool,
    /// What is called no longer.
    forget: Option<Digest>,
}

impl Effect {
    /// Of a step from one live version to another.
    pub(super) fn of(before: Option<&Version>, after: Option<&Version>) -> Self {
        let gone = before.filter(|old| after.is_none_or(|new| new.source_digest != old.source_digest));
        Self {
            live: after.map(|version| version.number),
            relisted: before.map(|version| version.id) != after.map(|version| version.id),
            forget: gone.map(|version| version.source_digest),
        }
    }
}

impl Service {
    /// To be called when the transaction of an effect is committed.
    pub(super) fn took_effect(&self, effect: &Effect) {
        if effect.relisted {
            self.catalogue_changed();
        }
        if let Some(source) = effect.forget {
            self.executor().forget(source);
        }
    }

    /// Lets those pass who may make, change and delete servers and tools now.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for callers from afar, when the policy says so.
    pub(super) async fn may_edit(&self, caller: &Caller) -> Result<(), Error> {
        if self.policy().await?.may_edit(&caller.who) {
            return Ok(());
        }
        Err(Error::forbidden(
            "callers with an API key may not change servers and tools here (policy remote_tool_editing); do it from \
             the machine itself, or ask an administrator of this installation",
        ))
    }
}

/// Puts `next`, which follows the newest version of a tool, in its place. The tool must be locked; what
/// else changed of it is written along.
///
/// # Errors
/// [`Error::Conflict`] when the new name is taken.
pub(super) async fn put(
    tx: &Tx,
    caller: &Caller,
    policies: &Policies,
    found: &mut Found,
    mut next: Version,
) -> Result<Effect, Error> {
    let Found { server, tool, latest } = found;
    let before = tools::live(tx, tool).await?;
    let edited = policies.edited(latest.approval_status);
    settle(&edited, latest, caller, &mut next);
    // Nothing older waits for review any more.
    version_rows::withdraw_pending(tx, tool.id).await?;
    version_rows::insert(tx, next.clone()).await?;
    tool.latest_version = next.number;
    tool.updated_at = next.created_at;
    let after = match edited.live {
        LiveAfter::New => {
            make_live(tx, server, tool, &next, BY_TOOL_POLICY, next.created_at).await?;
            Some(next.clone())
        }
        LiveAfter::None => {
            take_down(tx, server, tool, &next, next.created_at).await?;
            None
        }
        LiveAfter::Same => {
            exports::hold(tx, server, tool, before.as_ref(), &next).await?;
            before.clone()
        }
    };
    let renames = after.as_ref().is_none_or(|live| live.id == next.id);
    if renames {
        tool.name.clone_from(&next.name);
    } else if next.name != tool.name && tool_rows::by_name(tx, server.id, &next.name).await?.is_some() {
        // The name that is called follows with the approval; that it is taken is told now.
        return Err(tools::name_taken(server, &next.name));
    }
    write(tx, server, tool, &next.name).await?;
    let effect = Effect::of(before.as_ref(), after.as_ref());
    *latest = next;
    Ok(effect)
}

/// Approves the newest version of a tool in the name of a policy, if the policies approve what is
/// submitted. The version must stand in the row as `found` has it.
pub(super) async fn approve_by_policy(
    tx: &Tx,
    policies: &Policies,
    found: &mut Found,
    at: DateTime<Utc>,
) -> Result<Option<Effect>, Error> {
    if policies.submitted() != ApprovalStatus::Approved {
        return Ok(None);
    }
    let Found { server, tool, latest } = found;
    let before = tools::live(tx, tool).await?;
    let review = Review {
        status: ApprovalStatus::Approved,
        reviewed_at: at,
        reviewed_by: BY_TOOL_POLICY.to_owned(),
        rejection_reason: None,
    };
    if !version_rows::review(tx, latest.id, latest.approval_status, review).await? {
        return Err(Error::conflict("the tool was changed by someone else meanwhile; look at it and try again"));
    }
    (latest.approval_status, latest.rejection_reason) = (ApprovalStatus::Approved, None);
    make_live(tx, server, tool, latest, BY_TOOL_POLICY, at).await?;
    tool.name.clone_from(&latest.name);
    write(tx, server, tool, &latest.name).await?;
    Ok(Some(Effect::of(before.as_ref(), Some(latest))))
}

/// Makes the newest version of a tool the one that is called.
///
/// # Errors
/// [`Error::Conflict`] when another tool of the server holds one of its names.
pub(super) async fn make_live(
    tx: &Tx,
    server: &Server,
    tool: &mut Tool,
    version: &Version,
    by: &str,
    at: DateTime<Utc>,
) -> Result<(), Error> {
    let live = Live { version_id: version.id, digest: version.digest, approved_at: at, approved_by: by.to_owned() };
    tool_rows::set_live(tx, tool.id, Some(live), at).await?;
    tool.live_version_id = Some(version.id);
    tool.updated_at = at;
    exports::hold(tx, server, tool, Some(version), version).await
}

/// Makes no version of a tool the one that is called; `latest` is its newest.
///
/// # Errors
/// As [`make_live`].
pub(super) async fn take_down(
    tx: &Tx,
    server: &Server,
    tool: &mut Tool,
    latest: &Version,
    at: DateTime<Utc>,
) -> Result<(), Error> {
    tool_rows::set_live(tx, tool.id, None, at).await?;
    tool.live_version_id = None;
    tool.updated_at = at;
    exports::hold(tx, server, tool, None, latest).await
}

async fn write(tx: &Tx, server: &Server, tool: &Tool, name: &str) -> Result<(), Error> {
    let written = tool_rows::update(tx, tool.id, tools::rest_of(tool)).await;
    written.map(drop).map_err(|error| tools::taken(error, server, name))
}

/// Writes into a new version where it stands.
fn settle(edited: &Edited, latest: &Version, caller: &Caller, next: &mut Version) {
    next.approval_status = edited.status;
    if edited.status != ApprovalStatus::Draft {
        next.submitted_at = Some(next.created_at);
        next.submitted_by = Some(caller.to_string());
    }
    if edited.status == ApprovalStatus::Approved {
        next.reviewed_at = Some(next.created_at);
        next.reviewed_by = Some(BY_TOOL_POLICY.to_owned());
    }
    // It takes the place of the one that waits, and is to be read with the same notes.
    if latest.approval_status == ApprovalStatus::PendingReview {
        next.publish_notes.clone_from(&latest.publish_notes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::testing;
    use crate::domain::caller::Who;
    use crate::domain::ids::ToolId;

    fn settled(previous: ApprovalStatus, policies: &Policies) -> Version {
        let caller = Caller { who: Who::Local, from: None };
        let mut latest = testing::version(ToolId::new(), 3, Digest::of(b"source"));
        latest.approval_status = previous;
        latest.publish_notes = Some("please look at the units".into());
        let mut next = testing::version(latest.tool_id, 4, Digest::of(b"other"));
        settle(&policies.edited(previous), &latest, &caller, &mut next);
        next
    }

    #[test]
    fn a_new_version_waits_for_review_if_the_one_before_did_or_was_approved() {
        use ApprovalStatus::{Approved, Draft, PendingReview, Rejected};
        for (before, after) in
            [(Draft, Draft), (Rejected, Draft), (PendingReview, PendingReview), (Approved, PendingReview)]
        {
            let next = settled(before, &Policies::default());
            assert_eq!(next.approval_status, after, "{before:?}");
            assert_eq!(next.submitted_at.is_some(), after == PendingReview);
            assert_eq!(next.submitted_by.as_deref(), (after == PendingReview).then_some("local"));
        }
    }

    #[test]
    fn a_version_that_takes_the_place_of_a_waiting_one_keeps_its_notes() {
        let policies = Policies::default();
        assert!(settled(ApprovalStatus::PendingReview, &policies).publish_notes.is_some());
        assert!(settled(ApprovalStatus::Approved, &policies).publish_notes.is_none());
    }

    #[test]
    fn what_is_called_no_longer_is_forgotten() {
        let old = testing::version(ToolId::new(), 1, Digest::of(b"old"));
        let new = testing::version(old.tool_id, 2, Digest::of(b"new"));
        let renamed = testing::version(old.tool_id, 2, Digest::of(b"old"));
        for (before, after, relisted, forget) in [
            (None, None, false, None),
            (None, Some(&new), true, None),
            (Some(&old), Some(&new), true, Some(Digest::of(b"old"))),
            (Some(&old), Some(&renamed), true, None),
            (Some(&old), Some(&old), false, None),
            (Some(&old), None, true, Some(Digest::of(b"old"))),
        ] {
            let effect = Effect::of(before, after);
            assert_eq!((effect.relisted, effect.forget), (relisted, forget), "{:?}", effect.live);
        }
    }
}
