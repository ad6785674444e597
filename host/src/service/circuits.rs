//! Breakers of what this host depends on and cannot mend: the external sources.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::audit::{self, Act};
use super::permission::people_only;
use super::{Error, Service};
use crate::domain::caller::Caller;
use crate::domain::circuit::CircuitView;

/// Every breaker by the name of what it guards.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CircuitsView {
    pub circuits: BTreeMap<String, CircuitView>,
}

impl Service {
    /// Every breaker that was needed since the start.
    pub async fn circuit_list(&self, caller: &Caller) -> Result<CircuitsView, Error> {
        people_only(caller, "look at the breakers")?;
        let circuits = self.upstream().circuits();
        Ok(CircuitsView { circuits: circuits.into_iter().map(|view| (view.service_name.clone(), view)).collect() })
    }

    /// Closes a breaker, or all of them. For people.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none of this name.
    pub async fn circuit_reset(&self, caller: &Caller, name: Option<&str>) -> Result<CircuitsView, Error> {
        people_only(caller, "close a breaker")?;
        let missing = |name: &str| Error::not_found("breaker", name, "GET /health/circuits lists them");
        let known = self.upstream().circuits();
        if let Some(name) = name {
            let one = known.iter().find(|view| view.service_name == name || view.id.to_string() == name);
            if one.is_none() {
                return Err(missing(name));
            }
        }
        let now = self.clock().now();
        let tx = self.db().begin().await?;
        let object_id = name.unwrap_or("all").to_owned();
        let after = Some(json!({ "state": "closed" }));
        let act = Act { name: "circuit.reset", object_kind: "circuit", object_id, before: None, after };
        audit::write(&tx, caller, now, act).await?;
        tx.commit().await?;
        match name {
            Some(name) => _ = self.upstream().circuit_reset(name),
            None => _ = self.upstream().circuits_reset(),
        }
        self.circuit_list(caller).await
    }
}
