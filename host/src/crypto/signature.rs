//! Signs what leaves this installation as a file, and verifies such files of others.
//!
//! Ed25519 (RFC 8032), with a key pair of its own. What is signed is a word for its purpose and the message, so that a signature means one thing. Verification is
//! strict: weak keys and signatures in another than the one form are refused.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::random;
use crate::domain::digest::Digest;

/// Before every message that is signed.
const PREFIX: &[u8] = b"mcpbox-export\n";
const ALGORITHM: &str = "ed25519";

/// Signs for this installation.
pub struct Signer(SigningKey);

/// A signature as a file carries it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signed {
    algorithm: String,
    /// 32 bytes in base64.
    public_key: String,
    /// SHA-256 of these bytes, in hexadecimal digits: what people compare.
    fingerprint: String,
    /// 64 bytes in base64.
    signature: String,
}

/// Why a signature is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    #[error("the signature is of a kind that is not known here; this installation reads ed25519")]
    Algorithm,
    #[error("the signature is damaged")]
    Malformed,
    #[error("the file was changed after it was signed; get it again from where it was exported")]
    Changed,
}

impl Signer {
    pub fn generate() -> Self {
        Self(SigningKey::from_bytes(&random()))
    }

    /// The signer with this secret key; none when it is none.
    pub fn of(secret: &[u8]) -> Option<Self> {
        Some(Self(SigningKey::from_bytes(secret.try_into().ok()?)))
    }

    /// The secret key, to be sealed.
    pub fn secret(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// By which others know the files of this installation.
    pub fn fingerprint(&self) -> Digest {
        Digest::of(self.0.verifying_key().as_bytes())
    }

    pub fn sign(&self, message: &[u8]) -> Signed {
        let public = self.0.verifying_key();
        Signed {
            algorithm: ALGORITHM.to_owned(),
            public_key: STANDARD.encode(public.as_bytes()),
            fingerprint: self.fingerprint().to_string(),
            signature: STANDARD.encode(self.0.sign(&[PREFIX, message].concat()).to_bytes()),
        }
    }
}

impl Signed {
    /// The fingerprint of the key that signed this message. Whether that key is one to trust is for the
    /// caller to say.
    ///
    /// # Errors
    /// When it did not sign exactly this, or is written in another way than [`Signer::sign`] writes.
    pub fn verify(&self, message: &[u8]) -> Result<Digest, SignatureError> {
        if self.algorithm != ALGORITHM {
            return Err(SignatureError::Algorithm);
        }
        let public: [u8; 32] = bytes(&self.public_key)?;
        let signature: [u8; 64] = bytes(&self.signature)?;
        let fingerprint = Digest::of(&public);
        if self.fingerprint != fingerprint.to_string() {
            return Err(SignatureError::Changed);
        }
        let key = VerifyingKey::from_bytes(&public).map_err(|_| SignatureError::Malformed)?;
        key.verify_strict(&[PREFIX, message].concat(), &Signature::from_bytes(&signature))
            .map_err(|_| SignatureError::Changed)?;
        Ok(fingerprint)
    }
}

fn bytes<const N: usize>(text: &str) -> Result<[u8; N], SignatureError> {
    STANDARD.decode(text).ok().and_then(|bytes| bytes.try_into().ok()).ok_or(SignatureError::Malformed)
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer(…)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn signer() -> Signer {
        Signer::generate()
    }

    #[test]
    fn the_same_key_signs_alike_and_is_known_by_one_fingerprint() {
        let one = signer();
        let two = Signer::of(&*one.secret()).expect("a key");
        assert!(Signer::of(&one.secret()[1..]).is_none());
        assert_eq!(one.sign(b"text"), two.sign(b"text"));
        assert_eq!(one.sign(b"text").verify(b"text"), Ok(two.fingerprint()));
        assert_ne!(one.fingerprint(), signer().fingerprint());
        assert_eq!(format!("{one:?}"), "Signer(…)");
    }

    #[test]
    fn a_signature_of_another_key_or_of_another_kind_is_refused() {
        let (one, other) = (signer().sign(b"text"), signer().sign(b"text"));
        let mixed = Signed { public_key: other.public_key.clone(), ..one.clone() };
        assert_eq!(mixed.verify(b"text"), Err(SignatureError::Changed));
        let swapped = Signed { fingerprint: other.fingerprint.clone(), ..mixed };
        assert_eq!(swapped.verify(b"text"), Err(SignatureError::Changed));
        let kind = Signed { algorithm: "none".into(), ..one.clone() };
        assert_eq!(kind.verify(b"text"), Err(SignatureError::Algorithm));
        for damaged in ["", "AAAA", "not base64"] {
            let short = Signed { signature: damaged.into(), ..one.clone() };
            assert_eq!(short.verify(b"text"), Err(SignatureError::Malformed), "{damaged}");
        }
        // A key that verifies everything (RFC 8032, the neutral element) is no key.
        let mut neutral = [0; 32];
        neutral[0] = 1;
        let weak = Signed {
            public_key: STANDARD.encode(neutral),
            fingerprint: Digest::of(&neutral).to_string(),
            signature: STANDARD.encode([neutral, [0; 32]].concat()),
            ..one
        };
        assert!(weak.verify(b"text").is_err());
    }

    proptest! {
        #[test]
        fn any_change_is_noticed(mut message in prop::collection::vec(any::<u8>(), 1..100), at: prop::sample::Index, bit in 0..8) {
            let signed = signer().sign(&message);
            prop_assert!(signed.verify(&message).is_ok());
            let at = at.index(message.len());
            message[at] ^= 1u8 << bit;
            prop_assert_eq!(signed.verify(&message), Err(SignatureError::Changed));
        }
    }
}
