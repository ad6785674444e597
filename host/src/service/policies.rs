//! The policies in force: read at each decision, changed by people.
//!
//! A decision that writes reads them in its own transaction. Calls and rates read a copy that is
//! believed for two seconds at most, because other processes on the same database change policies
//! without a word to this one; a change made here counts at once.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{Object, OneOfBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::audit::{self, Act};
use super::permission::people_only;
use super::{Error, Page, Service};
use crate::clock::Moment;
use crate::db::settings::{self as rows, Setting};
use crate::db::{Conn, Tx};
use crate::domain::caller::Caller;
use crate::domain::policy::{self, Policies, Policy, PolicyChange, Profile, Values};
use crate::limits::Limits;

/// How long a copy is believed.
const BELIEVED: TimeDelta = TimeDelta::seconds(2);

/// One policy with its value in force.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SettingView {
    pub name: &'static str,
    pub values: Values,
    pub sentence: &'static str,
    /// One of `values`.
    #[schema(schema_with = any_value)]
    pub value: Value,
    #[schema(schema_with = any_value)]
    pub default: Value,
    /// None: never set.
    pub updated_at: Option<DateTime<Utc>>,
    pub updated_by: Option<String>,
}

/// All policies in force, by name.
#[derive(Clone, Debug, Serialize)]
pub struct SecurityPolicyView {
    #[serde(flatten)]
    pub policies: Map<String, Value>,
    /// None: they are no profile.
    pub profile: Option<Profile>,
}

fn any_value() -> Schema {
    one_of([Type::String, Type::Boolean, Type::Integer].map(|kind| Object::with_type(kind).into()))
}

fn one_of(all: impl IntoIterator<Item = RefOr<Schema>>) -> Schema {
    Schema::OneOf(all.into_iter().fold(OneOfBuilder::new(), OneOfBuilder::item).build())
}

impl PartialSchema for SecurityPolicyView {
    fn schema() -> RefOr<Schema> {
        let mut object = policy::schema::all();
        let profile = one_of([Object::with_type(Type::Null).into(), Profile::schema()]);
        object.properties.insert("profile".to_owned(), profile.into());
        object.required.push("profile".to_owned());
        object.into()
    }
}

impl ToSchema for SecurityPolicyView {}

/// Keeps the copy. Loads that are wanted at the same time are one load.
#[derive(Default)]
pub(super) struct PolicyCache {
    state: Mutex<State>,
    /// Held while the policies are loaded.
    loading: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    /// How often the copy was forgotten.
    forgotten: u64,
    kept: Option<Kept>,
}

struct Kept {
    policies: Arc<Policies>,
    /// The count when its load began.
    forgotten: u64,
    /// Before its load began.
    at: Moment,
}

impl PolicyCache {
    pub(super) fn forget(&self) {
        self.locked().forgotten += 1;
    }

    fn fresh(&self, now: Moment) -> Option<Arc<Policies>> {
        let state = self.locked();
        let kept = state.kept.as_ref().filter(|kept| kept.forgotten == state.forgotten)?;
        // A clock that was set back makes the copy old, not young for ever.
        let age = now.since(kept.at);
        (TimeDelta::zero()..BELIEVED).contains(&age).then(|| Arc::clone(&kept.policies))
    }

