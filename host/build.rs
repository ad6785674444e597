//! Takes into the executable what it hands out, so that the product is one file: the interpreters, and the
//! templates that `mcpbox tool new` copies.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

#[expect(clippy::disallowed_methods, reason = "what cargo tells a build script is no setting")]
fn main() {
    // Asked for when it runs: a checkout elsewhere may have built this script into the same target folder.
    let (Ok(manifest), Ok(out)) = (std::env::var("CARGO_MANIFEST_DIR"), std::env::var("OUT_DIR")) else { return };
    let root = Path::new(&manifest).join("..");
    let out = Path::new(&out);
    for language in ["python", "javascript"] {
        let runner = format!("{language}.wasm");
        let built = root.join("components").join(language).join("dist").join(&runner);
        println!("cargo::rerun-if-changed={}", built.display());
        if let Err(error) = std::fs::copy(&built, out.join(&runner)) {
            println!("cargo::error=the runner {runner} is missing; build it with `make runner` ({error})");
        }
    }
    let templates = root.join("guest-sdk/templates");
    println!("cargo::rerun-if-changed={}", templates.display());
    if let Err(error) = table(&root, &templates).and_then(|table| std::fs::write(out.join("templates.rs"), table)) {
        println!("cargo::error=the templates cannot be read ({error})");
    }
}

/// What tells an editor the globals of a tool: the language of the template, the interpreter's folder, the file.
const TYPES: [(&str, &str, &str); 3] = [
    ("javascript", "javascript", "mcpbox.d.ts"),
    ("python", "python", "__builtins__.pyi"),
    ("typescript", "javascript", "mcpbox.d.ts"),
];

/// Every file below the folder of each language, and its types, as Rust.
fn table(root: &Path, templates: &Path) -> std::io::Result<String> {
    let mut rows = String::new();
    for (language, interpreter, name) in TYPES {
        let path = root.join("components").join(interpreter).join(name);
        println!("cargo::rerun-if-changed={}", path.display());
        let _ = writeln!(rows, "    ({language:?}, {name:?}, include_bytes!({path:?})),");
    }
    for language in sorted(templates)? {
        let mut folders = vec![language.clone()];
        while let Some(folder) = folders.pop() {
            for path in sorted(&folder)? {
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let name = language.file_name().unwrap_or_default();
                let inner = path.strip_prefix(&language).unwrap_or(&path);
                let _ = writeln!(rows, "    ({name:?}, {inner:?}, include_bytes!({path:?})),");
            }
        }
    }
    Ok(format!("const TEMPLATES: &[(&str, &str, &[u8])] = &[\n{rows}];\n"))
}

fn sorted(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    paths.sort();
    Ok(paths)
}
