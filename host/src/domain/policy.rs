//! The policies of an installation: what people decide once for all tools. Each has its name, its
//! values, its default and its sentence in one table; each decision that one of them governs is a pure
//! function here.

use serde::{Deserialize, Serialize};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::{PartialSchema, ToSchema};

use super::caller::Who;
use super::grant::HostGrant;
use super::request::RequestStatus;
use super::tool::ApprovalStatus;

pub mod schema;

/// Which values a policy takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = PolicyValues)]
pub enum Values {
    Words(&'static [&'static str]),
    Flag,
    Number { min: u32, max: u32 },
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    pub name: &'static str,
    pub values: Values,
    /// Empty: what a limit says.
    default: fn() -> String,
    pub sentence: &'static str,
}

/// A value that is kept for a policy and is none of its values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{value}` is no value of the policy {name}")]
pub struct PolicyError {
    pub name: &'static str,
    pub value: String,
}

/// How a value is kept.
trait Kept: Sized {
    const VALUES: Values;
    fn parse(text: &str) -> Option<Self>;
    fn text(&self) -> String;
}

macro_rules! choices {
    ($($(#[$doc:meta])* $name:ident { $($variant:ident = $word:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub enum $name { $(#[serde(rename = $word)] $variant,)* }

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                <Self as Kept>::VALUES.schema().into()
            }
        }

        impl ToSchema for $name {}

        impl Kept for $name {
            const VALUES: Values = Values::Words(&[$($word,)*]);

            fn parse(text: &str) -> Option<Self> {
                match text {
                    $($word => Some(Self::$variant),)*
                    _ => None,
                }
            }

            fn text(&self) -> String {
                match self { $(Self::$variant => $word,)* }.to_owned()
            }
        }
    )*};
}

choices! {
    Editing { Disabled = "disabled", Enabled = "enabled", }
    ApprovalMode { RequireApproval = "require_approval", AutoApprove = "auto_approve", }
    NetworkAccess { RequireApproval = "require_approval", AllowAllPublic = "allow_all_public", }
    OnToolEdit { KeepLive = "keep_live", TakeDown = "take_down", }
    DraftTests { Blocked = "blocked", NoSecretsNoNetwork = "no_secrets_no_network", }
    FourEyes { Off = "off", On = "on", }
    /// Several policies at once.
    Profile { Strict = "strict", Balanced = "balanced", Permissive = "permissive", }
}

impl Kept for bool {
    const VALUES: Values = Values::Flag;

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn text(&self) -> String {
        self.to_string()
    }
}

macro_rules! numbers {
    ($($name:ident from $min:literal to $max:literal;)*) => {$(
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(try_from = "u32", into = "u32")]
        pub struct $name(u32);

        impl TryFrom<u32> for $name {
            type Error = &'static str;

            fn try_from(number: u32) -> Result<Self, Self::Error> {
                let fits = ($min..=$max).contains(&number);
                fits.then_some(Self(number)).ok_or(concat!("give a number from ", $min, " to ", $max))
            }
        }

        impl From<$name> for u32 {
            fn from(number: $name) -> u32 {
                number.0
            }
        }

        impl Kept for $name {
            const VALUES: Values = Values::Number { min: $min, max: $max };

            fn parse(text: &str) -> Option<Self> {
                text.parse::<u32>().ok()?.try_into().ok()
            }

            fn text(&self) -> String {
                self.0.to_string()
            }
        }
    )*};
}

numbers! {
    Days from 1 to 3650;
    PerMinute from 10 to 10000;
}

impl<T: Kept> Kept for Option<T> {
    const VALUES: Values = T::VALUES;

    fn parse(text: &str) -> Option<Self> {
        T::parse(text).map(Some)
    }

    fn text(&self) -> String {
        self.as_ref().map(T::text).unwrap_or_default()
    }
}

