//! Exceptions of JavaScript as the host is told of them.

use rquickjs::{Ctx, Error, Function, Value};

use crate::engine::Engine;
pub(crate) use crate::exports::mcpbox::guest::runner::Exception;

/// An exception of ours.
pub(crate) fn made(kind: &str, message: &str) -> Exception {
    Exception {
        kind: kind.to_owned(),
        message: message.to_owned(),
        line: None,
        traceback: format!("{kind}: {message}"),
        excerpt: String::new(),
    }
}

/// What an error of the engine says: the exception that JavaScript threw, if it is one.
pub(crate) fn from_engine(engine: &Engine, ctx: &Ctx<'_>, error: &Error) -> Exception {
    if error.is_exception() {
        return from_value(engine, ctx, ctx.catch());
    }
    match error {
        Error::Allocation => out_of_memory(),
        other => made("InternalError", &other.to_string()),
    }
}

/// What was thrown. The lines around it are the host's to show, which has the author's source.
pub(crate) fn from_value<'js>(engine: &Engine, ctx: &Ctx<'js>, thrown: Value<'js>) -> Exception {
    // QuickJS throws null when it has no memory left for an error.
    if thrown.is_null() {
        return out_of_memory();
    }
    let described: rquickjs::Result<(String, String, u32, String)> = engine
        .entry(ctx, "describeError")
        .and_then(|describe: Function<'js>| describe.call::<_, rquickjs::Array<'js>>((thrown,)))
        .and_then(|parts| Ok((parts.get(0)?, parts.get(1)?, parts.get(2)?, parts.get(3)?)));
    match described {
        Ok((kind, message, line, traceback)) => {
            Exception { kind, message, line: (line > 0).then_some(line), traceback, excerpt: String::new() }
        }
        Err(_) => {
            ctx.catch();
            out_of_memory()
        }
    }
}

/// The same words that QuickJS uses; the host adds how much memory there is.
fn out_of_memory() -> Exception {
    made("InternalError", "out of memory")
}
