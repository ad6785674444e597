//! Bearer tokens: opaque, random, shown once; the database keeps their hashes only.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use super::random;
use crate::domain::digest::Digest;

/// 32 bytes as base64url without padding.
const RANDOM_CHARACTERS: usize = 43;
/// How many of them all refresh tokens of one session have in common: 132 bits. The other 21 are new
/// in each; the last character has four bits, so they have 124.
const FAMILY_CHARACTERS: usize = 22;
/// How many of them a list shows: 36 bits of 256, to tell tokens apart.
const SHOWN_CHARACTERS: usize = 6;

/// What a token is for; it can be told from the first characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// A person's login, for minutes.
    Access,
    /// What is exchanged, once, for the next access token and the next of its own kind.
    Refresh,
    /// What pages of the dashboard show beside the cookie, to prove that they could read it.
    Csrf,
    /// A client's key.
    ApiKey,
    /// What opens one live stream, once and within seconds; it may stand in an address.
    Ticket,
}

impl TokenKind {
    pub const ALL: [Self; 5] = [Self::Access, Self::Refresh, Self::Csrf, Self::ApiKey, Self::Ticket];

    /// The first characters of such tokens, by which scanners for leaked secrets know them.
    pub fn mark(self) -> &'static str {
        match self {
            Self::Access => "mbx_at_",
            Self::Refresh => "mbx_rt_",
            Self::Csrf => "mbx_csrf_",
            Self::ApiKey => "mbx_key_",
            Self::Ticket => "mbx_once_",
        }
    }
}

/// A token in memory: wiped when dropped, and no part of it in `Debug`.
#[derive(Clone)]
pub struct Token {
    kind: TokenKind,
    text: Zeroizing<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not a token of MCPbox")]
pub struct TokenError;

impl Token {
    /// A new one with 256 bits of randomness.
    pub fn new(kind: TokenKind) -> Self {
        let mut text = Zeroizing::new(String::with_capacity(kind.mark().len() + RANDOM_CHARACTERS));
        text.push_str(kind.mark());
        URL_SAFE_NO_PAD.encode_string(random::<32>().as_slice(), &mut text);
        Self { kind, text }
    }

    pub fn kind(&self) -> TokenKind {
        self.kind
    }

    /// The token itself, for the one answer that shows it.
    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// What the database keeps: SHA-256 in hexadecimal digits. A slow hash would add nothing, because
    /// nobody can guess 256 bits.
    pub fn hash(&self) -> String {
        Digest::of(self.text.as_bytes()).to_string()
    }

    /// A new one of the same family: for refresh tokens, whose family is their session.
    pub fn next(&self) -> Self {
        let mut next = Self::new(self.kind);
        let fresh = Zeroizing::new(next.text[self.kind.mark().len() + FAMILY_CHARACTERS..].to_owned());
        next.text.clear();
        next.text.push_str(self.family());
        next.text.push_str(&fresh);
        next
    }

    /// The digest of what this token has in common with all others of its family.
    pub fn family_hash(&self) -> String {
        Digest::of(self.family().as_bytes()).to_string()
    }

    fn family(&self) -> &str {
        &self.text[..self.kind.mark().len() + FAMILY_CHARACTERS]
    }

    /// What lists show: the mark and six characters.
    pub fn prefix(&self) -> &str {
        &self.text[..self.kind.mark().len() + SHOWN_CHARACTERS]
    }
}

/// Checks only the form: whether the token is known is for the database to say.
impl FromStr for Token {
    type Err = TokenError;
    fn from_str(text: &str) -> Result<Self, TokenError> {
        let is_random = |rest: &str| {
            rest.len() == RANDOM_CHARACTERS && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        };
        let kind = TokenKind::ALL.into_iter().find(|kind| text.strip_prefix(kind.mark()).is_some_and(is_random));
        Ok(Self { kind: kind.ok_or(TokenError)?, text: Zeroizing::new(text.to_owned()) })
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({}…)", self.kind.mark())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_back_as_what_it_is() {
        for kind in TokenKind::ALL {
            let token = Token::new(kind);
            let read: Token = token.reveal().parse().expect("a token");
            assert_eq!((read.kind(), read.hash()), (kind, token.hash()));
            assert!(token.prefix().starts_with(kind.mark()));
            assert_eq!(token.prefix().len(), kind.mark().len() + 6);
            assert_ne!(Token::new(kind).reveal(), token.reveal());
        }
    }

    #[test]
    fn the_next_of_a_family_is_another_token_of_the_same_family() {
        let first = Token::new(TokenKind::Refresh);
        let next = first.next();
        let read: Token = next.reveal().parse().expect("a token");
        assert_eq!(read.kind(), TokenKind::Refresh);
        assert_eq!(first.family_hash(), read.family_hash());
        assert_ne!(first.hash(), read.hash());
        assert_ne!(next.next().hash(), next.hash());
        assert_ne!(Token::new(TokenKind::Refresh).family_hash(), first.family_hash());
        assert_ne!(first.family_hash(), first.hash());
    }

    #[test]
    fn the_hash_is_sha_256_of_the_text() {
        let text = format!("mbx_at_{}", "A".repeat(43));
        let token: Token = text.parse().expect("a token");
        assert_eq!(token.hash(), "5be9186db351f818e095071e3baca096eecbd3a269f51797693a816a10872c83");
    }

    #[test]
    fn what_is_not_formed_like_a_token_is_refused() {
        let random = "A".repeat(43);
        for bad in ["", "mbx_at_", &random, &format!("mbx_at_{random}A"), &format!("mbx_xx_{random}")] {
            assert_eq!(bad.parse::<Token>().map(|token| token.hash()), Err(TokenError), "{bad}");
        }
        for stranger in ['+', '/', '=', ' ', '\n', 'ä'] {
            let bad = format!("mbx_key_{}{stranger}", "A".repeat(43 - stranger.len_utf8()));
            assert!(bad.parse::<Token>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_token_does_not_print_itself() {
        assert_eq!(format!("{:?}", Token::new(TokenKind::ApiKey)), "Token(mbx_key_…)");
    }
}
