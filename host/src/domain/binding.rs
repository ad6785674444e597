//! A secret that is bound: the host adds it to requests by itself, and no guest ever sees it.
//!
//! A binding says for which hosts, in which header or query parameter, and in which words around it. It
//! holds no value. Refused are headers that belong to the connection or that the host needs for itself,
//! and templates without a place for the value.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::grant::{Destination, HostGrant};
use super::redact::{MIN_CHARACTERS, Redactor};
use super::secret::SecretValue;

/// Where the value stands in a template.
const VALUE: &str = "{secret}";
/// Where the value stands in base64, as `Authorization: Basic` wants it.
const BASE64: &str = "{base64}";

/// Longest name of a header or a parameter, and longest template, in bytes.
const NAME_BYTES: usize = 100;
const TEMPLATE_BYTES: usize = 200;

/// Headers of the connection or of the message's frame (RFC 9110, sections 7.2, 7.6 and 8.6), and those by
/// which a client waits before its body or speaks to a proxy. The host sets them itself.
pub const CONNECTION_HEADERS: &[&str] = &[
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// A binding as a person or a model gives it, and as it is shown and kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SecretBinding)]
pub struct GivenBinding {
    /// `host`, `host:port` or `*.domain`, as in a request for a host.
    pub host: String,
    /// The header that carries the value; this or `query`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 100)]
    pub header: Option<String>,
    /// The query parameter that carries the value; this or `header`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 100)]
    pub query: Option<String>,
    /// The words around the value: `Bearer {secret}`, `Basic {base64}`. None: the value alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 200)]
    pub template: Option<String>,
    /// Whether the value may also be sent unencrypted, over plain `http`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub plain_http: bool,
}

/// A binding that can be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "GivenBinding", into = "GivenBinding")]
pub struct Binding {
    host: HostGrant,
    place: BindingPlace,
    /// With [`VALUE`] or [`BASE64`] in it, once.
    template: String,
    plain_http: bool,
}

/// Where in a request a value is added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BindingPlace {
    /// In lower case.
    Header(String),
    Query(String),
}

/// What is wrong with a binding, at which of its members.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{member}: {rule}")]
pub struct BindingError {
    pub member: &'static str,
    pub rule: String,
}

impl Binding {
    pub fn host(&self) -> &HostGrant {
        &self.host
    }

    pub fn place(&self) -> &BindingPlace {
        &self.place
    }

    pub fn plain_http(&self) -> bool {
        self.plain_http
    }

    /// Whether a request to this destination carries the value.
    pub fn covers(&self, destination: &Destination, port: u16) -> bool {
        self.host.covers(destination, port)
    }

    /// Whether one request could have to carry both in the same place.
    pub fn collides(&self, other: &Self) -> bool {
        self.place == other.place && self.host.overlaps(&other.host)
    }

    /// What is sent.
    pub fn filled(&self, value: &SecretValue) -> SecretValue {
        let value = value.reveal();
        SecretValue::new(if self.template.contains(BASE64) {
            self.template.replacen(BASE64, &STANDARD.encode(value), 1)
        } else {
            self.template.replacen(VALUE, value, 1)
        })
    }

    /// Whether this value can be added, and be found again where a server repeats it.
    ///
    /// # Errors
    /// The rule that it breaks; nothing of the value.
    pub fn takes(&self, value: &SecretValue) -> Result<(), String> {
        if value.reveal().trim().chars().count() < MIN_CHARACTERS {
            return Err(format!(
                "the value of a bound secret has at least {MIN_CHARACTERS} characters, so that it is found where a \
                 server repeats it"
            ));
        }
        let is_control = |letter: char| letter.is_control();
        if matches!(self.place, BindingPlace::Header(_)) && self.filled(value).reveal().contains(is_control) {
            return Err("the value holds a line break or another control character, which no header carries".into());
        }
        Ok(())
    }
}

impl BindingPlace {
    /// In the words of a message: header `x-api-key`.
    pub fn words(&self) -> String {
        match self {
            Self::Header(name) => format!("header `{name}`"),
            Self::Query(name) => format!("query parameter `{name}`"),
        }
    }
}

impl TryFrom<GivenBinding> for Binding {
    type Error = BindingError;

