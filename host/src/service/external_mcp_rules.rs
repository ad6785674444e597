//! What an external source may be: where, how it lets us in, and who allows it. Rules without a database.

use url::Url;

use super::external_mcp_sources::SourceChange;
use super::{Error, given};
use crate::db::external_mcp_sources::ExternalSource;
use crate::domain::caller::Caller;
use crate::domain::grant::HostGrant;
use crate::domain::names::{SecretName, SourceName};
use crate::domain::policy::Policies;
use crate::domain::request::RequestStatus;
use crate::domain::source::{SourceAuth, SourceStatus};
use crate::egress::Reach;

const URL_CHARS: std::ops::RangeInclusive<usize> = 1..=2_048;
/// Who allowed what no person looked at.
const BY_POLICY: &str = "policy:network_access_policy";

/// Checks an address; whether its host is on this machine or in its networks.
pub(super) fn placed(caller: &Caller, url: &str, said: Option<bool>) -> Result<bool, Error> {
    given::measured("/url", url, URL_CHARS)?;
    let near = Reach::judge(url).map_err(|error| Error::invalid("/url", error.to_string()))?;
    if Url::parse(url).is_ok_and(|url| url.fragment().is_some()) {
        return Err(Error::invalid("/url", "give the address without a fragment (#…)"));
    }
    if caller.is_person() {
        return Ok(said.unwrap_or(near));
    }
    if near || said == Some(true) {
        return Err(Error::forbidden(
            "this address is on this machine or in a private network; only a person may add such a source",
        ));
    }
    Ok(false)
}

/// Who allows a new source by adding it; none: a person has to.
pub(super) fn allowed_by(caller: &Caller, policies: &Policies, url: &str, auth: SourceAuth) -> Option<String> {
    if caller.is_person() {
        return Some(caller.to_string());
    }
    let url = Url::parse(url).ok()?;
    let host = HostGrant::new(url.host_str()?, url.port_or_known_default()).ok()?;
    let open = auth == SourceAuth::None && policies.host_requested(&host) == RequestStatus::Approved;
    open.then(|| BY_POLICY.to_owned())
}

