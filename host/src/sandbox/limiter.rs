//! Counts the linear memories and tables of one call together and refuses what is over the budget.
//!
//! A refusal is an ordinary failed allocation for the guest: Python raises `MemoryError`, Rust aborts.
//! The limiter remembers it, so that a guest that ends badly afterwards is known to have ended for
//! want of memory.

use wasmtime::ResourceLimiter;

/// Bytes that a table element takes in the host.
const ELEMENT_BYTES: usize = 8;

pub(super) struct Limiter {
    memory_bytes: usize,
    table_elements: usize,
    used: usize,
    peak: usize,
    refused: bool,
}

impl Limiter {
    pub(super) fn new(memory_bytes: usize, table_elements: usize) -> Self {
        Self { memory_bytes, table_elements, used: 0, peak: 0, refused: false }
    }

    /// Greatest use so far, in bytes.
    pub(super) fn peak(&self) -> u64 {
        self.peak as u64
    }

    /// Whether an allocation was refused.
    pub(super) fn refused(&self) -> bool {
        self.refused
    }

    fn grow(&mut self, by: usize) -> bool {
        let used = self.used.saturating_add(by);
        if used > self.memory_bytes {
            self.refused = true;
            return false;
        }
        self.used = used;
        self.peak = self.peak.max(used);
        true
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        Ok(self.grow(desired.saturating_sub(current)))
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        if desired > self.table_elements {
            self.refused = true;
            return Ok(false);
        }
        Ok(self.grow(desired.saturating_sub(current).saturating_mul(ELEMENT_BYTES)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_and_tables_share_one_budget() -> wasmtime::Result<()> {
        let mut limiter = Limiter::new(1_000, 50);
        assert!(limiter.memory_growing(0, 700, None)?);
        assert!(!limiter.memory_growing(0, 400, None)?, "two memories together");
        assert!(limiter.table_growing(0, 30, None)?);
        assert!(!limiter.table_growing(30, 40, None)?, "80 bytes more are over the budget");
        assert!(!limiter.table_growing(0, 51, None)?);
        assert!(limiter.refused());
        assert_eq!(limiter.peak(), 940);
        Ok(())
    }

    #[test]
    fn a_guest_that_asks_past_its_own_maximum_is_not_out_of_memory() -> wasmtime::Result<()> {
        let mut limiter = Limiter::new(1_000, 50);
        assert!(!limiter.memory_growing(0, 200, Some(100))?);
        assert!(!limiter.refused());
        Ok(())
    }
}
