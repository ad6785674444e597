//! Seals the values of database cells and opens them again.
//!
//! AES-SIV with 256-bit keys (RFC 5297, `AEAD_AES_SIV_CMAC_512`). Associated data are the table, the
//! row, the column and, last, a random nonce: a value opens only in the cell for which it was
//! sealed, and equal values look different. A sealed value is
//!
//! | bytes | what |
//! | --- | --- |
//! | 1 | version of this format: 1 |
//! | 4 | id of the key: the first bytes of its SHA-256 |
//! | 16 | nonce |
//! | 16 + length of the value | synthetic IV and ciphertext |
//!
//! The length of a value is not hidden. Old keys still open; the current one seals.

use std::fmt;

use aes_siv::KeyInit as _;
use aes_siv::siv::Aes256Siv;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::key::MasterKey;
use super::random;

const VERSION: u8 = 1;
const PURPOSE: &str = "vault";
const KEY_ID_BYTES: usize = 4;
const NONCE_BYTES: usize = 16;

/// Which cell a value belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context<'a> {
    pub table: &'a str,
    /// The row's key, as text.
    pub row: &'a str,
    pub column: &'a str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    #[error("a sealed value is too short or of an unknown format")]
    Malformed,
    #[error("a sealed value was made with an encryption key that is not configured")]
    UnknownKey,
    #[error("a sealed value was changed, or belongs to another place")]
    Refused,
}

/// Seals with the current key, opens with that and the old ones.
pub struct Vault {
    current: VaultKey,
    old: Vec<VaultKey>,
}

struct VaultKey {
    id: [u8; KEY_ID_BYTES],
    bytes: Zeroizing<[u8; 64]>,
}

impl VaultKey {
    fn new(master: &MasterKey) -> Self {
        let bytes = master.subkey(PURPOSE);
        let digest: [u8; 32] = Sha256::digest(bytes.as_slice()).into();
        Self { id: [digest[0], digest[1], digest[2], digest[3]], bytes }
    }

    fn cipher(&self) -> Aes256Siv {
        Aes256Siv::new((&*self.bytes).into())
    }
}

impl Context<'_> {
    fn headers<'h>(&'h self, nonce: &'h [u8]) -> [&'h [u8]; 4] {
        [self.table.as_bytes(), self.row.as_bytes(), self.column.as_bytes(), nonce]
    }
}

impl Vault {
    pub fn new(current: &MasterKey, old: &[MasterKey]) -> Self {
        Self { current: VaultKey::new(current), old: old.iter().map(VaultKey::new).collect() }
    }

    pub fn seal(&self, context: &Context<'_>, value: &[u8]) -> Vec<u8> {
        let nonce = random::<NONCE_BYTES>();
        #[expect(clippy::expect_used, reason = "AES-SIV refuses only more than 126 headers; these are four")]
        let ciphertext = self.current.cipher().encrypt(context.headers(nonce.as_slice()), value).expect("four headers");
        let mut sealed = Vec::with_capacity(1 + KEY_ID_BYTES + NONCE_BYTES + ciphertext.len());
        sealed.push(VERSION);
        sealed.extend(self.current.id);
        sealed.extend(nonce.iter());
        sealed.extend(ciphertext);
        sealed
    }

    /// The value that was sealed for this context.
    ///
    /// # Errors
    /// Says no more than its variants: nothing of the value, the key or the context.
    pub fn open(&self, context: &Context<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let (id, rest) = split(sealed)?;
        let (nonce, ciphertext) = rest.split_at_checked(NONCE_BYTES).ok_or(VaultError::Malformed)?;
        let mut found = VaultError::UnknownKey;
        // More than one key is tried only when the ids of two keys happen to be equal.
        for key in std::iter::once(&self.current).chain(&self.old).filter(|key| key.id == id) {
            match key.cipher().decrypt(context.headers(nonce), ciphertext) {
                Ok(value) => return Ok(Zeroizing::new(value)),
                Err(_) => found = VaultError::Refused,
            }
        }
        Err(found)
    }

    /// Whether a value is sealed with the current key; others want sealing anew.
    pub fn is_current(&self, sealed: &[u8]) -> bool {
        split(sealed).is_ok_and(|(id, _)| id == self.current.id)
    }
}