/// Headers that say what a request is, or belong to the connection.
const OWN_HEADERS: &[&str] = &[
    "accept",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "host",
    "last-event-id",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The secret and the header that a way of letting us in needs, and no others.
pub(super) fn credential(
    auth: SourceAuth,
    secret: Option<String>,
    header: Option<String>,
) -> Result<(Option<String>, Option<String>), Error> {
    let (needs_secret, needs_header) = match auth {
        SourceAuth::None | SourceAuth::Oauth => (false, false),
        SourceAuth::Bearer => (true, false),
        SourceAuth::Header => (true, true),
    };
    let auth = auth.as_str();
    let secret = secret.filter(|text| !text.is_empty());
    let secret = match (needs_secret, secret) {
        (false, None) => None,
        (false, Some(_)) => return Err(Error::invalid("/auth_secret_name", format!("auth_type `{auth}` uses none"))),
        (true, None) => {
            return Err(Error::invalid("/auth_secret_name", "name the secret of the server that lets us in there"));
        }
        (true, Some(name)) => {
            let name: SecretName = name.parse().map_err(|error| Error::name("/auth_secret_name", &error))?;
            Some(name.into())
        }
    };
    let header = header.map(|text| text.to_ascii_lowercase()).filter(|text| !text.is_empty());
    let is_name = |text: &str| {
        (1..=64).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    match (needs_header, &header) {
        (false, None) => {}
        (false, Some(_)) => return Err(Error::invalid("/auth_header_name", format!("auth_type `{auth}` uses none"))),
        (true, None) => return Err(Error::invalid("/auth_header_name", "name the header, such as X-API-Key")),
        (true, Some(name)) => {
            if !is_name(name) || OWN_HEADERS.contains(&name.as_str()) || name.starts_with("mcp-") {
                return Err(Error::invalid(
                    "/auth_header_name",
                    "give the name of a header that is not MCP's or HTTP's own",
                ));
            }
        }
    }
    Ok((secret, header))
}

/// What a source becomes by a change.
pub(super) fn changed(
    caller: &Caller,
    mut source: ExternalSource,
    change: SourceChange,
) -> Result<ExternalSource, Error> {
    if let Some(name) = change.name {
        let name: SourceName = name.parse().map_err(|error| Error::name("/name", &error))?;
        source.name = name.into();
    }
    if let Some(url) = change.url.filter(|url| *url != source.url) {
        source.private_network = placed(caller, &url, change.private_network)?;
        source.url = url;
        logged_out(&mut source);
    } else if let Some(private) = change.private_network {
        source.private_network = private;
    }
    source.transport_type = change.transport_type.unwrap_or(source.transport_type);
    let auth = change.auth_type.unwrap_or(source.auth_type);
    let of_old = |given: Option<String>, old: &Option<String>| match auth == source.auth_type {
        true => given.or_else(|| old.clone()),
        false => given,
    };
    let secret = of_old(change.auth_secret_name, &source.auth_secret_name);
    let header = of_old(change.auth_header_name, &source.auth_header_name);
    (source.auth_secret_name, source.auth_header_name) = credential(auth, secret, header)?;
    if auth != source.auth_type {
        logged_out(&mut source);
        source.auth_type = auth;
    }
    match (change.enabled, source.status) {
        (Some(true), SourceStatus::Disabled) => source.status = SourceStatus::Active,
        (Some(false), _) => (source.status, source.problem) = (SourceStatus::Disabled, None),
        _ => {}
    }
    Ok(source)
}

/// Forgets who logged in there, and who is about to.
fn logged_out(source: &mut ExternalSource) {
    (source.oauth_tokens, source.oauth_issuer, source.oauth_client_id) = (None, None, None);
    (source.oauth_flow, source.oauth_state, source.oauth_begun_at) = (None, None, None);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::external_mcp_sources::testing;
    use crate::domain::caller::Who;
    use crate::domain::ids::ServerId;

    fn model() -> Caller {
        Caller { who: Who::Local, from: None }
    }

    #[test]
    fn an_address_near_this_machine_is_a_persons_to_give() {
        for (url, near) in [
            ("https://mcp.example.com/mcp", false),
            ("http://localhost:3000/mcp", true),
            ("http://192.168.1.5/mcp", true),
            ("http://nas.local/mcp", true),
        ] {
            assert_eq!(placed(&Caller::operator(), url, None).ok(), Some(near), "{url}");
            assert_eq!(placed(&model(), url, None).is_ok(), !near, "{url}");
            assert!(placed(&model(), url, Some(true)).is_err(), "{url}");
        }
        assert_eq!(placed(&Caller::operator(), "https://mcp.example.com/", Some(true)).ok(), Some(true));
        for bad in [
            "",
            "nonsense",
            "ftp://x.example/",
            "http://169.254.169.254/",
            "https://a:b@x.example/",
            "https://x.example/#a",
        ] {
            assert!(placed(&Caller::operator(), bad, None).is_err(), "{bad}");
        }
    }

    #[test]
    fn each_way_in_has_what_it_needs_and_nothing_else() {
        use SourceAuth::{Bearer, Header, None as Nothing, Oauth};
        let cases: [(SourceAuth, Option<&str>, Option<&str>, bool); 12] = [
            (Nothing, None, None, true),
            (Nothing, Some("KEY"), None, false),
            (Oauth, None, None, true),
            (Oauth, None, Some("x-key"), false),
            (Bearer, Some("KEY"), None, true),
            (Bearer, None, None, false),
            (Bearer, Some("no key"), None, false),
            (Header, Some("KEY"), Some("X-API-Key"), true),
            (Header, Some("KEY"), None, false),
            (Header, Some("KEY"), Some("Host"), false),
            (Header, Some("KEY"), Some("Mcp-Method"), false),
            (Header, Some("KEY"), Some("a b"), false),
        ];
        for (auth, secret, header, fits) in cases {
            let done = credential(auth, secret.map(str::to_owned), header.map(str::to_owned));
            assert_eq!(done.is_ok(), fits, "{auth:?} {secret:?} {header:?}");
        }
    }

    #[test]
    fn a_model_is_let_through_only_where_the_policy_opens_public_hosts() {
        let closed = Policies::default();
        let open = Policies {
            network_access_policy: crate::domain::policy::NetworkAccess::AllowAllPublic,
            ..Policies::default()
        };
        let url = "https://mcp.example.com/mcp";
        assert_eq!(allowed_by(&model(), &closed, url, SourceAuth::None), None);
        assert_eq!(allowed_by(&model(), &open, url, SourceAuth::None).as_deref(), Some(BY_POLICY));
        assert_eq!(allowed_by(&model(), &open, url, SourceAuth::Bearer), None, "a secret goes nowhere by itself");
        assert_eq!(allowed_by(&model(), &open, "https://5.5.5.1/mcp", SourceAuth::None), None);
        assert_eq!(allowed_by(&Caller::operator(), &closed, url, SourceAuth::Bearer).as_deref(), Some("operator"));
    }

    #[test]
    fn another_address_or_way_in_forgets_the_login() {
        let mut source = testing::source(ServerId::new(), "github");
        (source.auth_type, source.oauth_tokens) = (SourceAuth::Oauth, Some(vec![1]));
        let person = Caller::operator();
        let same = SourceChange { url: Some(source.url.clone()), ..SourceChange::default() };
        assert_eq!(changed(&person, source.clone(), same).expect("nothing changes"), source);
        for change in [
            SourceChange { url: Some("https://other.example.com/mcp".into()), ..SourceChange::default() },
            SourceChange { auth_type: Some(SourceAuth::None), ..SourceChange::default() },
        ] {
            assert_eq!(changed(&person, source.clone(), change).expect("it fits").oauth_tokens, None);
        }
    }
}
