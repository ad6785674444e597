//! Keys, sealed values, passwords and tokens: the only room that names a cipher.
//!
//! What leaves this room is sealed, hashed or meant to be shown once. No error and no `Debug` output
//! of it holds key material, plaintext, a password or a token. Random bytes come from the operating
//! system, every time.

pub mod key;
pub mod password;
pub mod private_file;
pub mod setup_code;
pub mod signature;
pub mod token;
pub mod vault;

use rand::Rng as _;
use rand::rand_core::UnwrapErr;
use rand::rngs::SysRng;
use zeroize::Zeroizing;

/// Random bytes of the operating system.
///
/// # Panics
/// When the operating system has no randomness to give: nothing here may go on without it.
fn random<const N: usize>() -> Zeroizing<[u8; N]> {
    let mut bytes = Zeroizing::new([0; N]);
    UnwrapErr(SysRng).fill_bytes(bytes.as_mut_slice());
    bytes
}