macro_rules! policies {
    ($($name:ident: $type:ty = $default:expr, $sentence:literal;)*) => {
        /// The policies in force.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize)]
        pub struct Policies { $(#[doc = $sentence] pub $name: $type,)* }

        /// What is none stays as it is.
        #[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct PolicyChange { $(#[doc = $sentence] pub $name: Option<$type>,)* }

        /// The table, in the order in which documents print it.
        pub const TABLE: &[Policy] = &[$(Policy {
            name: stringify!($name),
            values: <$type as Kept>::VALUES,
            default: || Kept::text(&{ let default: $type = $default; default }),
            sentence: $sentence,
        },)*];

        impl Default for Policies {
            fn default() -> Self {
                Self { $($name: $default,)* }
            }
        }

        impl Policies {
            /// Reads each policy by its name; absent means the default.
            ///
            /// # Errors
            /// The first value that is none of its policy's.
            pub fn read<'a>(kept: impl Fn(&str) -> Option<&'a str>) -> Result<Self, PolicyError> {
                let mut policies = Self::default();
                $(if let Some(text) = kept(stringify!($name)) {
                    let unknown = || PolicyError { name: stringify!($name), value: text.chars().take(64).collect() };
                    policies.$name = Kept::parse(text).ok_or_else(unknown)?;
                })*
                Ok(policies)
            }

            pub fn with(&self, change: &PolicyChange) -> Self {
                let mut policies = self.clone();
                $(if let Some(value) = &change.$name {
                    policies.$name = value.clone();
                })*
                policies
            }

            /// Each row with the value in force, as it is kept.
            pub fn in_force(&self) -> Vec<(&'static Policy, String)> {
                let values = [$(Kept::text(&self.$name),)*];
                TABLE.iter().zip(values).collect()
            }
        }
    };
}

policies! {
    remote_tool_editing: Editing = Editing::Disabled,
        "Whether callers with an API key may make, change, roll back and delete servers and tools; when disabled, \
         only callers on this machine and people may.";
    tool_approval_mode: ApprovalMode = ApprovalMode::RequireApproval,
        "Whether a version that is submitted, or that follows an approved one, waits for a person or is approved at \
         once.";
    network_access_policy: NetworkAccess = NetworkAccess::RequireApproval,
        "Whether a tool's request for a host waits for a person; with `allow_all_public`, one for a name is approved \
         at once, one for an address still waits, and a name that leads into a private network stays refused.";
    module_approval_mode: ApprovalMode = ApprovalMode::RequireApproval,
        "Whether a tool's request for a module waits for a person or is approved at once.";
    redact_secrets_in_output: bool = true,
        "Whether secret values are blotted out of what a caller reads of a call; in the execution log they always are.";
    log_retention_days: Option<Days> = None,
        "Days after which rows of the execution log and of the activity log are deleted; until it is set, the limit \
         `log_retention_days` counts.";
    mcp_rate_limit_rpm: Option<PerMinute> = None,
        "MCP requests of one caller in a minute; until it is set, the limit `mcp_requests_per_minute` counts.";
    on_tool_edit: OnToolEdit = OnToolEdit::KeepLive,
        "What becomes of the approved version when a change waits for review: it goes on answering, or it is taken \
         down.";
    draft_tests: DraftTests = DraftTests::Blocked,
        "Whether a version that nobody approved may be run as a test, without secrets, folders and network.";
    four_eyes: FourEyes = FourEyes::Off,
        "When on, nobody approves what they wrote, changed, submitted or asked for themselves, and nothing is \
         approved without a person.";
}

/// What becomes of a tool when a change makes a new version of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edited {
    /// Where the new version stands.
    pub status: ApprovalStatus,
    pub live: LiveAfter,
}

/// Which version is called afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LiveAfter {
    /// The one that was, if there was one.
    Same,
    /// The new one.
    New,
    None,
}

impl Policies {
    /// The new version of a tool whose newest one stood at `previous`. Once the author has asked for
    /// review, each change waits for it.
    pub fn edited(&self, previous: ApprovalStatus) -> Edited {
        let waits = matches!(previous, ApprovalStatus::Approved | ApprovalStatus::PendingReview);
        let status = if waits { self.submitted() } else { ApprovalStatus::Draft };
        let live = match (status, self.on_tool_edit) {
            (ApprovalStatus::Approved, _) => LiveAfter::New,
            (_, OnToolEdit::KeepLive) => LiveAfter::Same,
            (_, OnToolEdit::TakeDown) => LiveAfter::None,
        };
        Edited { status, live }
    }

    /// Where a version stands when its author has submitted it.
    pub fn submitted(&self) -> ApprovalStatus {
        match self.automatic(self.tool_approval_mode) {
            true => ApprovalStatus::Approved,
            false => ApprovalStatus::PendingReview,
        }
    }

    /// Where a request for a host stands when it is made. What hides behind a name is looked at when
    /// it is called; an address says itself where it leads, and a person reads it.
    pub fn host_requested(&self, host: &HostGrant) -> RequestStatus {
        let open = self.network_access_policy == NetworkAccess::AllowAllPublic && self.four_eyes == FourEyes::Off;
        if open && !host.is_address() { RequestStatus::Approved } else { RequestStatus::Pending }
    }

    /// Where a request for a module stands when it is made.
    pub fn module_requested(&self) -> RequestStatus {
        match self.automatic(self.module_approval_mode) {
            true => RequestStatus::Approved,
            false => RequestStatus::Pending,
        }
    }

    fn automatic(&self, mode: ApprovalMode) -> bool {
        mode == ApprovalMode::AutoApprove && self.four_eyes == FourEyes::Off
    }

    /// Whether one person may open a host to a whole server, which nobody asked for.
    pub fn opens_alone(&self) -> bool {
        self.four_eyes == FourEyes::Off
    }

