//! Takes the interpreters into the executable, so that the product is one file.

use std::path::Path;

#[expect(clippy::disallowed_methods, reason = "what cargo tells a build script is no setting")]
fn main() {
    let Ok(out) = std::env::var("OUT_DIR") else { return };
    for language in ["python", "javascript"] {
        let runner = format!("{language}.wasm");
        let built =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../components").join(language).join("dist").join(&runner);
        println!("cargo::rerun-if-changed={}", built.display());
        if let Err(error) = std::fs::copy(&built, Path::new(&out).join(&runner)) {
            println!("cargo::error=the runner {runner} is missing; build it with `make runner` ({error})");
        }
    }
}
