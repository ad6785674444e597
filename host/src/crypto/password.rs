//! Passwords of people: Argon2id (RFC 9106) with 64 MiB, three passes and four lanes, kept as PHC
//! strings.
//!
//! [`hash`] and [`verify`] keep a core busy for a tenth of a second or more and hold 64 MiB while they
//! do: call them through `spawn_blocking`, and let no more than a few run at the same time.

use argon2::password_hash::{self, PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash};
use argon2::{Algorithm, Argon2, Params, Version};

use super::random;

pub const MIN_CHARACTERS: usize = 12;
pub const MAX_CHARACTERS: usize = 128;

const MEMORY_KIB: u32 = 64 * 1024;
const PASSES: u32 = 3;
const LANES: u32 = 4;

/// A hash of the same cost as a real one that no known password has: its output is all zero.
const NOBODY: &str =
    "$argon2id$v=19$m=65536,t=3,p=4$bWNwYm94LW5vLXVzZXIhIQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    #[error("a password has {MIN_CHARACTERS} to {MAX_CHARACTERS} characters; this one has {characters}")]
    Length { characters: usize },
    #[error("hashing a password")]
    Hash { source: password_hash::Error },
    #[error("reading a stored password hash")]
    Stored { source: password_hash::phc::Error },
}

/// The rule for a new password: 12 to 128 characters, whatever they are.
///
/// # Errors
/// Says the rule and the length, not the password.
pub fn check_password(password: &str) -> Result<(), PasswordError> {
    match password.chars().count() {
        MIN_CHARACTERS..=MAX_CHARACTERS => Ok(()),
        characters => Err(PasswordError::Length { characters }),
    }
}

/// A PHC string with a new random salt. Slow: see the top of this file.
///
/// # Errors
/// A password against the rule, and memory that is not to be had.
pub fn hash(password: &str) -> Result<String, PasswordError> {
    check_password(password)?;
    let hash: PasswordHash = argon2()?
        .hash_password_with_salt(password.as_bytes(), random::<16>().as_slice())
        .map_err(|source| PasswordError::Hash { source })?;
    Ok(hash.to_string())
}

/// Whether this is the password. Without a `stored` hash (nobody has that name) the answer is no and
/// takes as long, so that the time does not tell which names exist. Slow: see the top of this file.
///
/// # Errors
/// A stored text that is no hash, and memory that is not to be had.
pub fn verify(password: &str, stored: Option<&str>) -> Result<bool, PasswordError> {
    let hash = PasswordHash::new(stored.unwrap_or(NOBODY)).map_err(|source| PasswordError::Stored { source })?;
    match argon2()?.verify_password(password.as_bytes(), &hash) {
        Ok(()) => Ok(stored.is_some()),
        Err(password_hash::Error::PasswordInvalid) => Ok(false),
        Err(source) => Err(PasswordError::Hash { source }),
    }
}

fn argon2() -> Result<Argon2<'static>, PasswordError> {
    let params =
        Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|error| PasswordError::Hash { source: error.into() })?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "correct horse battery";

    #[test]
    fn a_password_has_12_to_128_characters() {
        for good in ["123456789012", &"x".repeat(128), &"ä".repeat(128)] {
            assert_eq!(check_password(good), Ok(()));
        }
        for bad in ["", "12345678901", &"ä".repeat(11), &"x".repeat(129)] {
            let error = check_password(bad).expect_err(bad);
            assert_eq!(error, PasswordError::Length { characters: bad.chars().count() });
            assert_eq!(hash(bad), Err(error));
        }
    }

    #[test]
    fn only_the_password_itself_is_verified() {
        let stored = hash(GOOD).expect("hashed");
        assert!(stored.starts_with("$argon2id$v=19$m=65536,t=3,p=4$"), "{stored}");
        assert_eq!(verify(GOOD, Some(&stored)), Ok(true));
        assert_eq!(verify("correct horse batterx", Some(&stored)), Ok(false));
        assert_ne!(hash(GOOD).expect("hashed"), stored, "the salt is random");
    }

    #[test]
    fn nobody_costs_what_somebody_costs_and_is_never_verified() {
        let nobody = PasswordHash::new(NOBODY).expect("a hash");
        let params = Params::try_from(&nobody).expect("parameters");
        assert_eq!((params.m_cost(), params.t_cost(), params.p_cost()), (MEMORY_KIB, PASSES, LANES));
        assert_eq!(nobody.hash.map(|hash| hash.len()), Some(Params::DEFAULT_OUTPUT_LEN));
        assert_eq!(verify(GOOD, None), Ok(false));
    }

    #[test]
    fn a_broken_stored_hash_is_an_error_not_a_no() {
        for broken in ["", "plain text", "$argon2id$v=19$m=1,t=0,p=0$bWNwYm94$AAAAAAAAAAAAAA"] {
            assert!(verify(GOOD, Some(broken)).is_err(), "{broken}");
        }
    }
}
