//! QuickJS with our globals: made once, before the snapshot, and found there by every instance.

use std::cell::{Cell, RefCell};

use rquickjs::{CatchResultExt as _, Context, Ctx, Function, Object, Persistent, Runtime, Value};

use crate::mcpbox::guest::system;
use crate::{errors, host};

/// Stack of JavaScript in bytes: less than the megabyte that the linker reserves, so that endless
/// recursion becomes a `RangeError`.
const STACK_BYTES: usize = 640 << 10;

/// What the prelude gives back: its entry points.
pub(crate) struct Engine {
    /// The tool's `main`, once it is loaded.
    pub(crate) main: RefCell<Option<Persistent<Function<'static>>>>,
    entries: Persistent<Object<'static>>,
    context: Context,
    _runtime: Runtime,
}

thread_local! {
    static ENGINE: RefCell<Option<Engine>> = const { RefCell::new(None) };
    /// Until the snapshot is taken there is no host to ask for the time.
    static PREPARING: Cell<bool> = const { Cell::new(false) };
}

/// The prelude: one function of the host's functions, in parts.
const PRELUDE: &str = concat!(
    "(function (host) { 'use strict';\n",
    include_str!("../prelude/base.js"),
    include_str!("../prelude/events.js"),
    include_str!("../prelude/loop.js"),
    include_str!("../prelude/encoding.js"),
    include_str!("../prelude/url.js"),
    include_str!("../prelude/crypto.js"),
    include_str!("../prelude/clone.js"),
    include_str!("../prelude/console.js"),
    include_str!("../prelude/fetch.js"),
    include_str!("../prelude/tool.js"),
    // Beside the tool: what each call runs should lie close together, because a call writes to what it runs.
    include_str!("../prelude/result.js"),
    include_str!("../prelude/content.js"),
    include_str!("../prelude/form.js"),
    include_str!("../prelude/context.js"),
    "return entries; })\n",
);

/// The clock of QuickJS, the one thing that it asks of the machine: microseconds since 1970.
#[unsafe(no_mangle)]
extern "C" fn __rquickjs_host_now_us() -> f64 {
    if PREPARING.get() { 0.0 } else { system::now_ms() * 1000.0 }
}

/// Makes the engine. A failure is a mistake of ours and ends the build.
pub(crate) fn prepare() {
    PREPARING.set(true);
    match make() {
        Ok(engine) => ENGINE.set(Some(engine)),
        Err(error) => panic!("the prelude fails: {error}"),
    }
    PREPARING.set(false);
}

fn make() -> Result<Engine, String> {
    let runtime = Runtime::new().map_err(|error| error.to_string())?;
    runtime.set_max_stack_size(STACK_BYTES);
    let context = Context::full(&runtime).map_err(|error| error.to_string())?;
    let entries = context.with(|ctx| {
        install(&ctx).catch(&ctx).map(|entries| Persistent::save(&ctx, entries)).map_err(|error| error.to_string())
    })?;
    let tracked = entries.clone();
    runtime.set_host_promise_rejection_tracker(Some(Box::new(move |ctx: Ctx<'_>, promise: Value<'_>, reason, handled| {
        let Ok(entries) = tracked.clone().restore(&ctx) else { return };
        let Ok(rejected) = entries.get::<_, Function<'_>>("rejected") else { return };
        // Out of memory at most, and then the call ends anyway.
        let _ = rejected.call::<_, ()>((promise, reason, handled));
    })));
    runtime.run_gc();
    // As QuickJS sets it when a collection was its own idea; without this a call that makes little would have one.
    let used = usize::try_from(runtime.memory_usage().malloc_size).unwrap_or_default();
    runtime.set_gc_threshold(used + used / 2);
    Ok(Engine { main: RefCell::new(None), entries, context, _runtime: runtime })
}

fn install<'js>(ctx: &Ctx<'js>) -> rquickjs::Result<Object<'js>> {
    let mut options = rquickjs::context::EvalOptions::default();
    options.filename = Some("<mcpbox>".to_owned());
    let prelude: Function<'js> = ctx.eval_with_options(PRELUDE, options)?;
    prelude.call((host::functions(ctx)?,))
}

/// Runs `work` in the engine of this instance.
pub(crate) fn with<T>(
    work: impl for<'js> FnOnce(&Engine, &Ctx<'js>) -> Result<T, errors::Exception>,
) -> Result<T, errors::Exception> {
    if ENGINE.with_borrow(Option::is_none) {
        prepare();
    }
    ENGINE.with_borrow(|engine| match engine {
        Some(engine) => engine.context.with(|ctx| work(engine, &ctx)),
        None => Err(errors::made("InternalError", "the interpreter was not prepared")),
    })
}

impl Engine {
    /// One of the prelude's entry points.
    pub(crate) fn entry<'js>(&self, ctx: &Ctx<'js>, name: &str) -> rquickjs::Result<Function<'js>> {
        self.entries.clone().restore(ctx)?.get(name)
    }
}
