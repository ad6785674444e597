//! The functions that the prelude gets from Rust: the host's own, and what JavaScript cannot do well.

use std::cell::Cell;

use rquickjs::{ArrayBuffer, Ctx, Function, Object, Result, Value};

use crate::mcpbox::guest::types::LogLevel;
use crate::mcpbox::guest::{log, progress, secrets, system};
use crate::{client, digests, requests, text, urls};

/// Random bytes in one go, as the host has it.
const RANDOM_BYTES: u32 = 65_536;

/// Everything, as one object that only the prelude sees.
pub(crate) fn functions<'js>(ctx: &Ctx<'js>) -> Result<Object<'js>> {
    let host = Object::new(ctx.clone())?;
    let f = || ctx.clone();
    host.set("monotonic", Function::new(f(), system::monotonic_ms)?)?;
    host.set("random", Function::new(f(), random)?)?;
    host.set("randomFloat", Function::new(f(), random_float)?)?;
    host.set("print", Function::new(f(), print)?)?;
    host.set("log", Function::new(f(), emit)?)?;
    host.set("progress", Function::new(f(), report)?)?;
    host.set("secretNames", Function::new(f(), secrets::names)?)?;
    host.set("secretGet", Function::new(f(), secret)?)?;
    client::install(ctx, &host)?;
    requests::install(ctx, &host)?;
    text::install(ctx, &host)?;
    urls::install(ctx, &host)?;
    digests::install(ctx, &host)?;
    Ok(host)
}

/// The bytes of a part of a buffer; empty when the part is not inside.
pub(crate) fn part(buffer: &ArrayBuffer<'_>, offset: usize, length: usize) -> Vec<u8> {
    // SAFETY: copied at once, before any JavaScript can run and detach or shrink the buffer.
    #[expect(unsafe_code, reason = "reading a buffer has no safe way; see above")]
    let bytes = unsafe { buffer.as_bytes() }.unwrap_or_default();
    offset.checked_add(length).and_then(|end| bytes.get(offset..end)).unwrap_or_default().to_vec()
}

fn random(ctx: Ctx<'_>, count: u32) -> Result<ArrayBuffer<'_>> {
    ArrayBuffer::new(ctx, system::random(count.min(RANDOM_BYTES)))
}

thread_local! {
    /// The state of `Math.random`; zero until it is seeded, which is after the snapshot.
    static SEED: Cell<[u64; 4]> = const { Cell::new([0; 4]) };
}

/// From 0 up to 1, by xoshiro256+ (Blackman and Vigna), seeded by the host once in an instance.
fn random_float() -> f64 {
    SEED.with(|seed| {
        let mut state = seed.get();
        if state == [0; 4] {
            for (word, bytes) in state.iter_mut().zip(system::random(32).chunks_exact(8)) {
                *word = bytes.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
            }
            state[0] |= 1;
        }
        let sum = state[0].wrapping_add(state[3]);
        let shifted = state[1] << 17;
        state[2] ^= state[0];
        state[3] ^= state[1];
        state[1] ^= state[2];
        state[0] ^= state[3];
        state[2] ^= shifted;
        state[3] = state[3].rotate_left(45);
        seed.set(state);
        // The upper 53 bits are exact in a double.
        (sum >> 11) as f64 / (1_u64 << 53) as f64
    })
}

fn print(to_stderr: bool, text: String) {
    system::print(if to_stderr { system::Output::Stderr } else { system::Output::Stdout }, &text);
}

fn emit(level: u32, message: String) {
    let level = match level {
        0 => LogLevel::Debug,
        1 => LogLevel::Info,
        2 => LogLevel::Warning,
        _ => LogLevel::Error,
    };
    log::emit(level, &message);
}

fn report(done: f64, total: Option<f64>, message: Option<String>) {
    progress::report(done, total, message.as_deref());
}

fn secret<'js>(ctx: Ctx<'js>, name: String) -> Result<Value<'js>> {
    match secrets::get(&name) {
        Some(value) => Ok(rquickjs::String::from_str(ctx, &value)?.into_value()),
        None => Ok(Value::new_null(ctx)),
    }
}
