//! The code that proves that whoever makes the first account can read the screen or the data folder
//! of this installation. Made to be typed by a person.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::private_file::{self, PrivateFileError};
use super::random;

/// Name of the file of the data folder that holds the code until the first account is made.
pub const SETUP_CODE_FILE: &str = "setup-code";

/// 32 letters and digits without `0`, `1`, `I` and `O`: five bits each.
const ALPHABET: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
/// 16 characters of five bits: 80 bits.
const CHARACTERS: usize = 16;
const GROUP: usize = 4;

/// A code such as `7KQM-X2PA-9RTW-HCDE`; wiped when dropped, and no part of it in `Debug`.
#[derive(Clone)]
pub struct SetupCode(Zeroizing<String>);

#[derive(Debug, thiserror::Error)]
pub enum SetupCodeError {
    #[error("a setup code is four groups of four letters and digits")]
    Malformed,
    #[error("{} does not hold a setup code; remove it, and the next start makes a new one", .path.display())]
    File { path: PathBuf },
    #[error(transparent)]
    PrivateFile(#[from] PrivateFileError),
}

impl SetupCode {
    /// A new one with 80 bits of randomness.
    pub fn generate() -> Self {
        let mut code = Zeroizing::new(String::with_capacity(CHARACTERS + CHARACTERS / GROUP));
        for (at, byte) in random::<CHARACTERS>().iter().enumerate() {
            if at > 0 && at % GROUP == 0 {
                code.push('-');
            }
            // 256 is a multiple of 32, so that every character is as likely as any other.
            code.push(char::from(ALPHABET[usize::from(byte % 32)]));
        }
        Self(code)
    }

    /// The code that `file` holds, or a new one that is on the disk when this returns; see
    /// [`private_file::read_or_create`].
    ///
    /// # Errors
    /// A file that others can read or that holds no code is refused.
    pub fn load_or_create(file: &Path) -> Result<Self, SetupCodeError> {
        let text = private_file::read_or_create(file, || Self::generate().0)?;
        text.parse().map_err(|_| SetupCodeError::File { path: file.to_owned() })
    }

    /// The code itself, for the start-up text.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether a person typed this code; case, dashes and spaces do not matter. Takes the same time
    /// for every code of the right length.
    pub fn matches(&self, typed: &str) -> bool {
        // Longer than any spelling of a code: not worth reading.
        typed.len() <= 64 && bool::from(plain(&self.0).as_bytes().ct_eq(plain(typed).as_bytes()))
    }
}

/// The code without what may differ.
fn plain(code: &str) -> Zeroizing<String> {
    let mut plain = Zeroizing::new(String::with_capacity(code.len()));
    plain.extend(code.chars().filter(|c| *c != '-' && !c.is_whitespace()).map(|c| c.to_ascii_uppercase()));
    plain
}

impl FromStr for SetupCode {
    type Err = SetupCodeError;
    fn from_str(text: &str) -> Result<Self, SetupCodeError> {
        let mut groups = text.split('-');
        let is_group = |group: &str| group.len() == GROUP && group.bytes().all(|byte| ALPHABET.contains(&byte));
        if groups.by_ref().take(CHARACTERS / GROUP).filter(|group| is_group(group)).count() == CHARACTERS / GROUP
            && groups.next().is_none()
        {
            Ok(Self(Zeroizing::new(text.to_owned())))
        } else {
            Err(SetupCodeError::Malformed)
        }
    }
}

impl fmt::Debug for SetupCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SetupCode(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_four_groups_of_four_without_look_alikes() {
        let code = SetupCode::generate();
        assert!(code.reveal().parse::<SetupCode>().is_ok(), "{}", code.reveal());
        assert_ne!(SetupCode::generate().reveal(), code.reveal());
        for bad in [
            "",
            "ABCD-EFGH-JKLM",
            "ABCD-EFGH-JKLM-NPQ0",
            "ABCD-EFGH-JKLM-NPQR-",
            "ABCDEFGHJKLMNPQR",
            "abcd-efgh-jklm-npqr",
        ] {
            assert!(bad.parse::<SetupCode>().is_err(), "{bad}");
        }
        let distinct: std::collections::BTreeSet<_> = ALPHABET.iter().collect();
        assert_eq!(distinct.len(), 32);
        assert!(b"01IO".iter().all(|look_alike| !ALPHABET.contains(look_alike)));
    }

    #[test]
    fn case_dashes_and_spaces_do_not_matter_and_everything_else_does() {
        let code: SetupCode = "7KQM-X2PA-9RTW-HCDE".parse().expect("a code");
        for typed in ["7KQM-X2PA-9RTW-HCDE", "7kqmx2pa9rtwhcde", " 7kqm x2pa-9RTW hcde\n"] {
            assert!(code.matches(typed), "{typed}");
        }
        for typed in [
            "",
            "-",
            "7KQM-X2PA-9RTW-HCDF",
            "7KQM-X2PA-9RTW-HCD",
            "7KQM-X2PA-9RTW-HCDEE",
            "7KQM_X2PA_9RTW_HCDE",
            &" ".repeat(9999),
        ] {
            assert!(!code.matches(typed), "{typed}");
        }
    }

    #[test]
    fn a_second_start_finds_the_same_code() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join(SETUP_CODE_FILE);
        let made = SetupCode::load_or_create(&file).expect("made");
        assert!(SetupCode::load_or_create(&file).expect("read").matches(made.reveal()));
        assert_eq!(format!("{made:?}"), "SetupCode(…)");
        std::fs::write(&file, "not a code").expect("written");
        assert!(matches!(SetupCode::load_or_create(&file), Err(SetupCodeError::File { .. })));
    }
}
