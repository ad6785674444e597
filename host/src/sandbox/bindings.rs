//! The contract's types, generated from `guest-sdk/wit`.
//!
//! Host functions answer `wasmtime::Result`, so that a bound that was reached can end the guest.

/// The world of compiled tools with everything that they may export; its imports are those of every
/// guest.
pub(super) mod tool {
    wasmtime::component::bindgen!({
        path: "../guest-sdk/wit",
        inline: "
            package mcpbox:host;
            world whole {
                include mcpbox:guest/tool@1.0.0;
                include mcpbox:guest/with-icons@1.0.0;
                include mcpbox:guest/with-prompts@1.0.0;
                include mcpbox:guest/with-resources@1.0.0;
                include mcpbox:guest/with-skills@1.0.0;
                include mcpbox:guest/with-completion@1.0.0;
            }
        ",
        world: "mcpbox:host/whole",
        imports: { default: async | trappable },
        exports: { default: async },
    });
}

/// What interpreters without WASI import beside the above.
pub(super) mod system {
    wasmtime::component::bindgen!({
        path: "../guest-sdk/wit",
        inline: "package mcpbox:host; world system { import mcpbox:guest/system@1.0.0; }",
        world: "mcpbox:host/system",
        imports: { default: async | trappable },
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
            "mcpbox:guest/client@1.0.0": super::tool::mcpbox::guest::client,
        },
    });
}
