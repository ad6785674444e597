//! What a caller of MCP is shown: a person gives an API key, or the clients of this machine, a list of servers
//! and says whether they manage tools.
//!
//! What is outside a profile does not exist for its caller: not in lists, not in calls, not in errors. People
//! and whoever has no profile are shown everything.

use std::borrow::Cow;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::audit::{self, Act};
use super::believed::Believed;
use super::permission::people_only;
use super::{Error, Page, PageRequest, Service};
use crate::db::profiles::{self as rows, Profile};
use crate::db::{Conn, Texts, api_keys, servers};
use crate::domain::caller::{Caller, Who};
use crate::domain::ids::{ApiKeyId, ServerId};

/// Servers that one profile may name.
const SERVERS_MAX: usize = 1_000;
/// Callers whose profile is kept.
pub(super) const KEPT: usize = 10_000;
/// The clients of this machine that show no credential.
pub const LOCAL: &str = "local";

/// What a caller is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Sorted; none: every server.
    pub servers: Option<Arc<[ServerId]>>,
    /// Whether the management tools are there, which tell of all servers.
    pub management: bool,
}

impl Shown {
    const EVERYTHING: Self = Self { servers: None, management: true };

    /// Whether the tools of a server are there.
    pub fn has(&self, server: ServerId) -> bool {
        self.servers.as_ref().is_none_or(|servers| servers.binary_search(&server).is_ok())
    }
}

/// A profile, as people see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ProfileView {
    /// `local`, or the id of an API key.
    pub caller: String,
    /// The name of the key, or `local`.
    pub name: String,
    /// None: every server.
    pub servers: Option<Vec<ProfileServer>>,
    /// Whether the management tools are there.
    pub management: bool,
    /// None: it was never set.
    pub updated_at: Option<DateTime<Utc>>,
    pub updated_by: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ProfileServer {
    pub id: ServerId,
    pub name: String,
}

/// Profiles that were read, by caller.
pub(super) type Profiles = Believed<Shown>;

impl Service {
    /// What a caller is shown now.
    pub async fn shown(&self, caller: &Caller) -> Result<Shown, Error> {
        let subject = match &caller.who {
            Who::ApiKey { id, .. } => Cow::Owned(id.to_string()),
            Who::Local => Cow::Borrowed(LOCAL),
            Who::Admin { .. } | Who::Operator | Who::Source { .. } => return Ok(Shown::EVERYTHING),
        };
        if let Some(shown) = self.0.profiles.get(&subject, self.as_of()) {
            return Ok(shown);
        }
        let _turn = self.0.profiles.turn(&subject).await;
        let as_of = self.as_of();
        if let Some(shown) = self.0.profiles.get(&subject, as_of) {
            return Ok(shown);
        }
        let shown = match Box::pin(rows::of(self.db(), &subject)).await? {
            Some(profile) => shown(&profile),
            None => Shown::EVERYTHING,
        };
        self.0.profiles.keep(subject.into_owned(), as_of, 1, shown.clone());
        Ok(shown)
    }

    /// Profiles that were set, by caller.
    ///
    /// # Errors
    /// [`Error::Forbidden`] but for people.
    pub async fn profile_list(&self, caller: &Caller, page: PageRequest) -> Result<Page<ProfileView>, Error> {
        people_only(caller, "see or change profiles")?;
        let page = page.of_rows(self.limits())?;
        let rows = rows::list(self.db(), &page).await?;
        let (total, page, page_size) = (rows.total, rows.page, rows.page_size);
        let mut views = Vec::with_capacity(rows.items.len());
        for profile in rows.items {
            let name = self.name_of(&profile.caller).await?;
            views.push(view(self.db(), name.unwrap_or_default(), profile).await?);
        }
        Ok(Page::new(views, total, page, page_size))
    }

    /// The profile of one caller; that of one which has none shows everything.
    ///
    /// # Errors
    /// [`Error::Forbidden`] but for people; [`Error::NotFound`] for no key of this host.
    pub async fn profile_get(&self, caller: &Caller, of: &str) -> Result<ProfileView, Error> {
        people_only(caller, "see or change profiles")?;
        let name = self.name_of(of).await?.ok_or_else(|| unknown(of))?;
        match rows::of(self.db(), of).await? {
            Some(profile) => view(self.db(), name, profile).await,
            None => Ok(ProfileView {
                caller: of.to_owned(),
                name,
                servers: None,
                management: true,
                updated_at: None,
                updated_by: None,
            }),
        }
    }

