//! Work of the host for a guest that no fuel counts: copies of texts between the memories of one component, and
//! functions of WASI that are given much. Each of them is short, but a guest that does little else would compute for
//! minutes before its slice of fuel is used up. Where that can be, others get their turn behind such work too, by
//! its time; there the guest's end is looked at, as behind a slice of fuel.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use wasmtime::component::Component;
use wasmtime::{CallHook, CallHookHandler, Store, StoreContextMut};

use super::engine::Model;
use super::offered::Imports;
use super::pace::HostCalls;
use super::state::State;

/// Interfaces with functions whose work grows with what they are given, and that are wasmtime's own.
const LARGE: [&str; 2] = ["wasi:http/", "wasi:filesystem/"];

/// Whether a component can have the host do much that no fuel counts. Copies of texts need a second memory, and
/// streams are copied too.
pub(super) fn is_possible(component: &Component, imports: &Imports, model: Model) -> bool {
    let memories = component.resources_required().map(|needed| needed.num_memories);
    model == Model::Asynchronous
        || memories.is_none_or(|count| count > 1)
        || imports.names.iter().any(|name| LARGE.iter().any(|large| name.starts_with(large)))
}

/// Lets others have their turn behind work of the host for this guest. It costs each call of the host a little.
pub(super) fn take_turns(store: &mut Store<State>) {
    let calls = store.data().host_calls.clone();
    store.call_hook_async(Turns { calls, born: Instant::now(), entered: AtomicU64::new(0) });
}

struct Turns {
    calls: HostCalls,
    born: Instant,
    /// Microseconds from `born` to when the host was last entered.
    entered: AtomicU64,
}

impl Turns {
    fn now(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

#[async_trait::async_trait]
impl CallHookHandler<State> for Turns {
    async fn handle_call_event(&self, _: StoreContextMut<'_, State>, event: CallHook) -> wasmtime::Result<()> {
        match event {
            CallHook::CallingHost => self.entered.store(self.now(), Ordering::Relaxed),
            CallHook::ReturningFromHost => {
                let took = self.now().saturating_sub(self.entered.load(Ordering::Relaxed));
                self.calls.weigh_time(Duration::from_micros(took)).await;
            }
            CallHook::CallingWasm | CallHook::ReturningFromWasm => {}
        }
        Ok(())
    }
}