    fn try_from(given: GivenBinding) -> Result<Self, BindingError> {
        let fail = |member, rule: &str| Err(BindingError { member, rule: rule.to_owned() });
        let host = given
            .host
            .parse()
            .map_err(|error: super::grant::GrantError| BindingError { member: "host", rule: error.to_string() })?;
        let place = match (given.header, given.query) {
            (Some(name), None) => {
                let name = name.to_ascii_lowercase();
                if !is_token(&name) {
                    return fail("header", "give the name of a header, such as `Authorization`");
                }
                if CONNECTION_HEADERS.contains(&name.as_str())
                    || name.starts_with("proxy-")
                    || name == "accept-encoding"
                {
                    return fail("header", "the host sets this header itself; a secret cannot stand in it");
                }
                BindingPlace::Header(name)
            }
            (None, Some(name)) => {
                if name.is_empty() || name.len() > NAME_BYTES || name.chars().any(char::is_control) {
                    return fail("query", "give the name of a query parameter, such as `api_key`");
                }
                BindingPlace::Query(name)
            }
            (None, None) => return fail("header", "say where the value goes: in a `header` or in a `query` parameter"),
            (Some(_), Some(_)) => return fail("query", "give `header` or `query`, not both"),
        };
        let template = given.template.unwrap_or_else(|| VALUE.to_owned());
        let places = template.matches(VALUE).count() + template.matches(BASE64).count();
        let is_plain = template.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        if places != 1 || template.len() > TEMPLATE_BYTES || !is_plain {
            return fail(
                "template",
                "give at most 200 plain characters with `{secret}` (or `{base64}`) once where the value goes, such as \
                 `Bearer {secret}`",
            );
        }
        Ok(Self { host, place, template, plain_http: given.plain_http })
    }
}

impl From<Binding> for GivenBinding {
    fn from(binding: Binding) -> Self {
        let (header, query) = match binding.place {
            BindingPlace::Header(name) => (Some(name), None),
            BindingPlace::Query(name) => (None, Some(name)),
        };
        Self {
            host: binding.host.to_string(),
            header,
            query,
            template: (binding.template != VALUE).then_some(binding.template),
            plain_http: binding.plain_http,
        }
    }
}

/// A token of HTTP (RFC 9110, section 5.6.2).
fn is_token(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    (1..=NAME_BYTES).contains(&name.len()) && name.bytes().all(is_letter)
}

/// A secret that the host adds to requests.
#[derive(Clone, Debug)]
pub struct BoundSecret {
    pub key_name: String,
    pub binding: Binding,
    pub value: SecretValue,
}

/// The bound secrets of one call, and what finds their values in answers.
#[derive(Clone, Debug)]
pub struct BoundSecrets {
    pub secrets: Vec<BoundSecret>,
    pub redactor: Arc<Redactor>,
}

