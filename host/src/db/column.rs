//! How domain types stand in columns: identifiers as UUIDs, words and digests as text, whole numbers
//! as signed ones.
//!
//! A value that the host does not know (a status of a later release, a damaged digest) makes the
//! read fail: nothing is guessed.

use std::fmt;
use std::net::IpAddr;

use sea_orm::sea_query::{ArrayType, ColumnType, Nullable, ValueType, ValueTypeErr};
use sea_orm::{ColIdx, DbErr, QueryResult, TryFromU64, TryGetError, TryGetable, Value};
use uuid::Uuid;

use crate::domain::activity::LogType;
use crate::domain::binding::Binding;
use crate::domain::component::{Export, Surface};
use crate::domain::digest::Digest;
use crate::domain::grant::FolderAccess;
use crate::domain::ids::{
    ActivityId, AdminId, ApiKeyId, AuditId, CallId, GrantRequestId, SecretId, ServerId, SessionId, SourceId, TaskId,
    ToolId, VersionId,
};
use crate::domain::outcome::LogLevel;
use crate::domain::package::Distribution;
use crate::domain::request::RequestStatus;
use crate::domain::source::{SourceAuth, SourceStatus, SourceTransport};
use crate::domain::task::TaskStatus;
use crate::domain::text::Text;
use crate::domain::tool::{ApprovalStatus, ChangeSource, ServerStatus, ToolKind};

/// A number of things, bytes, milliseconds; kept as a signed 64-bit one, the largest in place of
/// what is larger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Whole(pub u64);

/// A TCP port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port(pub u16);

/// Where somebody is: an IPv4 address as such, also when it came in the form of IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address(pub IpAddr);

/// A list of short texts, kept as a JSON array.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts(pub Vec<String>);

/// The tools of a component, kept as JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exports(pub Vec<Export>);

/// The distributions of a set of packages, kept as JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Distributions(pub Vec<Distribution>);

impl Texts {
    pub(super) fn to_json(&self) -> String {
        json(&self.0)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.to_canonical().fmt(f)
    }
}

impl Whole {
    /// As it stands in a column.
    pub(super) fn stored(self) -> i64 {
        self.0.try_into().unwrap_or(i64::MAX)
    }
}

impl From<u64> for Whole {
    fn from(value: u64) -> Self {
        Self(value)
    }
}

impl From<Whole> for u64 {
    fn from(value: Whole) -> Self {
        value.0
    }
}

/// `$type` is stored as `$stored`: how to write it, and how to read it if it is one.
macro_rules! column {
    ($($type:ident as $stored:ty: $write:expr, $read:expr;)*) => {$(
        impl From<$type> for Value {
            fn from(value: $type) -> Self {
                let write: fn($type) -> $stored = $write;
                write(value).into()
            }
        }

        impl TryGetable for $type {
            fn try_get_by<I: ColIdx>(row: &QueryResult, index: I) -> Result<Self, TryGetError> {
                let read: fn(&$stored) -> Option<$type> = $read;
                let stored = <$stored>::try_get_by(row, index)?;
                read(&stored).ok_or_else(|| {
                    TryGetError::DbErr(DbErr::Type(format!("{stored:?} is no {}", stringify!($type))))
                })
            }
        }

        impl ValueType for $type {
            fn try_from(value: Value) -> Result<Self, ValueTypeErr> {
                let read: fn(&$stored) -> Option<$type> = $read;
                read(&<$stored as ValueType>::try_from(value)?).ok_or(ValueTypeErr)
            }

            fn type_name() -> String {
                stringify!($type).to_owned()
            }

            fn array_type() -> ArrayType {
                <$stored as ValueType>::array_type()
            }

            fn column_type() -> ColumnType {
                <$stored as ValueType>::column_type()
            }
        }

        impl Nullable for $type {
            fn null() -> Value {
                <$stored as Nullable>::null()
            }
        }

        /// Keys are made by the host, never by the database.
        impl TryFromU64 for $type {
            fn try_from_u64(_: u64) -> Result<Self, DbErr> {
                Err(DbErr::ConvertFromU64(stringify!($type)))
            }
        }
    )*};
}

column! {
    ServerId as Uuid: |id| id.0, |id| Some(ServerId(*id));
    ToolId as Uuid: |id| id.0, |id| Some(ToolId(*id));
    VersionId as Uuid: |id| id.0, |id| Some(VersionId(*id));
    SecretId as Uuid: |id| id.0, |id| Some(SecretId(*id));
    AdminId as Uuid: |id| id.0, |id| Some(AdminId(*id));
    SessionId as Uuid: |id| id.0, |id| Some(SessionId(*id));
    ApiKeyId as Uuid: |id| id.0, |id| Some(ApiKeyId(*id));
    GrantRequestId as Uuid: |id| id.0, |id| Some(GrantRequestId(*id));
    CallId as Uuid: |id| id.0, |id| Some(CallId(*id));
    AuditId as Uuid: |id| id.0, |id| Some(AuditId(*id));
    ActivityId as Uuid: |id| id.0, |id| Some(ActivityId(*id));
    SourceId as Uuid: |id| id.0, |id| Some(SourceId(*id));
    TaskId as Uuid: |id| id.0, |id| Some(TaskId(*id));

    ServerStatus as String: |status| status.as_str().to_owned(), |text| ServerStatus::parse(text);
    ToolKind as String: |kind| kind.as_str().to_owned(), |text| ToolKind::parse(text);
    ApprovalStatus as String: |status| status.as_str().to_owned(), |text| ApprovalStatus::parse(text);
    ChangeSource as String: |source| source.as_str().to_owned(), |text| ChangeSource::parse(text);
    LogType as String: |kind| kind.as_str().to_owned(), |text| LogType::parse(text);
    LogLevel as String: |level| level.as_str().to_owned(), |text| LogLevel::parse(text);
    RequestStatus as String: |status| status.as_str().to_owned(), |text| RequestStatus::parse(text);
    SourceAuth as String: |auth| auth.as_str().to_owned(), |text| SourceAuth::parse(text);
    SourceTransport as String: |transport| transport.as_str().to_owned(), |text| SourceTransport::parse(text);
    TaskStatus as String: |status| status.as_str().to_owned(), |text| TaskStatus::parse(text);
    SourceStatus as String: |status| status.as_str().to_owned(), |text| SourceStatus::parse(text);
    Text as String: |text| text.to_string(), |text| Some(Text::from(text.clone()));
    Address as String: |address| address.to_string(), |text| text.parse().ok().map(Address);
    Digest as String: |digest| digest.to_string(), |text| text.parse().ok();

    Whole as i64: |whole| whole.stored(), |stored| (*stored).try_into().ok().map(Whole);
    Port as i32: |port| i32::from(port.0), |stored| (*stored).try_into().ok().map(Port);
    Texts as String: |texts| texts.to_json(), |text| serde_json::from_str(text).ok().map(Texts);
    Exports as String: |exports| json(&exports.0), |text| serde_json::from_str(text).ok().map(Exports);
    Distributions as String: |all| json(&all.0), |text| serde_json::from_str(text).ok().map(Distributions);
    Surface as String: |surface| json(&surface), |text| serde_json::from_str(text).ok();
    Binding as String: |binding| json(&binding), |text| serde_json::from_str(text).ok();
    FolderAccess as String: |access| access.as_str().to_owned(), |text| FolderAccess::parse(text);
}

/// Plain data with text for keys, which is always JSON.
fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
