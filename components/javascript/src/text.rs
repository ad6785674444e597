//! Text and bytes for the prelude: UTF-8, Latin-1, base64.

use base64::Engine as _;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use base64::engine::DecodePaddingMode;
use rquickjs::{ArrayBuffer, Ctx, Function, Object, Result, Value};

use crate::host::part;

pub(crate) fn install<'js>(ctx: &Ctx<'js>, to: &Object<'js>) -> Result<()> {
    to.set("utf8Encode", Function::new(ctx.clone(), utf8_encode)?)?;
    to.set("utf8Decode", Function::new(ctx.clone(), utf8_decode)?)?;
    to.set("latin1Decode", Function::new(ctx.clone(), latin1_decode)?)?;
    to.set("base64Encode", Function::new(ctx.clone(), base64_encode)?)?;
    to.set("base64Decode", Function::new(ctx.clone(), base64_decode)?)
}

fn utf8_encode(ctx: Ctx<'_>, text: String) -> Result<ArrayBuffer<'_>> {
    ArrayBuffer::new(ctx, text.into_bytes())
}

/// Null when `fatal` and not UTF-8.
fn utf8_decode<'js>(
    ctx: Ctx<'js>,
    buffer: ArrayBuffer<'js>,
    offset: usize,
    length: usize,
    fatal: bool,
) -> Result<Value<'js>> {
    let bytes = part(&buffer, offset, length);
    let text = match String::from_utf8_lossy(&bytes) {
        std::borrow::Cow::Owned(_) if fatal => return Ok(Value::new_null(ctx)),
        text => text,
    };
    Ok(rquickjs::String::from_str(ctx, &text)?.into_value())
}

fn latin1_decode(buffer: ArrayBuffer<'_>, offset: usize, length: usize) -> String {
    part(&buffer, offset, length).into_iter().map(char::from).collect()
}

fn base64_encode(buffer: ArrayBuffer<'_>, offset: usize, length: usize) -> String {
    STANDARD.encode(part(&buffer, offset, length))
}

/// As the web's "forgiving" decoding: padding may be missing. Null for what is not base64.
fn base64_decode<'js>(ctx: Ctx<'js>, text: String) -> Result<Value<'js>> {
    const FORGIVING: GeneralPurpose = GeneralPurpose::new(
        &ALPHABET,
        GeneralPurposeConfig::new()
            .with_decode_allow_trailing_bits(true)
            .with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    match FORGIVING.decode(text) {
        Ok(bytes) => Ok(ArrayBuffer::new(ctx, bytes)?.into_value()),
        Err(_) => Ok(Value::new_null(ctx)),
    }
}
