//! The one key of an installation, and the keys that are derived from it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::private_file::{self, PrivateFileError};
use super::random;

/// Name of the file of the data folder that holds the key when no setting does.
pub const KEY_FILE: &str = "encryption-key";

/// 32 random bytes from which every other key comes; wiped when dropped.
#[derive(Clone)]
pub struct MasterKey(Zeroizing<[u8; 32]>);

#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("the encryption key must be exactly 64 hexadecimal characters; `openssl rand -hex 32` makes one")]
    Malformed,
    #[error("the encryption key is all zero; `openssl rand -hex 32` makes a real one")]
    AllZero,
    #[error("{} does not hold an encryption key: bring it back from a backup, or remove it if nothing was ever sealed with it", .path.display())]
    File { path: PathBuf, source: Box<KeyError> },
    #[error(transparent)]
    PrivateFile(#[from] PrivateFileError),
}

impl MasterKey {
    pub fn generate() -> Self {
        Self(random())
    }

    /// The key that `file` holds. When there is no such file, a new key is made and is on the disk
    /// when this returns; see [`private_file::read_or_create`].
    ///
    /// # Errors
    /// A file that others can read or that holds no key is refused, never replaced.
    pub fn load_or_create(file: &Path) -> Result<Self, KeyError> {
        let text = private_file::read_or_create(file, || Zeroizing::new(hex::encode(Self::generate().0)))?;
        text.parse().map_err(|source| KeyError::File { path: file.to_owned(), source: Box::new(source) })
    }

    /// The key for one purpose: HKDF-SHA256 (RFC 5869) without salt, with the information
    /// `mcpbox/v1/{purpose}`. Keys of different purposes say nothing about each other.
    pub fn subkey<const N: usize>(&self, purpose: &str) -> Zeroizing<[u8; N]> {
        const { assert!(N <= 255 * 32, "HKDF-SHA256 gives no more") };
        let mut subkey = Zeroizing::new([0; N]);
        #[expect(clippy::expect_used, reason = "the length was checked when this was compiled")]
        Hkdf::<Sha256>::new(None, self.0.as_slice())
            .expand_multi_info(&[b"mcpbox/v1/", purpose.as_bytes()], subkey.as_mut_slice())
            .expect("a length that HKDF can give");
        subkey
    }
}

impl FromStr for MasterKey {
    type Err = KeyError;
    fn from_str(text: &str) -> Result<Self, KeyError> {
        let mut bytes = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text, bytes.as_mut_slice()).map_err(|_| KeyError::Malformed)?;
        if *bytes == [0; 32] { Err(KeyError::AllZero) } else { Ok(Self(bytes)) }
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const TEXT: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1F";

    #[test]
    fn a_key_is_exactly_64_hexadecimal_characters_and_not_all_zero() {
        assert!(TEXT.parse::<MasterKey>().is_ok());
        for bad in ["", &TEXT[..62], &TEXT[..63], &format!("{TEXT}00"), &format!("{TEXT}\n"), &"g".repeat(64)] {
            assert!(matches!(bad.parse::<MasterKey>(), Err(KeyError::Malformed)), "{bad:?}");
        }
        assert!(matches!("0".repeat(64).parse::<MasterKey>(), Err(KeyError::AllZero)));
    }

    #[test]
    fn subkeys_are_those_of_rfc_5869_and_differ_by_purpose() {
        let key: MasterKey = TEXT.parse().expect("a key");
        let expected = "f65d33a982eebe25d98ed8f5f2713e6baa1b258f8a9004306adf535297826c4530b966a17223c174b15dfcff5fbb1ddf816403be5abce73ddfddd428361ae15b";
        assert_eq!(hex::encode(key.subkey::<64>("vault")), expected);
        assert_ne!(key.subkey::<32>("vault"), key.subkey::<32>("sessions"));
    }

    #[test]
    fn a_key_does_not_print_itself() {
        let key: MasterKey = TEXT.parse().expect("a key");
        assert_eq!(format!("{key:?}"), "MasterKey(…)");
        let error = "secret-looking".parse::<MasterKey>().expect_err("refused");
        assert!(!format!("{error} {error:?}").contains("secret-looking"));
    }

    #[test]
    fn a_new_installation_makes_a_key_and_keeps_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join(KEY_FILE);
        let made = MasterKey::load_or_create(&file).expect("made");
        let read = MasterKey::load_or_create(&file).expect("read");
        assert_eq!(made.subkey::<32>("vault"), read.subkey::<32>("vault"));
        let other = MasterKey::load_or_create(&folder.path().join("other")).expect("made");
        assert_ne!(made.subkey::<32>("vault"), other.subkey::<32>("vault"));
    }

    #[test]
    fn a_key_file_without_a_key_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join(KEY_FILE);
        for content in ["", "\n", "zz", &"0".repeat(64), &format!("{TEXT}\n\n")] {
            fs::write(&file, content).expect("written");
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("mode");
            assert!(matches!(MasterKey::load_or_create(&file), Err(KeyError::File { .. })), "{content:?}");
            assert_eq!(fs::read_to_string(&file).expect("read"), content);
        }
    }
}
