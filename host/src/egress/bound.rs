//! Bound secrets: added to a request after its destination was judged, taken out of the answer before a
//! guest sees it.
//!
//! A value is added to every request that its binding covers, each hop anew, and to no other. It never goes
//! over plain `http` unless the binding says so: such a request is refused, not sent without. A guest that
//! sets the same header or parameter itself is refused too, so that nobody wonders which of the two counted.
//!
//! An answer is searched for the values, head and body, also where another host gives it. A request that
//! carries a value asks for a plain answer, and one that comes encoded all the same is not handed on: it
//! could not be searched. That is the second line; the first is that a value goes to its own host alone, which
//! knows it anyway and could spell it in a way that nobody recognises.

use url::form_urlencoded;

use super::target::Target;
use super::{OutboundRequest, OutboundResponse, SendError};
use crate::domain::binding::{BindingPlace, BoundSecret, BoundSecrets};

/// What was added to a request.
#[derive(Default)]
pub(super) struct Added {
    any: bool,
    /// Query parameters with their values.
    parameters: Vec<(String, String)>,
}

/// Adds every secret that is bound to where this request goes.
///
/// # Errors
/// `Denied` when one would go over plain `http`, `Invalid` when its place is taken. Nothing of a value is
/// repeated.
pub(super) fn add(
    bound: &BoundSecrets,
    target: &mut Target,
    request: &mut OutboundRequest,
) -> Result<Added, SendError> {
    let mut added = Added::default();
    let covers = |secret: &&BoundSecret| secret.binding.covers(target.destination(), target.port());
    let covering: Vec<&BoundSecret> = bound.secrets.iter().filter(covers).collect();
    for (at, BoundSecret { key_name, binding, value }) in covering.iter().enumerate() {
        if !target.is_secure() && !binding.plain_http() {
            return Err(SendError::Denied(format!(
                "the secret `{key_name}` is bound to {}, and goes there only over https; use an https address, or ask \
                 the person who bound it to allow plain http",
                binding.host()
            )));
        }
        if let Some(other) = covering[..at].iter().find(|other| other.binding.place() == binding.place()) {
            return Err(SendError::Invalid(format!(
                "the secrets `{}` and `{key_name}` are both bound to the {} of {}; a person has to change one of them",
                other.key_name,
                binding.place().words(),
                target.origin()
            )));
        }
        let taken = match binding.place() {
            BindingPlace::Header(name) => request.headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(name)),
            BindingPlace::Query(name) => {
                let own = target.path().query().unwrap_or_default();
                form_urlencoded::parse(own.as_bytes()).any(|(own, _)| own == name.as_str())
            }
        };
        if taken {
            return Err(SendError::Invalid(format!(
                "the host sets the {} itself, from the secret `{key_name}`, which is bound to it; leave it out",
                binding.place().words()
            )));
        }
        added.any = true;
        let filled = binding.filled(value);
        match binding.place() {
            BindingPlace::Header(name) => request.headers.push((name.clone(), filled.reveal().to_owned())),
            BindingPlace::Query(name) => added.parameters.push((name.clone(), filled.reveal().to_owned())),
        }
    }
    if !added.parameters.is_empty() {
        target.add_parameters(&added.parameters)?;
    }
    if added.any {
        request.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("accept-encoding"));
        request.headers.push(("accept-encoding".to_owned(), "identity".to_owned()));
    }
    Ok(added)
}

/// Takes every bound value out of an answer.
///
/// # Errors
/// `Denied` when the request carried a value and the answer cannot be searched for it.
pub(super) fn clean(
    bound: &BoundSecrets,
    added: &Added,
    origin: &str,
    mut response: OutboundResponse,
) -> Result<OutboundResponse, SendError> {
    if bound.secrets.is_empty() {
        return Ok(response);
    }
    if added.any && !response.body.is_empty() && response.headers.iter().any(is_encoded) {
        return Err(SendError::Denied(format!(
            "{origin} answered in a compressed form although a plain one was asked for; the host cannot search it for \
             the secret that the request carried, and does not hand it on"
        )));
    }
    for (name, value) in &mut response.headers {
        if name == "location" {
            *value = without_parameters(value, &added.parameters);
        }
        if let std::borrow::Cow::Owned(redacted) = bound.redactor.apply(value) {
            *value = redacted;
        }
    }
    if let Some(body) = redacted(bound, &response.body) {
        response.body = body;
        for (name, value) in &mut response.headers {
            if name == "content-length" {
                *value = response.body.len().to_string();
            }
        }
    }
    Ok(response)
}

