//! Random bytes of the host, good enough for keys.
//!
//! Crates that stand on `getrandom` need it told where to take them from; see its "custom backend".

use crate::host;

/// Fills `bytes`.
pub fn fill(bytes: &mut [u8]) {
    let random = host::random_bytes(bytes.len() as u64);
    for (byte, random) in bytes.iter_mut().zip(random) {
        *byte = random;
    }
}

/// A random number.
pub fn number() -> u64 {
    let mut bytes = [0; 8];
    fill(&mut bytes);
    u64::from_le_bytes(bytes)
}
