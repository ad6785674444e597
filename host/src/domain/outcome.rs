//! How a call ended. A guest's failure is a value here; only a broken host is an error.

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::client::{Abilities, Question};
use super::content::ToolResult;

/// Every end that a call can come to.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Outcome {
    Returned(ToolResult),
    /// What a prompt, a resource or a completion answered: the members of MCP's result, as JSON.
    Answered(Box<RawValue>),
    /// It answered, and said that this is a failure. The answer passes through as it is.
    ReturnedError(ToolResult),
    /// The guest asks, and the answers come with another call.
    InputRequired {
        questions: Vec<Question>,
    },
    /// The guest goes on only with a client that can do more.
    MissingAbilities {
        missing: Abilities,
    },
    /// There is no such resource.
    ResourceNotFound {
        uri: String,
    },
    /// The author's code raised, or said that it failed.
    Raised(Exception),
    /// The arguments do not fit, as the guest sees it.
    InvalidArguments {
        message: String,
    },
    /// What it returned does not fit its output schema.
    InvalidResult {
        message: String,
    },
    /// A bound of the budget was reached.
    Stopped(Bound),
    /// The guest did something that WebAssembly forbids.
    Trapped {
        message: String,
    },
    /// The external source that the tool belongs to did not answer as it should.
    SourceFailed {
        message: String,
    },
    /// The caller cancelled or went away.
    Cancelled,
}

/// An exception of an interpreted tool, or the message of a compiled one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Exception {
    /// For example `ValueError`; empty when the guest has no types of exceptions.
    pub kind: String,
    pub message: String,
    /// Line of the author's source, from 1.
    pub line: Option<u32>,
    pub traceback: String,
    /// The lines around `line`.
    pub excerpt: String,
}

/// Which bound stopped a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    Time,
    Cpu,
    Memory,
    Stack,
    HostCalls,
    Handles,
    ResultSize,
}

impl Bound {
    pub const ALL: [Self; 7] =
        [Self::Time, Self::Cpu, Self::Memory, Self::Stack, Self::HostCalls, Self::Handles, Self::ResultSize];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Stack => "stack",
            Self::HostCalls => "host_calls",
            Self::Handles => "handles",
            Self::ResultSize => "result_size",
        }
    }
}

macro_rules! labels {
    ($($label:ident = $word:literal,)*) => {
        /// The ends of calls as log rows, metrics and events name them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub enum Label { $(#[serde(rename = $word)] $label,)* }

        impl Label {
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$label => $word,)* }
            }
        }

        impl PartialSchema for Label {
            fn schema() -> RefOr<Schema> {
                ObjectBuilder::new().schema_type(Type::String).enum_values(Some([$($word),*])).into()
            }
        }
    };
}

labels! {
    Returned = "returned",
    InputRequired = "input_required",
    MissingAbilities = "missing_abilities",
    ResourceNotFound = "resource_not_found",
    ReturnedError = "returned_error",
    Raised = "raised",
    InvalidArguments = "invalid_arguments",
    InvalidResult = "invalid_result",
    StoppedTime = "stopped_time",
    StoppedCpu = "stopped_cpu",
    StoppedMemory = "stopped_memory",
    StoppedStack = "stopped_stack",
    StoppedHostCalls = "stopped_host_calls",
    StoppedHandles = "stopped_handles",
    StoppedResultSize = "stopped_result_size",
    Trapped = "trapped",
    SourceFailed = "source_failed",
    Cancelled = "cancelled",
}

impl ToSchema for Label {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Outcome")
    }
}

/// One line that a guest wrote for the people who run it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    pub level: LogLevel,
    pub message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    Debug,
    Info,
    Warning,
    Error,
}

/// A progress report of a guest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    pub progress: f64,
    pub total: Option<f64>,
    pub message: Option<String>,
}

/// What a guest says while it runs.
#[derive(Clone, Debug, PartialEq)]
pub enum GuestEvent {
    Progress(Progress),
    Log(LogLine),
    /// A list is another than before, for everybody.
    ListChanged(Listing),
    /// What a resource holds is another than before, for everybody.
    ResourceUpdated(String),
}

/// What clients list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Listing {
    Tools,
    Prompts,
    Resources,
}

/// Text that was kept up to a bound.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Captured {
    pub text: String,
    /// Bytes that came after the bound and were dropped.
    pub dropped_bytes: u64,
}

/// What a call used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    pub fuel: u64,
    /// Greatest size of linear memories and tables together, in bytes.
    pub peak_memory_bytes: u64,
    pub duration: Duration,
    pub host_calls: u64,
    pub http_requests: u64,
    /// Bytes of request bodies sent and response bodies received.
    pub http_sent_bytes: u64,
    pub http_received_bytes: u64,
}

/// What came of one call.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    pub outcome: Outcome,
    pub stdout: Captured,
    pub stderr: Captured,
    pub log: Vec<LogLine>,
    /// Log lines and progress reports that were over the bound.
    pub dropped_lines: u64,
    pub usage: Usage,
}

impl Report {
    /// Of a call that ended after so long, before there was a guest.
    pub fn unbegun(outcome: Outcome, duration: Duration) -> Self {
        let usage = Usage { duration, ..Usage::default() };
        let (stdout, stderr) = Default::default();
        Self { outcome, stdout, stderr, log: Vec::new(), dropped_lines: 0, usage }
    }
}

impl Outcome {
    pub fn is_success(&self) -> bool {
        // A call that has a question has done what it could.
        matches!(self, Self::Returned(_) | Self::Answered(_) | Self::InputRequired { .. })
    }

    /// The word that log rows, metrics and events use.
    pub fn label(&self) -> &'static str {
        let label = match self {
            Self::Returned(_) | Self::Answered(_) => Label::Returned,
            Self::InputRequired { .. } => Label::InputRequired,
            Self::MissingAbilities { .. } => Label::MissingAbilities,
            Self::ResourceNotFound { .. } => Label::ResourceNotFound,
            Self::ReturnedError(_) => Label::ReturnedError,
            Self::Raised(_) => Label::Raised,
            Self::InvalidArguments { .. } => Label::InvalidArguments,
            Self::InvalidResult { .. } => Label::InvalidResult,
            Self::Stopped(Bound::Time) => Label::StoppedTime,
            Self::Stopped(Bound::Cpu) => Label::StoppedCpu,
            Self::Stopped(Bound::Memory) => Label::StoppedMemory,
            Self::Stopped(Bound::Stack) => Label::StoppedStack,
            Self::Stopped(Bound::HostCalls) => Label::StoppedHostCalls,
            Self::Stopped(Bound::Handles) => Label::StoppedHandles,
            Self::Stopped(Bound::ResultSize) => Label::StoppedResultSize,
            Self::Trapped { .. } => Label::Trapped,
            Self::SourceFailed { .. } => Label::SourceFailed,
            Self::Cancelled => Label::Cancelled,
        };
        label.as_str()
    }
}

impl Exception {
    /// The sentence that a caller reads first.
    pub fn headline(&self) -> String {
        match (self.kind.is_empty(), self.message.is_empty()) {
            (true, _) => self.message.clone(),
            (false, true) => self.kind.clone(),
            (false, false) => format!("{}: {}", self.kind, self.message),
        }
    }
}