/// The key id and what follows it.
fn split(sealed: &[u8]) -> Result<([u8; KEY_ID_BYTES], &[u8]), VaultError> {
    match sealed.split_first() {
        Some((&VERSION, rest)) => rest.split_first_chunk().map(|(id, rest)| (*id, rest)).ok_or(VaultError::Malformed),
        _ => Err(VaultError::Malformed),
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault(…)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CELL: Context<'_> = Context { table: "server_secrets", row: "0197", column: "value" };

    fn vault() -> Vault {
        Vault::new(&MasterKey::generate(), &[])
    }

    #[test]
    fn a_value_of_the_first_release_opens() {
        // Computed by another implementation of RFC 5297 and RFC 5869.
        let key = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f".parse().expect("a key");
        let sealed =
            hex::decode("019a0f352a404142434445464748494a4b4c4d4e4f0018fd48e11bc63d2c89241fd0021ddf990c341de1d3")
                .expect("hexadecimal");
        let value = Vault::new(&key, &[]).open(&CELL, &sealed);
        assert_eq!(value.as_deref().map(Vec::as_slice), Ok(&b"s3cret"[..]));
    }

    #[test]
    fn equal_values_look_different() {
        let vault = vault();
        let (one, two) = (vault.seal(&CELL, b"same"), vault.seal(&CELL, b"same"));
        assert_ne!(one, two);
        assert_ne!(one[21..], two[21..]);
    }

    #[test]
    fn a_cut_value_is_refused() {
        let vault = vault();
        let sealed = vault.seal(&CELL, b"value");
        for length in 0..sealed.len() {
            assert!(vault.open(&CELL, &sealed[..length]).is_err(), "{length}");
        }
        assert_eq!(vault.open(&CELL, b""), Err(VaultError::Malformed));
        assert_eq!(vault.open(&CELL, &[2; 64]), Err(VaultError::Malformed));
    }

    #[test]
    fn errors_name_the_case() {
        let vault = vault();
        let sealed = vault.seal(&CELL, b"value");
        assert_eq!(self::vault().open(&CELL, &sealed), Err(VaultError::UnknownKey));
        assert_eq!(vault.open(&Context { row: "0198", ..CELL }, &sealed), Err(VaultError::Refused));
        assert_eq!(format!("{vault:?}"), "Vault(…)");
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens(value: Vec<u8>, table: String, row: String, column: String) {
            let vault = vault();
            let context = Context { table: &table, row: &row, column: &column };
            let sealed = vault.seal(&context, &value);
            prop_assert!(vault.is_current(&sealed));
            prop_assert_eq!(vault.open(&context, &sealed).map(|opened| opened.to_vec()), Ok(value));
        }

        #[test]
        fn any_flipped_bit_is_noticed(value in prop::collection::vec(any::<u8>(), 0..64), at: prop::sample::Index, bit in 0..8) {
            let vault = vault();
            let mut sealed = vault.seal(&CELL, &value);
            let at = at.index(sealed.len());
            sealed[at] ^= 1u8 << bit;
            prop_assert!(vault.open(&CELL, &sealed).is_err());
        }

        #[test]
        fn a_value_opens_nowhere_else(one: [String; 3], two: [String; 3]) {
            prop_assume!(one != two);
            let vault = vault();
            let context = |[table, row, column]: &[String; 3]| (table.clone(), row.clone(), column.clone());
            let ((t1, r1, c1), (t2, r2, c2)) = (context(&one), context(&two));
            let sealed = vault.seal(&Context { table: &t1, row: &r1, column: &c1 }, b"value");
            let elsewhere = Context { table: &t2, row: &r2, column: &c2 };
            prop_assert_eq!(vault.open(&elsewhere, &sealed), Err(VaultError::Refused));
        }

        #[test]
        fn letters_cannot_move_between_the_parts_of_a_context(text in "[a-z]{1,12}", at: prop::sample::Index) {
            let vault = vault();
            let (head, tail) = text.split_at(at.index(text.len()));
            let sealed = vault.seal(&Context { table: head, row: tail, column: "" }, b"value");
            let moved = Context { table: &text, row: "", column: "" };
            prop_assert!(vault.open(&moved, &sealed).is_err());
        }

        #[test]
        fn an_old_key_opens_but_is_not_current(value: Vec<u8>) {
            let (old, new, other) = (MasterKey::generate(), MasterKey::generate(), MasterKey::generate());
            let sealed = Vault::new(&old, &[]).seal(&CELL, &value);
            let rotated = Vault::new(&new, &[other.clone(), old]);
            prop_assert!(!rotated.is_current(&sealed));
            prop_assert_eq!(rotated.open(&CELL, &sealed).map(|opened| opened.to_vec()), Ok(value));
            prop_assert!(rotated.is_current(&rotated.seal(&CELL, b"")));
            prop_assert_eq!(Vault::new(&new, &[other]).open(&CELL, &sealed), Err(VaultError::UnknownKey));
        }
    }
}
