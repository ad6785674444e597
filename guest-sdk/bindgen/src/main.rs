//! Writes the bindings that are checked in, so that nobody who builds a tool needs a generator:
//! `src/bindings.rs` of the SDK, and the C files of the template, with which the example builds too.
//!
//! `cargo run -p mcpbox-bindgen` after a change of `wit/`. Its test fails when that was forgotten.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use wit_bindgen_core::wit_parser::{Resolve, WorldId};
use wit_bindgen_core::{Files, WorldGenerator};

/// A file, from the folder of the workspace, and what belongs into it.
type Output = (PathBuf, Vec<u8>);

/// What a component may export beside its tools, each with a world `with-…` of its own: a component says that
/// it exports an interface by the world whose bindings it uses.
const OPTIONAL: [&str; 5] = ["completion", "icons", "prompts", "resources", "skills"];

/// The template, from which the example in C takes them too.
const C_FOLDER: &str = "templates/c";

fn main() -> Result<()> {
    for (path, content) in outputs()? {
        let file = workspace().join(&path);
        if fs::read(&file).ok().as_ref() != Some(&content) {
            fs::write(&file, content).with_context(|| format!("cannot write {}", file.display()))?;
            println!("wrote {}", path.display());
        }
    }
    Ok(())
}

fn workspace() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn outputs() -> Result<Vec<Output>> {
    let mut outputs = vec![(PathBuf::from("src/bindings.rs"), rust()?)];
    for interface in OPTIONAL {
        outputs.push((Path::new("src/optional").join(format!("{interface}.rs")), optional(interface)?));
    }
    for (name, content) in c()?.iter() {
        outputs.push((Path::new(C_FOLDER).join(name), content.to_vec()));
    }
    Ok(outputs)
}

/// The contract, and what lies in `more`; answers the world `name` of the last.
fn world(more: Option<&str>, name: &str) -> Result<(Resolve, WorldId)> {
    let mut resolve = Resolve::default();
    let (mut package, _) = resolve.push_dir(workspace().join("wit"))?;
    if let Some(folder) = more {
        (package, _) = resolve.push_dir(workspace().join(folder))?;
    }
    let world = resolve.select_world(&[package], Some(name))?;
    Ok((resolve, world))
}

fn rust() -> Result<Vec<u8>> {
    let (mut resolve, world) = world(Some("bindgen/wit"), "sdk")?;
    let options = wit_bindgen_rust::Opts {
        generate_all: true,
        additional_derive_attributes: vec!["PartialEq".to_owned()],
        format: true,
        pub_export_macro: true,
        export_macro_name: Some("export_component".to_owned()),
        default_bindings_module: Some("$crate::bindings".to_owned()),
        ..Default::default()
    };
    let mut files = Files::default();
    options.build().generate(&mut resolve, world, &mut files)?;
    let (_, content) = files.iter().next().context("the generator wrote nothing")?;
    Ok(content.to_vec())
}

fn optional(interface: &str) -> Result<Vec<u8>> {
    let (mut resolve, world) = world(None, &format!("with-{interface}"))?;
    let types = wit_bindgen_rust::WithOption::Path("crate::bindings::mcpbox::guest::types".to_owned());
    let mut options = wit_bindgen_rust::Opts {
        generate_all: true,
        additional_derive_attributes: vec!["PartialEq".to_owned()],
        format: true,
        pub_export_macro: true,
        export_macro_name: Some(format!("export_{interface}")),
        default_bindings_module: Some(format!("$crate::optional::{interface}")),
        ..Default::default()
    };
    if ["prompts", "resources"].contains(&interface) {
        options.with.push(("mcpbox:guest/types@1.0.0".to_owned(), types));
    }
    let mut files = Files::default();
    options.build().generate(&mut resolve, world, &mut files)?;
    let (_, content) = files.iter().next().context("the generator wrote nothing")?;
    Ok(content.to_vec())
}

fn c() -> Result<Files> {
    let (mut resolve, world) = world(None, "tool")?;
    let mut files = Files::default();
    wit_bindgen_c::Opts::default().build().generate(&mut resolve, world, &mut files)?;
    Ok(files)
}

#[test]
fn the_bindings_are_those_of_the_contract() -> Result<()> {
    for (path, content) in outputs()? {
        let found = fs::read(workspace().join(&path)).with_context(|| format!("{} is missing", path.display()))?;
        assert!(found == content, "{} is old: run `cargo run -p mcpbox-bindgen` in guest-sdk", path.display());
    }
    Ok(())
}
