//! Modules of packages, compiled by the interpreter that will import them. None of them is run; each is of
//! strangers, so that one that is too much for an instance is left out, and the next ones get another.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::guest::Watch;
use super::{BESIDE_TIME, Sandbox, SandboxError, interpreter};
use crate::domain::outcome::{Bound, Outcome};
use crate::domain::tool::Language;

/// Modules that one instance compiles; what they leave behind goes with it.
const MODULES_OF_AN_INSTANCE: usize = 100;

impl Sandbox {
    /// The code of Python modules by their files, without those that cannot be compiled. None: `until` came
    /// first.
    ///
    /// # Errors
    /// When the host is broken.
    pub async fn compile_modules(
        &self,
        sources: Vec<(String, Arc<[u8]>)>,
        until: Instant,
    ) -> Result<Option<BTreeMap<String, Vec<u8>>>, SandboxError> {
        let pre = self.interpreter(Language::Python).await?.clone();
        let sandbox = self.clone();
        let work = async move {
            let mut compiled = BTreeMap::new();
            let mut rest = sources.into_iter();
            let mut next = rest.next();
            while next.is_some() {
                let _place = sandbox.place_beside().await?;
                // A fresh tank for each instance.
                let store = sandbox.store(pre.engine(), &sandbox.beside_budget(), &[])?;
                let watch = || Watch::new(BESIDE_TIME.min(until - Instant::now()), CancellationToken::new());
                let (mut store, instance) = interpreter::start(&pre, store, &watch()).await;
                let instance = match instance {
                    Ok(instance) => instance,
                    Err(_) if until <= Instant::now() => return Ok(None),
                    Err(outcome) => return Err(SandboxError::Place(format!("an instance ended: {}", outcome.label()))),
                };
                for _ in 0..MODULES_OF_AN_INSTANCE {
                    let Some((file, source)) = next.take() else { break };
                    let code = interpreter::compile_module(&mut store, &instance, &watch(), &source, &file).await;
                    next = rest.next();
                    match code {
                        Ok(code) => compiled.extend(code.map(|code| (file, code))),
                        Err(Outcome::Stopped(Bound::Time)) if until <= Instant::now() => return Ok(None),
                        Err(outcome) => {
                            tracing::warn!(file, outcome = outcome.label(), "a module of a package is left out");
                            break;
                        }
                    }
                }
            }
            Ok(Some(compiled))
        };
        self.0.guests.run(work).await?
    }
}
