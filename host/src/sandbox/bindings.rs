//! The contract's types, generated from `guest-sdk/wit`.
//!
//! Host functions answer `wasmtime::Result`, so that a bound that was reached can end the guest.

/// The world of compiled tools; its imports are those of every guest.
pub(super) mod tool {
    wasmtime::component::bindgen!({
        path: "../guest-sdk/wit",
        world: "tool",
        imports: { default: async | trappable },
        exports: { default: async },
    });
}

/// The world of interpreters, sharing the imports above.
pub(super) mod interpreter {
    wasmtime::component::bindgen!({
        path: "../guest-sdk/wit",
        world: "interpreter",
        imports: { default: async | trappable },
        exports: { default: async },
        with: {
            "mcpbox:guest/types@1.0.0": super::tool::mcpbox::guest::types,
            "mcpbox:guest/http@1.0.0": super::tool::mcpbox::guest::http,
            "mcpbox:guest/secrets@1.0.0": super::tool::mcpbox::guest::secrets,
            "mcpbox:guest/log@1.0.0": super::tool::mcpbox::guest::log,
            "mcpbox:guest/progress@1.0.0": super::tool::mcpbox::guest::progress,
        },
    });
}
