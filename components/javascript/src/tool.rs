//! The one tool of an instance: compiled, loaded, called.

use rquickjs::module::{Module, WriteOptions};
use rquickjs::{Array, Ctx, Function, Object, Persistent, Promise, Value};

use crate::content;
use crate::engine::Engine;
use crate::errors::{self, Exception};
use crate::mcpbox::guest::types::Content;

/// The module's name in stacks.
const NAME: &str = "<tool>";

const NO_MAIN: &str = "the module exports no main; write `export function main({ name }) { … }` or `export default`";
const NO_FUNCTION: &str = "the module exports main, but not as a function; write `export function main({ name }) { … }`";
const NEVER: &str = "never settles: it awaits a promise that nothing can resolve any more (no request, no timer is left)";

/// Bytecode of a module. Runs none of it.
pub(crate) fn compile(engine: &Engine, ctx: &Ctx<'_>, source: String) -> Result<Vec<u8>, Exception> {
    let options = WriteOptions { strip_source: true, ..WriteOptions::default() };
    Module::declare(ctx.clone(), NAME, source)
        .and_then(|module| module.write(options))
        .map_err(|error| errors::from_engine(engine, ctx, &error))
}

/// Runs the top level and keeps `main`.
pub(crate) fn load(engine: &Engine, ctx: &Ctx<'_>, code: Vec<u8>) -> Result<(), Exception> {
    let main = evaluate(engine, ctx, code)?;
    *engine.main.borrow_mut() = Some(Persistent::save(ctx, main));
    Ok(())
}

fn evaluate<'js>(engine: &Engine, ctx: &Ctx<'js>, code: Vec<u8>) -> Result<Function<'js>, Exception> {
    let told = |error: rquickjs::Error| errors::from_engine(engine, ctx, &error);
    // QuickJS runs the bytes where they are, for as long as the instance lives.
    let code: &'static [u8] = Vec::leak(code);
    // SAFETY: the host hands over what `compile` of this same component has made.
    #[expect(unsafe_code, reason = "bytecode has no safe way in; see above")]
    let module = unsafe { Module::load(ctx.clone(), code) }.map_err(told)?;
    let (module, evaluated): (_, Promise<'js>) = module.eval().map_err(told)?;
    let begun = engine.entry(ctx, "awaitModule").and_then(|begin| begin.call((evaluated,))).map_err(told)?;
    settle(engine, ctx, &begun, "the top level of the module")?;
    let mut message = NO_MAIN;
    for name in ["main", "default"] {
        let found: Value<'js> = module.get(name).map_err(told)?;
        if !found.is_undefined() {
            message = NO_FUNCTION;
        }
        if let Some(main) = found.into_function() {
            return Ok(main);
        }
    }
    Err(errors::made("NoMain", message))
}

/// Calls `main` and answers its result: JSON, and content if it is made of that.
pub(crate) fn call(
    engine: &Engine,
    ctx: &Ctx<'_>,
    arguments: &str,
) -> Result<(String, Option<Vec<Content>>), Exception> {
    let told = |error: rquickjs::Error| errors::from_engine(engine, ctx, &error);
    let Some(main) = engine.main.borrow_mut().take() else { return Err(errors::made("NoMain", NO_MAIN)) };
    let main = main.restore(ctx).map_err(told)?;
    let begun = engine.entry(ctx, "call").and_then(|call| call.call((main, arguments))).map_err(told)?;
    let ended = settle(engine, ctx, &begun, "main");
    if let Ok(tell) = engine.entry(ctx, "tellUnhandled")
        && tell.call::<_, ()>(()).is_err()
    {
        ctx.catch();
    }
    let value = ended?;
    let outcome = engine.entry(ctx, "outcome").and_then(|outcome| outcome.call((value,))).map_err(told)?;
    content::result(&outcome).map_err(told)
}

/// Turns the event loop until the work has ended.
fn settle<'js>(engine: &Engine, ctx: &Ctx<'js>, state: &Object<'js>, what: &str) -> Result<Value<'js>, Exception> {
    let told = |error: rquickjs::Error| errors::from_engine(engine, ctx, &error);
    let turn = engine.entry(ctx, "turn").map_err(told)?;
    let fault = engine.entry(ctx, "fault").map_err(told)?;
    let step = || -> Result<bool, Exception> {
        while ctx.execute_pending_job() {}
        if let Some(thrown) = fault.call::<_, Option<Array<'js>>>(()).map_err(told)? {
            return Err(errors::from_value(engine, ctx, thrown.get(0).map_err(told)?));
        }
        state.get("done").map_err(told)
    };
    while !step()? {
        let Some(due) = turn.call::<_, Option<Array<'js>>>(()).map_err(told)? else {
            return Err(errors::made("NeverSettles", &format!("{what} {NEVER}")));
        };
        for callback in due.iter::<Function<'js>>() {
            callback.and_then(|callback| callback.call::<_, ()>(())).map_err(told)?;
            // What a callback has resolved goes on before the next one runs.
            if step()? {
                break;
            }
        }
    }
    let value = state.get("value").map_err(told)?;
    if state.get("failed").map_err(told)? {
        return Err(errors::from_value(engine, ctx, value));
    }
    Ok(value)
}
