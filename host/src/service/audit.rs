//! Who changed what: a row for every act, written in the transaction of the act itself.
//!
//! Before and after are the fields that changed. Sources stand as digests; secret values never stand
//! there at all.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::permission::people_only;
use super::{Error, Page, PageRequest, Service};
pub use crate::db::audit::Filter as AuditFilter;
use crate::db::audit::{self, AuditEntry};
use crate::db::{DbError, Tx};
use crate::domain::caller::Caller;
use crate::domain::ids::AuditId;

/// One act.
pub(super) struct Act {
    /// Noun and verb: `tool.approve`.
    pub(super) name: &'static str,
    pub(super) object_kind: &'static str,
    pub(super) object_id: String,
    pub(super) before: Option<Value>,
    pub(super) after: Option<Value>,
}

/// One row of the audit log.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AuditView {
    pub id: AuditId,
    pub at: DateTime<Utc>,
    pub actor: String,
    pub action: String,
    pub object_kind: String,
    pub object_id: String,
    #[schema(required)]
    pub before: Option<Value>,
    #[schema(required)]
    pub after: Option<Value>,
    pub from_address: Option<String>,
    pub request_id: Option<String>,
}

/// Writes the row of an act; visible when `tx` is committed.
pub(super) async fn write(tx: &Tx, caller: &Caller, at: DateTime<Utc>, act: Act) -> Result<(), DbError> {
    let Act { name, object_kind, object_id, before, after } = act;
    let entry = AuditEntry {
        id: AuditId::new(),
        at,
        actor: caller.to_string(),
        action: name.to_owned(),
        object_kind: object_kind.to_owned(),
        object_id,
        before: before.map(|value| value.to_string()),
        after: after.map(|value| value.to_string()),
        from_address: caller.from.map(|address| address.to_string()),
        request_id: None,
    };
    audit::insert(tx, entry).await
}

impl Service {
    /// What was done, newest first. For people.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for models.
    pub async fn audit_list(
        &self,
        caller: &Caller,
        filter: AuditFilter,
        page: PageRequest,
    ) -> Result<Page<AuditView>, Error> {
        people_only(caller, "read the audit log")?;
        let page = page.of_rows(self.limits())?;
        Ok(Page::from(audit::list(self.db(), &filter, &page).await?).map(view))
    }
}

fn view(entry: AuditEntry) -> AuditView {
    AuditView {
        id: entry.id,
        at: entry.at,
        actor: entry.actor,
        action: entry.action,
        object_kind: entry.object_kind,
        object_id: entry.object_id,
        before: entry.before.map(json),
        after: entry.after.map(json),
        from_address: entry.from_address,
        request_id: entry.request_id,
    }
}

/// JSON as it was written; what cannot be read is shown as text.
fn json(text: String) -> Value {
    serde_json::from_str(&text).unwrap_or(Value::String(text))
}