/// Whether a body is written in another way than it reads (RFC 9110, section 8.4; RFC 9112, section 6.1).
fn is_encoded((name, value): &(String, String)) -> bool {
    let plain = ["identity", "chunked", ""];
    matches!(name.as_str(), "content-encoding" | "transfer-encoding")
        && value.split(',').any(|coding| !plain.contains(&coding.trim().to_ascii_lowercase().as_str()))
}

/// A body without the values; none when it holds none. What is no UTF-8 stays between what is.
fn redacted(bound: &BoundSecrets, body: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut found = false;
    for chunk in body.utf8_chunks() {
        let text = bound.redactor.apply(chunk.valid());
        found |= matches!(text, std::borrow::Cow::Owned(_));
        out.extend_from_slice(text.as_bytes());
        out.extend_from_slice(chunk.invalid());
    }
    found.then_some(out)
}

/// The address of a redirect without the parameters that were added here, so that who follows it has them
/// added again.
fn without_parameters(location: &str, parameters: &[(String, String)]) -> String {
    let (front, fragment) = match location.split_once('#') {
        Some((front, fragment)) => (front, Some(fragment)),
        None => (location, None),
    };
    let Some((path, query)) = front.split_once('?').filter(|_| !parameters.is_empty()) else {
        return location.to_owned();
    };
    let is_added = |piece: &&str| {
        let mut read = form_urlencoded::parse(piece.as_bytes());
        read.next().is_some_and(|(name, value)| {
            parameters.iter().any(|(own, added)| *own == name.as_ref() && *added == value.as_ref())
        })
    };
    let kept: Vec<&str> = query.split('&').filter(|piece| !is_added(piece)).collect();
    let mut out = path.to_owned();
    if !kept.is_empty() {
        out.push('?');
        out.push_str(&kept.join("&"));
    }
    if let Some(fragment) = fragment {
        out.push('#');
        out.push_str(fragment);
    }
    out
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::binding::GivenBinding;
    use crate::domain::redact::Redactor;
    use crate::domain::secret::SecretValue;

    const VALUE: &str = "s3cr+t/va=lue";

    fn bound(bindings: &[GivenBinding]) -> BoundSecrets {
        let secrets = bindings.iter().enumerate().map(|(number, given)| BoundSecret {
            key_name: format!("KEY_{number}"),
            binding: given.clone().try_into().expect("a binding"),
            value: SecretValue::new(VALUE.to_owned()),
        });
        BoundSecrets { secrets: secrets.collect(), redactor: Arc::new(Redactor::new([VALUE])) }
    }

    fn header(host: &str) -> GivenBinding {
        GivenBinding {
            host: host.into(),
            header: Some("authorization".into()),
            template: Some("Bearer {secret}".into()),
            ..GivenBinding::default()
        }
    }

    fn query(host: &str) -> GivenBinding {
        GivenBinding { host: host.into(), query: Some("api_key".into()), ..GivenBinding::default() }
    }

    /// What is sent: path and query, and headers.
    fn sent(
        bound: &BoundSecrets,
        url: &str,
        headers: &[(&str, &str)],
    ) -> Result<(String, Vec<(String, String)>), SendError> {
        let own = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut request = OutboundRequest { headers: own.collect(), ..OutboundRequest::default() };
        let mut target = Target::parse(url).expect("a target");
        add(bound, &mut target, &mut request)?;
        Ok((target.path().to_string(), request.headers))
    }

    fn plain() -> (String, String) {
        ("accept-encoding".to_owned(), "identity".to_owned())
    }

    #[test]
    fn a_value_is_added_where_its_binding_says_and_nowhere_else() {
        let bound = bound(&[header("api.example.com"), query("*.example.com:443")]);
        let bearer = ("authorization".to_owned(), format!("Bearer {VALUE}"));
        for (url, path, headers) in [
            ("https://API.example.com./v1?a=b", "/v1?a=b&api_key=s3cr%2Bt%2Fva%3Dlue", vec![bearer.clone(), plain()]),
            ("https://www.example.com", "/?api_key=s3cr%2Bt%2Fva%3Dlue", vec![plain()]),
            ("https://www.example.com:8443/", "/", vec![]),
            ("https://example.com/", "/", vec![]),
            ("https://api.example.com.evil.test/", "/", vec![]),
            ("https://api.example.net/", "/", vec![]),
            ("http://api.example.net/", "/", vec![]),
        ] {
            assert_eq!(sent(&bound, url, &[]), Ok((path.to_owned(), headers)), "{url}");
        }
    }

    #[test]
    fn a_value_goes_over_plain_http_only_if_the_person_said_so() {
        let refused = sent(&bound(&[header("api.example.com")]), "http://api.example.com/", &[]);
        let Err(SendError::Denied(text)) = refused else { panic!("{refused:?}") };
        assert!(text.contains("`KEY_0`") && text.contains("https"), "{text}");
        let open = GivenBinding { plain_http: true, ..header("api.example.com") };
        assert!(sent(&bound(&[open]), "http://api.example.com/", &[]).is_ok());
    }

    #[test]
    fn who_sets_the_same_place_itself_is_told_to_leave_it_out() {
        for (binding, url, headers) in [
            (header("api.example.com"), "https://api.example.com/", vec![("Authorization", "mine")]),
            (query("api.example.com"), "https://api.example.com/?x=1&api%5Fkey=", vec![]),
        ] {
            match sent(&bound(&[binding]), url, &headers) {
                Err(SendError::Invalid(text)) => assert!(text.contains("leave it out"), "{text}"),
                other => panic!("{url} {other:?}"),
            }
        }
        let twice = bound(&[header("api.example.com"), header("*.example.com")]);
        assert!(matches!(sent(&twice, "https://api.example.com/", &[]), Err(SendError::Invalid(_))));
        assert!(sent(&twice, "https://www.example.com/", &[]).is_ok());
    }

    #[test]
    fn the_length_of_an_address_holds_with_what_is_added() {
        let bound = bound(&[query("api.example.com")]);
        let url = format!("https://api.example.com/{}", "x".repeat(8_168));
        match sent(&bound, &url, &[]) {
            Err(SendError::TooLarge(text)) => assert!(!text.contains("s3cr"), "{text}"),
            other => panic!("{other:?}"),
        }
    }

    fn answer(headers: &[(&str, &str)], body: &[u8]) -> OutboundResponse {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        OutboundResponse { status: 200, headers, body: body.to_vec() }
    }

    #[test]
    fn an_answer_holds_no_value_in_its_head_or_its_body() {
        let bound = bound(&[header("api.example.com")]);
        let body = [b"\xff ".as_slice(), VALUE.as_bytes(), b" \xfe s3cr%2Bt%2Fva%3Dlue"].concat();
        let echoed = answer(&[("x-echo", &format!("Bearer {VALUE}")), ("content-length", "38")], &body);
        let cleaned = clean(&bound, &Added::default(), "https://other.example:443", echoed).expect("an answer");
        assert_eq!(cleaned.headers[0].1, "Bearer [redacted]");
        assert_eq!(cleaned.body, b"\xff [redacted] \xfe [redacted]");
        assert_eq!(cleaned.headers[1].1, cleaned.body.len().to_string());
        let other = answer(&[("content-length", "5")], b"hello");
        assert_eq!(clean(&bound, &Added::default(), "", other.clone()), Ok(other));
    }

    #[test]
    fn an_answer_that_cannot_be_searched_is_not_handed_on() {
        let bound = bound(&[header("api.example.com")]);
        let carried = Added { any: true, ..Added::default() };
        for (headers, body, handed_on) in [
            (("content-encoding", "gzip"), "x", false),
            (("transfer-encoding", "gzip, chunked"), "x", false),
            (("transfer-encoding", "chunked"), "x", true),
            (("content-encoding", "Identity"), "x", true),
            (("content-encoding", "gzip"), "", true),
        ] {
            let cleaned = clean(&bound, &carried, "", answer(&[headers], body.as_bytes()));
            assert_eq!(cleaned.is_ok(), handed_on, "{headers:?} {body:?}");
        }
        let elsewhere = answer(&[("content-encoding", "gzip")], b"x");
        assert!(clean(&bound, &Added::default(), "", elsewhere).is_ok());
    }

    #[test]
    fn a_redirect_does_not_repeat_the_parameters_that_were_added() {
        let added = [("api_key".to_owned(), VALUE.to_owned())];
        for (location, expected) in [
            ("/next?api_key=s3cr%2Bt%2Fva%3Dlue&page=2#top", "/next?page=2#top"),
            ("https://api.example.com/?api_key=s3cr%2Bt%2Fva%3Dlue", "https://api.example.com/"),
            ("/next?api_key=other", "/next?api_key=other"),
            ("/next#?api_key=s3cr%2Bt%2Fva%3Dlue", "/next#?api_key=s3cr%2Bt%2Fva%3Dlue"),
            ("/next", "/next"),
        ] {
            assert_eq!(without_parameters(location, &added), expected);
        }
    }
}