    /// Sets the profile of one caller; holds from its next request on. `servers` is none for all of them.
    ///
    /// # Errors
    /// [`Error::Forbidden`] but for people; [`Error::NotFound`] for no key of this host; [`Error::Invalid`] for
    /// a server that there is not.
    pub async fn profile_set(
        &self,
        caller: &Caller,
        of: &str,
        servers: Option<Vec<ServerId>>,
        management: bool,
    ) -> Result<ProfileView, Error> {
        people_only(caller, "see or change profiles")?;
        let name = self.name_of(of).await?.ok_or_else(|| unknown(of))?;
        let now = self.clock().now();
        let tx = self.db().begin().await?;
        let servers = match servers {
            Some(given) => Some(known(&tx, given).await?),
            None => None,
        };
        let before = rows::of(&tx, of).await?.map(|profile| told(&profile));
        let profile = Profile {
            caller: of.to_owned(),
            servers: servers.map(|ids| Texts(ids.iter().map(ServerId::to_string).collect())),
            management,
            updated_at: now,
            updated_by: caller.to_string(),
        };
        rows::set(&tx, profile.clone()).await?;
        let after = Some(told(&profile));
        let act = Act { name: "profile.set", object_kind: "profile", object_id: of.to_owned(), before, after };
        audit::write(&tx, caller, now, act).await?;
        tx.commit().await?;
        self.catalogue_changed();
        view(self.db(), name, profile).await
    }

    /// What people call a caller; none when there is no such key.
    async fn name_of(&self, of: &str) -> Result<Option<String>, Error> {
        if of == LOCAL {
            return Ok(Some(LOCAL.to_owned()));
        }
        let Ok(id) = of.parse::<ApiKeyId>() else { return Ok(None) };
        Ok(api_keys::by_id(self.db(), id).await?.map(|key| key.name))
    }
}

/// The ids of servers, sorted, each once.
///
/// # Errors
/// [`Error::Invalid`] with the first that is none, or when they are too many.
async fn known(db: &impl Conn, mut ids: Vec<ServerId>) -> Result<Vec<ServerId>, Error> {
    ids.sort_unstable();
    ids.dedup();
    if ids.len() > SERVERS_MAX {
        return Err(Error::invalid("/servers", format!("at most {SERVERS_MAX} servers; null stands for all")));
    }
    let there: Vec<ServerId> = servers::by_ids(db, &ids).await?.into_iter().map(|server| server.id).collect();
    match ids.iter().find(|id| !there.contains(id)) {
        Some(id) => Err(Error::invalid("/servers", format!("there is no server `{id}`; list the servers"))),
        None => Ok(ids),
    }
}

/// What a row means. An id that is none of ours stands for no server.
fn shown(profile: &Profile) -> Shown {
    let servers = profile.servers.as_ref().map(|Texts(ids)| {
        let mut ids: Vec<ServerId> = ids.iter().filter_map(|id| id.parse().ok()).collect();
        ids.sort_unstable();
        ids.into()
    });
    Shown { servers, management: profile.management }
}

async fn view(db: &impl Conn, name: String, profile: Profile) -> Result<ProfileView, Error> {
    let servers = match shown(&profile).servers {
        None => None,
        Some(ids) => {
            let mut found = servers::by_ids(db, &ids).await?;
            found.sort_by(|one, other| one.name.cmp(&other.name));
            Some(found.into_iter().map(|server| ProfileServer { id: server.id, name: server.name }).collect())
        }
    };
    Ok(ProfileView {
        caller: profile.caller,
        name,
        servers,
        management: profile.management,
        updated_at: Some(profile.updated_at),
        updated_by: Some(profile.updated_by),
    })
}

fn told(profile: &Profile) -> serde_json::Value {
    json!({ "servers": profile.servers.as_ref().map(|Texts(ids)| ids), "management": profile.management })
}

fn unknown(of: &str) -> Error {
    Error::not_found("caller", of, "give `local` or the id of an API key; list the keys")
}
