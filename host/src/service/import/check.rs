//! The small parts of a file, each checked as if a person had just given it.

use crate::domain::binding::{Binding, BindingError, GivenBinding};
use crate::domain::caller::Caller;
use crate::domain::export::{HostPart, ModulePart, SecretPart, SourcePart, VersionPart};
use crate::domain::grant::HostGrant;
use crate::domain::names::{ModuleName, SecretName, ServerName, SourceName, ToolName};
use crate::domain::request::RequestStatus;
use crate::domain::tool::{ApprovalStatus, ToolKind};
use crate::service::error::Problem;
use crate::service::external_mcp_rules::{credential, placed};
use crate::service::external_mcp_sources::SERVER_SOURCES;
use crate::service::modules::TOOL_MODULES;
use crate::service::{Error, given};

/// Length of what is said of a change.
const SUMMARY_CHARS: usize = 500;
/// Longest name of a server.
const SERVER_NAME: usize = 40;

pub(super) struct PlannedHost {
    pub(super) grant: HostGrant,
    pub(super) request: PlannedRequest,
}

pub(super) struct PlannedModule {
    pub(super) name: ModuleName,
    pub(super) request: PlannedRequest,
}

/// A request as it is made here: it waits, or is refused as it was.
pub(super) struct PlannedRequest {
    pub(super) justification: String,
    pub(super) rejected: Option<Option<String>>,
}

pub(super) struct PlannedSecret {
    pub(super) name: SecretName,
    pub(super) description: String,
    pub(super) binding: Option<Binding>,
}

/// What a version asks for.
pub(super) struct Asked {
    pub(super) hosts: Vec<String>,
    pub(super) modules: Vec<String>,
}

fn request(
    at: &str,
    justification: &str,
    status: RequestStatus,
    reason: Option<String>,
) -> Result<PlannedRequest, Error> {
    let justification = given::text(&format!("{at}/justification"), justification, given::JUSTIFICATION)?;
    let reason = reason.map(|text| given::text(&format!("{at}/rejection_reason"), &text, given::REASON)).transpose()?;
    let rejected = (status == RequestStatus::Rejected).then_some(reason);
    Ok(PlannedRequest { justification, rejected })
}

/// A request for a host; none when it is there already.
pub(super) fn host(at: &str, part: HostPart, known: &[PlannedHost]) -> Result<Option<PlannedHost>, Error> {
    let grant: HostGrant =
        part.host.parse().map_err(|error| Error::invalid(format!("{at}/host"), format!("{error}")))?;
    if known.iter().any(|other| other.grant == grant) {
        return Ok(None);
    }
    few(at, known.len(), given::HOSTS_OF_ONE, "hosts")?;
    let request = request(at, &part.justification, part.status, part.rejection_reason)?;
    Ok(Some(PlannedHost { grant, request }))
}

/// A request for a module; none when it is there already.
pub(super) fn module(
    at: &str,
    part: ModulePart,
    kind: ToolKind,
    known: &[PlannedModule],
) -> Result<Option<PlannedModule>, Error> {
    let name = module_name(&format!("{at}/module_name"), &part.module_name, kind)?;
    if known.iter().any(|other| other.name == name) {
        return Ok(None);
    }
    few(at, known.len(), TOOL_MODULES, "modules")?;
    let request = request(at, &part.justification, part.status, part.rejection_reason)?;
    Ok(Some(PlannedModule { name, request }))
}

fn module_name(at: &str, name: &str, kind: ToolKind) -> Result<ModuleName, Error> {
    if kind != ToolKind::PythonCode {
        return Err(Error::invalid(at, "only Python tools import modules"));
    }
    name.parse().map_err(|error| Error::name(at, &error))
}

/// A place for a secret. That it may go over plain http is for the person to say who sets its value.
pub(super) fn secret(
    at: &str,
    part: SecretPart,
    known: &[PlannedSecret],
    left_out: &mut Vec<String>,
) -> Result<PlannedSecret, Error> {
    let name: SecretName = part.key_name.parse().map_err(|error| Error::name(&format!("{at}/key_name"), &error))?;
    if known.iter().any(|other| other.name == name) {
        return Err(Error::invalid(at, format!("the secret `{name}` is there twice")));
    }
    few(at, known.len(), given::SECRETS_OF_ONE, "secrets")?;
    let description = given::text(&format!("{at}/description"), &part.description, given::SECRET_DESCRIPTION)?;
    let binding = part.binding.map(|given| {
        if given.plain_http {
            left_out.push(format!("{at}/binding: that the secret `{name}` may go over plain http"));
        }
        Binding::try_from(GivenBinding { plain_http: false, ..given })
            .map_err(|BindingError { member, rule }| Error::invalid(format!("{at}/binding/{member}"), rule))
    });
    Ok(PlannedSecret { name, description, binding: binding.transpose()? })
}

