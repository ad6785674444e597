//! The JavaScript interpreter: QuickJS as a component that implements the contract's `runner`.
//!
//! An instance runs one tool, once. Everything that is the same for all tools (the engine, the
//! globals) is made by `init`, after which the build takes a snapshot; `init` must therefore not call
//! the host. An instance is dropped when its call has ended, so that memory is not given back here.

mod client;
mod content;
mod digests;
mod engine;
mod errors;
mod host;
mod requests;
mod text;
mod tool;
mod urls;

wit_bindgen::generate!({
    inline: "
        package mcpbox:javascript;

        world snapshot {
            include mcpbox:guest/javascript-interpreter@1.0.0;
            /// Called once, when this is built, before the snapshot.
            export init: func();
        }
    ",
    path: "../../guest-sdk/wit",
    world: "mcpbox:javascript/snapshot",
    generate_all,
});

use exports::mcpbox::guest::runner;

struct Interpreter;

impl Guest for Interpreter {
    fn init() {
        engine::prepare();
    }
}

impl runner::Guest for Interpreter {
    /// Compiles a module; its schemas are the host's to derive, which has read the types.
    fn describe(source: String) -> Result<runner::Description, runner::Exception> {
        let code = engine::with(|engine, ctx| tool::compile(engine, ctx, source))?;
        Ok(runner::Description {
            code,
            summary: String::new(),
            input_schema: "{}".to_owned(),
            output_schema: None,
            modules: Vec::new(),
        })
    }

    /// Nothing runs ahead of a call: a fresh instance is ready sooner than a prepared one is found. And
    /// nothing is imported, whatever the list: there are no modules.
    fn load(
        code: Vec<u8>,
        _source: String,
        early: bool,
        _arguments: Option<String>,
        _imports: runner::Imports,
    ) -> Result<runner::Loaded, runner::Exception> {
        if early {
            return Ok(runner::Loaded::NeedsCall);
        }
        engine::with(|engine, ctx| tool::load(engine, ctx, code))?;
        Ok(runner::Loaded::Ready)
    }

    /// JavaScript has no packages here.
    fn compile_module(_source: Vec<u8>, _file: String) -> Option<Vec<u8>> {
        None
    }

    fn call(arguments: String) -> Result<runner::Outcome, runner::Exception> {
        let (result, content) = engine::with(|engine, ctx| tool::call(engine, ctx, &arguments))?;
        // What is structured is the host's to say, which has read the types.
        Ok(runner::Outcome { result, structured: None, content })
    }
}

export!(Interpreter);
