//! What a dashboard has to know of this installation before it knows anything else.

use serde::Serialize;
use utoipa::ToSchema;

use super::audit::{self, Act};
use super::permission::people_only;
use super::{Error, Service};
use crate::db::settings::{self, Setting};
use crate::domain::caller::Caller;
use crate::domain::tool::Language;

/// The setting that says that somebody was led through the first steps.
const ONBOARDING: &str = "onboarding_completed";

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct InstallationView {
    pub version: &'static str,
    /// Where MCP clients of this listener connect.
    pub mcp_path: &'static str,
    /// In which tools are written.
    pub languages: Vec<Language>,
    /// Whether a person was led through the first steps.
    pub onboarding_completed: bool,
}

impl Service {
    pub async fn installation_get(&self, _caller: &Caller) -> Result<InstallationView, Error> {
        Ok(InstallationView {
            version: env!("CARGO_PKG_VERSION"),
            mcp_path: "/mcp",
            languages: Language::ALL.to_vec(),
            onboarding_completed: settings::get(self.db(), ONBOARDING).await?.is_some(),
        })
    }

    /// Notes that somebody was led through the first steps; once is enough. For people.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for models.
    pub async fn onboarding_complete(&self, caller: &Caller) -> Result<InstallationView, Error> {
        people_only(caller, "end the first steps")?;
        let now = self.clock().now();
        let tx = self.db().begin().await?;
        if settings::get(&tx, ONBOARDING).await?.is_none() {
            let (key, value) = (ONBOARDING.to_owned(), "true".to_owned());
            settings::set(&tx, Setting { key, value, updated_at: now, updated_by: caller.to_string() }).await?;
            let object_id = ONBOARDING.to_owned();
            let act =
                Act { name: "setting.set", object_kind: "setting", object_id, before: None, after: Some(true.into()) };
            audit::write(&tx, caller, now, act).await?;
            tx.commit().await?;
        }
        self.installation_get(caller).await
    }
}