    fn keep(&self, forgotten: u64, at: Moment, policies: Policies) -> Arc<Policies> {
        let policies = Arc::new(policies);
        self.locked().kept = Some(Kept { policies: Arc::clone(&policies), forgotten, at });
        policies
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Service {
    /// The policies in force, at most two seconds old. What decides inside a transaction reads them
    /// there.
    pub async fn policy(&self) -> Result<Arc<Policies>, Error> {
        let cache = &self.0.policies;
        if let Some(policies) = cache.fresh(self.clock().moment()) {
            return Ok(policies);
        }
        // Boxed: every call would carry the place for this along.
        Box::pin(self.policies_read()).await
    }

    async fn policies_read(&self) -> Result<Arc<Policies>, Error> {
        let cache = &self.0.policies;
        let _loading = cache.loading.lock().await;
        let now = self.clock().moment();
        // Somebody else may have loaded them while this one waited.
        if let Some(policies) = cache.fresh(now) {
            return Ok(policies);
        }
        let forgotten = cache.locked().forgotten;
        let (_, policies) = read(self.db()).await?;
        Ok(cache.keep(forgotten, now, policies))
    }

    /// Every setting with its values, its default and who set it when.
    pub async fn setting_list(&self, _caller: &Caller) -> Result<Page<SettingView>, Error> {
        let (kept, policies) = read(self.db()).await?;
        let items: Vec<SettingView> = policies
            .in_force()
            .into_iter()
            .map(|(policy, text)| {
                let row = kept.iter().find(|row| row.key == policy.name);
                SettingView {
                    name: policy.name,
                    values: policy.values,
                    sentence: policy.sentence,
                    value: json(policy, &text, self.limits()),
                    default: json(policy, &policy.default_text(), self.limits()),
                    updated_at: row.map(|row| row.updated_at),
                    updated_by: row.map(|row| row.updated_by.clone()),
                }
            })
            .collect();
        let total = items.len() as u64;
        Ok(Page::new(items, total, 1, total))
    }

    /// The policies in force.
    pub async fn security_policy_get(&self, _caller: &Caller) -> Result<SecurityPolicyView, Error> {
        let (_, policies) = read(self.db()).await?;
        Ok(view(&policies, self.limits()))
    }

    /// Changes policies; all that are given, or none. For people.
    pub async fn security_policy_set(
        &self,
        caller: &Caller,
        change: PolicyChange,
    ) -> Result<SecurityPolicyView, Error> {
        self.policies_changed(caller, &change, None).await
    }

    /// Sets several policies at once to what a profile says. For people.
    pub async fn security_profile_set(&self, caller: &Caller, profile: Profile) -> Result<SecurityPolicyView, Error> {
        self.policies_changed(caller, &profile.change(), Some(profile)).await
    }

    async fn policies_changed(
        &self,
        caller: &Caller,
        change: &PolicyChange,
        profile: Option<Profile>,
    ) -> Result<SecurityPolicyView, Error> {
        people_only(caller, "change a policy")?;
        let tx = self.db().begin().await?;
        let (after, _) = self.policies_put(&tx, caller, change, profile).await?;
        tx.commit().await?;
        self.policies_changed_now();
        Ok(view(&after, self.limits()))
    }

    /// Changes policies in a transaction; answers what is in force then, and the names of those that changed.
    /// To be forgotten by the cache when it is committed.
    pub(super) async fn policies_put(
        &self,
        tx: &Tx,
        caller: &Caller,
        change: &PolicyChange,
        profile: Option<Profile>,
    ) -> Result<(Policies, Vec<String>), Error> {
        let now = self.clock().now();
        let (_, before) = read(tx).await?;
        let after = before.with(change);
        let (mut was, mut is) = (Map::new(), Map::new());
        for ((policy, old), (_, new)) in before.in_force().into_iter().zip(after.in_force()) {
            if old == new {
                continue;
            }
            was.insert(policy.name.to_owned(), json(policy, &old, self.limits()));
            is.insert(policy.name.to_owned(), json(policy, &new, self.limits()));
            let row =
                Setting { key: policy.name.to_owned(), value: new, updated_at: now, updated_by: caller.to_string() };
            rows::set(tx, row).await?;
        }
        let changed = is.keys().cloned().collect();
        if !is.is_empty() {
            let object_id = profile.map_or("security-policy", Profile::as_str).to_owned();
            let (before, after) = (Some(Value::Object(was)), Some(Value::Object(is)));
            let act = Act { name: "policy.set", object_kind: "policy", object_id, before, after };
            audit::write(tx, caller, now, act).await?;
        }
        Ok((after, changed))
    }

    /// What was committed counts at once.
    pub(super) fn policies_changed_now(&self) {
        self.0.policies.forget();
    }

    /// The policies that people set, by name, in the words of the API.
    pub(super) async fn policies_set_by_people(&self) -> Result<Map<String, Value>, Error> {
        let (kept, policies) = read(self.db()).await?;
        let set = policies.in_force().into_iter().filter(|(policy, _)| kept.iter().any(|row| row.key == policy.name));
        Ok(set.map(|(policy, text)| (policy.name.to_owned(), json(policy, &text, self.limits()))).collect())
    }
}

/// The policies as the database has them now.
pub(super) async fn in_force(db: &impl Conn) -> Result<Policies, Error> {
    Ok(read(db).await?.1)
}

async fn read(db: &impl Conn) -> Result<(Vec<Setting>, Policies), Error> {
    let kept = rows::all(db).await?;
    let value = |key: &str| kept.iter().find(|row| row.key == key).map(|row| row.value.as_str());
    // Nothing is guessed: a value of a later release may be there to forbid something.
    let policies = Policies::read(value).map_err(|error| Error::internal("reading the policies", error))?;
    Ok((kept, policies))
}

/// A kept value in the words of the API.
fn json(policy: &Policy, text: &str, limits: &Limits) -> Value {
    match policy.values {
        Values::Words(_) => text.into(),
        Values::Flag => (text == "true").into(),
        // Those that have no default of their own.
        Values::Number { .. } => {
            let limit = match policy.name {
                "log_retention_days" => limits.log_retention_days,
                _ => limits.mcp_requests_per_minute,
            };
            text.parse().unwrap_or(limit).into()
        }
    }
}

fn view(policies: &Policies, limits: &Limits) -> SecurityPolicyView {
    let values = policies.in_force().into_iter().map(|(policy, text)| {
        let value = json(policy, &text, limits);
        (policy.name.to_owned(), value)
    });
    SecurityPolicyView { policies: values.collect(), profile: Profile::of(policies) }
}