/// An external source, for a person to allow.
pub(super) fn source(at: &str, caller: &Caller, part: SourcePart, known: &[SourcePart]) -> Result<SourcePart, Error> {
    let name: SourceName = part.name.parse().map_err(|error| Error::name(&format!("{at}/name"), &error))?;
    if known.iter().any(|other| other.name == name.to_string()) {
        return Err(Error::invalid(at, format!("the external source `{name}` is there twice")));
    }
    few(at, known.len(), SERVER_SOURCES, "external sources")?;
    let private_network = placed(caller, &part.url, Some(part.private_network)).map_err(|error| error.within(at))?;
    let (auth_secret_name, auth_header_name) =
        credential(part.auth_type, part.auth_secret_name, part.auth_header_name).map_err(|error| error.within(at))?;
    Ok(SourcePart { name: name.into(), auth_secret_name, auth_header_name, private_network, ..part })
}

pub(super) fn tool_name(at: &str, name: &str) -> Result<String, Error> {
    let name: ToolName = name.parse().map_err(|error| Error::name(at, &error))?;
    Ok(name.to_string())
}

/// What a version asks for, each thing in the spelling that is kept.
pub(super) fn asked(at: &str, part: &VersionPart) -> Result<Asked, Error> {
    let mut hosts = Vec::new();
    for (number, host) in part.hosts.iter().enumerate() {
        let grant: HostGrant =
            host.parse().map_err(|error| Error::invalid(format!("{at}/hosts/{number}"), format!("{error}")))?;
        hosts.push(grant.to_string());
    }
    let mut modules = Vec::new();
    for (number, module) in part.modules.iter().enumerate() {
        modules.push(module_name(&format!("{at}/modules/{number}"), module, part.kind)?.to_string());
    }
    few(&format!("{at}/hosts"), hosts.len().saturating_sub(1), given::HOSTS_OF_ONE, "hosts")?;
    few(&format!("{at}/modules"), modules.len().saturating_sub(1), TOOL_MODULES, "modules")?;
    Ok(Asked { hosts, modules })
}

fn few(at: &str, there: usize, most: usize, what: &str) -> Result<(), Error> {
    if there < most {
        return Ok(());
    }
    Err(Error::Invalid {
        problems: vec![Problem { pointer: at.to_owned(), message: format!("more than {most} {what}") }],
    })
}

/// Where a version stands here: what was offered for review there, is here.
pub(super) fn status(there: ApprovalStatus) -> ApprovalStatus {
    match there {
        ApprovalStatus::Approved | ApprovalStatus::PendingReview => ApprovalStatus::PendingReview,
        ApprovalStatus::Draft | ApprovalStatus::Rejected => ApprovalStatus::Draft,
    }
}

/// What is said of a version.
pub(super) fn summary(there: &str) -> String {
    let there = there.strip_prefix("imported: ").unwrap_or(there).trim();
    let text = if there.is_empty() { "imported".to_owned() } else { format!("imported: {there}") };
    text.replace('\0', "").chars().take(SUMMARY_CHARS).collect()
}

/// A name with a number behind it; none when there is no room for the number.
pub(super) fn numbered(name: &ServerName, number: u32) -> Option<ServerName> {
    let number = format!("_{number}");
    let room = SERVER_NAME.checked_sub(number.len())?;
    let front: String = name.as_str().chars().take(room).collect();
    format!("{}{number}", front.trim_end_matches('_')).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_taken_gets_a_number_and_stays_a_name() {
        let name = |text: &str| text.parse::<ServerName>().expect("a name");
        assert_eq!(numbered(&name("weather"), 2), Some(name("weather_2")));
        let long = name(&"a".repeat(40));
        assert_eq!(numbered(&long, 10).map(|name| name.to_string()), Some(format!("{}_10", "a".repeat(37))));
        let gap = name(&format!("{}_{}", "a".repeat(37), "bc"));
        assert_eq!(numbered(&gap, 2).map(|name| name.to_string()), Some(format!("{}_2", "a".repeat(37))));
    }

    #[test]
    fn nothing_is_approved_by_being_imported() {
        use ApprovalStatus::{Approved, Draft, PendingReview, Rejected};
        for (there, here) in
            [(Approved, PendingReview), (PendingReview, PendingReview), (Draft, Draft), (Rejected, Draft)]
        {
            assert_eq!(status(there), here, "{there:?}");
        }
        for (there, rejected) in
            [(RequestStatus::Approved, false), (RequestStatus::Pending, false), (RequestStatus::Rejected, true)]
        {
            let planned = request("", "the forecast is there", there, None).expect("a request");
            assert_eq!(planned.rejected.is_some(), rejected, "{there:?}");
        }
    }

    #[test]
    fn a_summary_is_marked_once_and_bounded() {
        assert_eq!(summary(""), "imported");
        assert_eq!(summary(&summary("changed the code")), "imported: changed the code");
        assert_eq!(summary(&"x".repeat(1_000)).chars().count(), 500);
    }
}