    /// Whether somebody may approve what all of `authors` had a hand in.
    pub fn may_approve<'a>(&self, who: &str, mut authors: impl Iterator<Item = &'a str>) -> bool {
        self.four_eyes == FourEyes::Off || authors.all(|author| author != who)
    }

    /// Whether this caller may make, change and delete servers and tools.
    pub fn may_edit(&self, who: &Who) -> bool {
        match who {
            Who::Admin { .. } | Who::Operator | Who::Local | Who::Source { .. } => true,
            Who::ApiKey { .. } => self.remote_tool_editing == Editing::Enabled,
        }
    }

    /// Whether a version that nobody approved may run as a test.
    pub fn tests_drafts(&self) -> bool {
        self.draft_tests == DraftTests::NoSecretsNoNetwork
    }
}

impl Profile {
    pub const ALL: [Self; 3] = [Self::Strict, Self::Balanced, Self::Permissive];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::Balanced => "balanced",
            Self::Permissive => "permissive",
        }
    }

    /// What it sets: how much is decided by people. How long logs are kept and how often one may ask
    /// is none of its business.
    pub fn change(self) -> PolicyChange {
        let waits = PolicyChange {
            remote_tool_editing: Some(Editing::Disabled),
            tool_approval_mode: Some(ApprovalMode::RequireApproval),
            network_access_policy: Some(NetworkAccess::RequireApproval),
            module_approval_mode: Some(ApprovalMode::RequireApproval),
            redact_secrets_in_output: Some(true),
            on_tool_edit: Some(OnToolEdit::KeepLive),
            draft_tests: Some(DraftTests::Blocked),
            four_eyes: Some(FourEyes::Off),
            ..PolicyChange::default()
        };
        match self {
            Self::Strict => {
                PolicyChange { on_tool_edit: Some(OnToolEdit::TakeDown), four_eyes: Some(FourEyes::On), ..waits }
            }
            Self::Balanced => waits,
            Self::Permissive => PolicyChange {
                remote_tool_editing: Some(Editing::Enabled),
                tool_approval_mode: Some(ApprovalMode::AutoApprove),
                network_access_policy: Some(NetworkAccess::AllowAllPublic),
                module_approval_mode: Some(ApprovalMode::AutoApprove),
                draft_tests: Some(DraftTests::NoSecretsNoNetwork),
                ..waits
            },
        }
    }

    /// The profile that these policies are, if they are one.
    pub fn of(policies: &Policies) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| policies.with(&profile.change()) == *policies)
    }
}

impl Policy {
    /// As it is kept; empty when a limit says it.
    pub fn default_text(&self) -> String {
        (self.default)()
    }
}

/// `docs/policies.md`: the tables for people. A test holds the file to this text.
pub fn markdown() -> String {
    let code = |text: &str| format!("`{text}`");
    let mut page = String::from(PAGE_HEAD);
    for policy in TABLE {
        let values = match policy.values {
            Values::Words(words) => words.iter().map(|word| code(word)).collect::<Vec<_>>().join(", "),
            Values::Flag => "`true`, `false`".to_owned(),
            Values::Number { min, max } => format!("{min} to {max}"),
        };
        let default = Some(policy.default_text()).filter(|text| !text.is_empty()).map(|text| code(&text));
        let default = default.unwrap_or_else(|| "the limit".to_owned());
        page += &format!("| `{}` | {values} | {default} | {} |\n", policy.name, policy.sentence);
    }
    page += PROFILES_HEAD;
    let profiles = Profile::ALL.map(|profile| Policies::default().with(&profile.change()).in_force());
    for (at, policy) in TABLE.iter().enumerate() {
        let [strict, balanced, permissive] = &profiles;
        if !matches!(policy.values, Values::Number { .. }) {
            let cells = [strict, balanced, permissive].map(|profile| code(&profile[at].1)).join(" | ");
            page += &format!("| `{}` | {cells} |\n", policy.name);
        }
    }
    page
}

const PAGE_HEAD: &str = "\
# Policies

What people decide once for the whole installation, while it runs: `GET` and `PATCH
/api/settings/security-policy`. A change holds for every decision that follows it, in other processes on the
same database after two seconds at most for calls and rates; it touches nothing that was decided before. Each
change is a row of the audit log. [Approvals](approvals.md) tells how tools, hosts and modules are decided.

This page is made from the table in `host/src/domain/policy.rs`: change that, then run
`make docs`.

| policy | values | default | what it says |
| --- | --- | --- | --- |
";

const PROFILES_HEAD: &str = "
## Profiles

`PATCH /api/settings/security-profile` sets several at once. Balanced is the default. Permissive is for a
machine on which nothing is to be protected from the models that work there.

| policy | strict | balanced | permissive |
| --- | --- | --- | --- |
";

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
