//! Takes the Python runner into the executable, so that the product is one file.

use std::path::Path;

#[expect(clippy::disallowed_methods, reason = "what cargo tells a build script is no setting")]
fn main() {
    let runner = Path::new(env!("CARGO_MANIFEST_DIR")).join("../components/python/dist/python.wasm");
    println!("cargo::rerun-if-changed={}", runner.display());
    let Ok(out) = std::env::var("OUT_DIR") else { return };
    if let Err(error) = std::fs::copy(&runner, Path::new(&out).join("python.wasm")) {
        println!("cargo::error=the Python runner is missing; build it with `make runner` ({error})");
    }
}