impl Default for BoundSecrets {
    fn default() -> Self {
        Self { secrets: Vec::new(), redactor: Arc::new(Redactor::new([])) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn given(host: &str) -> GivenBinding {
        GivenBinding { host: host.into(), header: Some("Authorization".into()), ..GivenBinding::default() }
    }

    fn binding(given: GivenBinding) -> Binding {
        given.try_into().expect("a binding")
    }

    #[test]
    fn a_binding_is_kept_as_it_was_given() {
        for text in [
            r#"{"host":"api.example.com","header":"authorization","template":"Bearer {secret}"}"#,
            r#"{"host":"*.example.com:8443","query":"api_key"}"#,
            r#"{"host":"10.0.0.5","header":"x-api-key","plain_http":true}"#,
        ] {
            let read: Binding = serde_json::from_str(text).expect("a binding");
            assert_eq!(serde_json::to_string(&read).expect("JSON"), text);
        }
        let upper = binding(given("API.example.com"));
        assert_eq!(upper.place(), &BindingPlace::Header("authorization".into()));
        assert_eq!(upper.host().to_string(), "api.example.com");
    }

    #[test]
    fn what_cannot_be_a_binding_is_refused_at_its_member() {
        let with = |change: fn(&mut GivenBinding)| {
            let mut given = given("api.example.com");
            change(&mut given);
            given
        };
        for (member, given) in [
            ("host", given("https://api.example.com/")),
            ("host", given("*")),
            ("header", with(|given| given.header = None)),
            ("query", with(|given| given.query = Some("key".into()))),
            ("query", with(|given| (given.header, given.query) = (None, Some(String::new())))),
            ("header", with(|given| given.header = Some("Host".into()))),
            ("header", with(|given| given.header = Some("content-length".into()))),
            ("header", with(|given| given.header = Some("Proxy-Authorization".into()))),
            ("header", with(|given| given.header = Some("Accept-Encoding".into()))),
            ("header", with(|given| given.header = Some("two words".into()))),
            ("header", with(|given| given.header = Some("x\r\ny".into()))),
            ("header", with(|given| given.header = Some("x".repeat(101)))),
            ("template", with(|given| given.template = Some("Bearer".into()))),
            ("template", with(|given| given.template = Some("{secret}{secret}".into()))),
            ("template", with(|given| given.template = Some("{secret} {base64}".into()))),
            ("template", with(|given| given.template = Some("{secret}\r\nx: y".into()))),
            ("template", with(|given| given.template = Some(format!("{}{{secret}}", "x".repeat(200))))),
        ] {
            let error = Binding::try_from(given).expect_err(member);
            assert_eq!(error.member, member, "{error}");
        }
    }

    #[test]
    fn the_value_stands_where_the_template_says() {
        let filled = |template: Option<&str>| {
            let given = GivenBinding { template: template.map(str::to_owned), ..given("api.example.com") };
            binding(given).filled(&SecretValue::new("user:{secret}".into())).reveal().to_owned()
        };
        assert_eq!(filled(None), "user:{secret}");
        assert_eq!(filled(Some("Bearer {secret}!")), "Bearer user:{secret}!");
        assert_eq!(filled(Some("Basic {base64}")), "Basic dXNlcjp7c2VjcmV0fQ==");
    }

    #[test]
    fn a_value_must_be_one_that_can_be_sent_and_found_again() {
        let header = binding(given("api.example.com"));
        let query = binding(GivenBinding { header: None, query: Some("key".into()), ..given("api.example.com") });
        for (value, in_header, in_query) in
            [("hunter22", true, true), ("abc", false, false), ("  a  ", false, false), ("one\ntwo", false, true)]
        {
            let value = SecretValue::new(value.into());
            assert_eq!((header.takes(&value).is_ok(), query.takes(&value).is_ok()), (in_header, in_query));
        }
    }

    #[test]
    fn two_bindings_collide_when_one_request_could_carry_both_in_one_place() {
        let of = |host: &str, header: &str| binding(GivenBinding { header: Some(header.to_owned()), ..given(host) });
        let one = of("api.example.com", "authorization");
        for (other, collides) in [
            (of("api.example.com", "Authorization"), true),
            (of("*.example.com", "authorization"), true),
            (of("api.example.com:443", "authorization"), true),
            (of("api.example.com", "x-api-key"), false),
            (of("www.example.com", "authorization"), false),
        ] {
            assert_eq!(one.collides(&other), collides, "{other:?}");
            assert_eq!(other.collides(&one), collides, "{other:?}");
        }
    }

    #[test]
    fn nothing_of_a_value_is_in_debug_output() {
        let secret = BoundSecret {
            key_name: "TOKEN".into(),
            binding: binding(given("api.example.com")),
            value: SecretValue::new("hunter22".into()),
        };
        let redactor = Arc::new(Redactor::new(["hunter22"]));
        assert!(!format!("{:?}", BoundSecrets { secrets: vec![secret], redactor }).contains("hunter22"));
    }

    proptest! {
        #[test]
        fn what_is_a_binding_round_trips(host in "\\PC{0,30}", name in "\\PC{0,12}", template in "\\PC{0,8}(\\{secret\\})?\\PC{0,8}") {
            let given = GivenBinding { host, header: Some(name), template: Some(template), ..GivenBinding::default() };
            if let Ok(binding) = Binding::try_from(given) {
                prop_assert_eq!(Binding::try_from(GivenBinding::from(binding.clone())), Ok(binding));
            }
        }
    }
}
