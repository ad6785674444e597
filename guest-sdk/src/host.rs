//! The functions that the host offers: on WebAssembly the imports themselves, elsewhere the host of
//! the tests, if this thread has one.

#[cfg(target_arch = "wasm32")]
mod here {
    pub(crate) use crate::bindings::mcpbox::guest::client::{
        ask as client_ask, become_task, can as client_can, require as client_require,
    };
    pub(crate) use crate::bindings::mcpbox::guest::http::{
        cancel as http_cancel, start as http_start, take as http_take, wait as http_wait,
    };
    pub(crate) use crate::bindings::mcpbox::guest::log::emit as log_emit;
    pub(crate) use crate::bindings::mcpbox::guest::notify::{list_changed, resource_updated};
    pub(crate) use crate::bindings::mcpbox::guest::progress::report as progress_report;
    pub(crate) use crate::bindings::mcpbox::guest::secrets::{get as secret, names as secret_names};
    pub(crate) use crate::bindings::wasi::clocks::monotonic_clock::now as monotonic_ns;
    pub(crate) use crate::bindings::wasi::random::random::get_random_bytes as random_bytes;

    /// Since 1970, in UTC.
    pub(crate) fn wall_time() -> std::time::Duration {
        let now = crate::bindings::wasi::clocks::wall_clock::now();
        std::time::Duration::new(now.seconds, now.nanoseconds)
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod here {
    pub(crate) use crate::testing::imports::*;
}

pub(crate) use here::*;
