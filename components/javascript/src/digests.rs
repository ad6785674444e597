//! Digests and HMAC for `crypto.subtle`.

use hmac::{Hmac, KeyInit as _, Mac as _};
use rquickjs::{ArrayBuffer, Ctx, Exception, Function, Object, Result};
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha384, Sha512};

use crate::host::part;

pub(crate) fn install<'js>(ctx: &Ctx<'js>, to: &Object<'js>) -> Result<()> {
    to.set("digest", Function::new(ctx.clone(), digest)?)?;
    to.set("hmac", Function::new(ctx.clone(), hmac)?)
}

fn digest<'js>(
    ctx: Ctx<'js>,
    name: String,
    data: ArrayBuffer<'js>,
    offset: usize,
    length: usize,
) -> Result<ArrayBuffer<'js>> {
    let data = part(&data, offset, length);
    let made = match name.as_str() {
        "SHA-1" => Sha1::digest(data).to_vec(),
        "SHA-256" => Sha256::digest(data).to_vec(),
        "SHA-384" => Sha384::digest(data).to_vec(),
        "SHA-512" => Sha512::digest(data).to_vec(),
        _ => return Err(Exception::throw_type(&ctx, "no such digest")),
    };
    ArrayBuffer::new(ctx, made)
}

fn hmac<'js>(
    ctx: Ctx<'js>,
    name: String,
    key: ArrayBuffer<'js>,
    data: ArrayBuffer<'js>,
    offset: usize,
    length: usize,
) -> Result<ArrayBuffer<'js>> {
    let (key, data) = (part(&key, 0, key.len()), part(&data, offset, length));
    // A key of any length will do.
    macro_rules! signed {
        ($digest:ty) => {
            Hmac::<$digest>::new_from_slice(&key).ok().map(|mac| mac.chain_update(&data).finalize().into_bytes().to_vec())
        };
    }
    let made = match name.as_str() {
        "SHA-1" => signed!(Sha1),
        "SHA-256" => signed!(Sha256),
        "SHA-384" => signed!(Sha384),
        "SHA-512" => signed!(Sha512),
        _ => None,
    };
    match made {
        Some(made) => ArrayBuffer::new(ctx, made),
        None => Err(Exception::throw_type(&ctx, "no such digest")),
    }
}
