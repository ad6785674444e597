//! The credential that a request shows: `Authorization: Bearer TOKEN` (RFC 6750, section 2.1).

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;

use crate::crypto::token::Token;
use crate::service::Error;

/// The token of a request; none when it shows no credential at all.
///
/// # Errors
/// [`Error::Unauthenticated`] for anything in `Authorization` that is not one token of ours.
pub(super) fn token(headers: &HeaderMap) -> Result<Option<Token>, Error> {
    let mut shown = headers.get_all(AUTHORIZATION).iter();
    let Some(header) = shown.next() else { return Ok(None) };
    let token = header.to_str().ok().filter(|_| shown.next().is_none()).and_then(|text| {
        let (scheme, token) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_matches(' ').parse().ok()).flatten()
    });
    token.map(Some).ok_or_else(|| Error::Unauthenticated {
        message: "the credential is not a token of this host; send `Authorization: Bearer TOKEN`".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;
    use crate::crypto::token::TokenKind;

    fn headers(values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (AUTHORIZATION, HeaderValue::from_str(value).expect("a header"))).collect()
    }

    #[test]
    fn a_bearer_token_is_read_and_anything_else_refused() {
        let key = Token::new(TokenKind::ApiKey);
        let key = key.reveal();
        assert!(matches!(token(&HeaderMap::new()), Ok(None)));
        for good in [format!("Bearer {key}"), format!("bearer {key}"), format!("BEARER  {key} ")] {
            let read = token(&headers(&[&good]));
            assert!(matches!(read, Ok(Some(token)) if token.reveal() == key), "{good}");
        }
        for bad in ["", "Bearer", "Bearer ", key, &format!("Basic {key}"), &format!("Bearer {key}x"), "Bearer a b"] {
            assert!(matches!(token(&headers(&[bad])), Err(Error::Unauthenticated { .. })), "{bad}");
        }
        let twice = format!("Bearer {key}");
        assert!(token(&headers(&[&twice, &twice])).is_err());
    }

    #[test]
    fn a_refusal_does_not_repeat_the_credential() {
        let Err(error) = token(&headers(&["Bearer hunter2"])) else { panic!("it is no token") };
        assert!(!error.to_string().contains("hunter2"));
    }
}
