//! What a component may import, and what that lets it use.
//!
//! The list is what `imports.rs` links; a component that imports anything else is refused at upload
//! with the name of each thing that is not offered. Interfaces of types only need no host and may have
//! any name.

use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::{ComponentInstance, ComponentItem};

use crate::domain::component::Capability;

/// An interface that is offered.
struct Offer {
    name: &'static str,
    /// The beginning of each version that is compatible.
    version: &'static str,
    capability: Option<Capability>,
}

const fn offer(name: &'static str, version: &'static str, capability: Option<Capability>) -> Offer {
    Offer { name, version, capability }
}

const OFFERED: &[Offer] = &[
    offer("mcpbox:guest/types", "1.", None),
    offer("mcpbox:guest/http", "1.", Some(Capability::Http)),
    offer("mcpbox:guest/secrets", "1.", Some(Capability::Secrets)),
    offer("mcpbox:guest/log", "1.", Some(Capability::Log)),
    offer("mcpbox:guest/progress", "1.", Some(Capability::Progress)),
    offer("mcpbox:guest/client", "1.", Some(Capability::Client)),
    offer("mcpbox:guest/notify", "1.", Some(Capability::Notify)),
    offer("wasi:http/types", "0.2.", None),
    offer("wasi:http/outgoing-handler", "0.2.", Some(Capability::Http)),
    offer("wasi:io/error", "0.2.", None),
    offer("wasi:io/poll", "0.2.", None),
    offer("wasi:io/streams", "0.2.", None),
    offer("wasi:clocks/wall-clock", "0.2.", Some(Capability::Clocks)),
    offer("wasi:clocks/monotonic-clock", "0.2.", Some(Capability::Clocks)),
    offer("wasi:random/random", "0.2.", Some(Capability::Random)),
    offer("wasi:random/insecure", "0.2.", Some(Capability::Random)),
    offer("wasi:random/insecure-seed", "0.2.", Some(Capability::Random)),
    offer("wasi:cli/environment", "0.2.", None),
    offer("wasi:cli/exit", "0.2.", None),
    offer("wasi:cli/stdin", "0.2.", None),
    offer("wasi:cli/stdout", "0.2.", Some(Capability::Output)),
    offer("wasi:cli/stderr", "0.2.", Some(Capability::Output)),
    offer("wasi:cli/terminal-input", "0.2.", None),
    offer("wasi:cli/terminal-output", "0.2.", None),
    offer("wasi:cli/terminal-stdin", "0.2.", None),
    offer("wasi:cli/terminal-stdout", "0.2.", None),
    offer("wasi:cli/terminal-stderr", "0.2.", None),
    // Without a granted folder there is nothing in it.
    offer("wasi:filesystem/types", "0.2.", None),
    offer("wasi:filesystem/preopens", "0.2.", Some(Capability::Files)),
    // Linked because language runtimes import them; every use of a socket is refused.
    offer("wasi:sockets/network", "0.2.", None),
    offer("wasi:sockets/instance-network", "0.2.", None),
    offer("wasi:sockets/ip-name-lookup", "0.2.", None),
    offer("wasi:sockets/tcp", "0.2.", None),
    offer("wasi:sockets/tcp-create-socket", "0.2.", None),
    offer("wasi:sockets/udp", "0.2.", None),
    offer("wasi:sockets/udp-create-socket", "0.2.", None),
];

/// Imports, and exports, that one component may have, and the length of each name: more is nothing
/// that a person could look at.
const NAMES_MAX: usize = 1_000;
const NAME_BYTES: usize = 256;

fn find(import: &str) -> Option<&'static Offer> {
    let (name, version) = import.split_once('@')?;
    OFFERED.iter().find(|offer| offer.name == name && version.starts_with(offer.version))
}

/// What a component imports, by name, sorted; and what that lets it use.
pub(super) struct Imports {
    pub(super) names: Vec<String>,
    pub(super) capabilities: Vec<Capability>,
}

impl Imports {
    /// # Errors
    /// Names everything that is not offered.
    pub(super) fn of(component: &Component) -> Result<Self, String> {
        let engine = component.engine();
        let ty = component.component_type();
        let (mut names, mut capabilities, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
        for (name, import) in ty.imports(engine) {
            names.push(name.to_owned());
            match find(name) {
                Some(offer) => capabilities.extend(offer.capability),
                None if needs_a_host(engine, &import.ty) => unknown.push(format!("`{name}`")),
                None => {}
            }
        }
        let names = bounded(names, "imports")?;
        if !unknown.is_empty() {
            unknown.sort();
            return Err(format!(
                "the component imports what is not offered here: {}. Offered are mcpbox:guest 1.x and, of WASI 0.2, io, \
                 clocks, random, cli, filesystem, sockets and the outgoing part of http",
                unknown.join(", ")
            ));
        }
        capabilities.sort();
        capabilities.dedup();
        Ok(Self { names, capabilities })
    }
}

/// The names of what a component exports, sorted.
///
/// # Errors
/// When there are too many, or one is too long.
pub(super) fn exports(component: &Component) -> Result<Vec<String>, String> {
    let engine = component.engine();
    let names = component
        .component_type()
        .exports(engine)
        .filter(|(_, export)| !matches!(export.ty, ComponentItem::Type(_) | ComponentItem::Resource(_)))
        .map(|(name, _)| name.to_owned())
        .collect();
    bounded(names, "exports")
}

fn bounded(mut names: Vec<String>, what: &str) -> Result<Vec<String>, String> {
    if names.len() > NAMES_MAX {
        return Err(format!("the component has {} {what}; at most {NAMES_MAX} are allowed", names.len()));
    }
    if let Some(name) = names.iter().find(|name| name.len() > NAME_BYTES) {
        let begins: String = name.chars().take(64).collect();
        return Err(format!("the component has {what} with names of more than {NAME_BYTES} bytes: `{begins}…`"));
    }
    names.sort();
    Ok(names)
}

fn needs_a_host(engine: &Engine, item: &ComponentItem) -> bool {
    let any = |instance: &ComponentInstance| instance.exports(engine).any(|(_, item)| needs_a_host(engine, &item.ty));
    match item {
        ComponentItem::Type(_) => false,
        ComponentItem::ComponentInstance(instance) => any(instance),
        ComponentItem::ComponentFunc(_)
        | ComponentItem::CoreFunc(_)
        | ComponentItem::Module(_)
        | ComponentItem::Component(_)
        | ComponentItem::Resource(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::{engine, imports};

    /// One thing of each interface that has any: a function, or a resource.
    const ITEMS: &[(&str, &str)] = &[
        ("mcpbox:guest/http", "func take"),
        ("mcpbox:guest/secrets", "func names"),
        ("mcpbox:guest/log", "func emit"),
        ("mcpbox:guest/progress", "func report"),
        ("mcpbox:guest/client", "func ask"),
        ("mcpbox:guest/notify", "func list-changed"),
        ("wasi:http/types", "resource fields"),
        ("wasi:http/outgoing-handler", "func handle"),
        ("wasi:io/error", "resource error"),
        ("wasi:io/poll", "resource pollable"),
        ("wasi:io/streams", "resource input-stream"),
        ("wasi:clocks/wall-clock", "func now"),
        ("wasi:clocks/monotonic-clock", "func now"),
        ("wasi:random/random", "func get-random-bytes"),
        ("wasi:random/insecure", "func get-insecure-random-bytes"),
        ("wasi:random/insecure-seed", "func insecure-seed"),
        ("wasi:cli/environment", "func get-arguments"),
        ("wasi:cli/exit", "func exit"),
        ("wasi:cli/stdin", "func get-stdin"),
        ("wasi:cli/stdout", "func get-stdout"),
        ("wasi:cli/stderr", "func get-stderr"),
        ("wasi:cli/terminal-input", "resource terminal-input"),
        ("wasi:cli/terminal-output", "resource terminal-output"),
        ("wasi:cli/terminal-stdin", "func get-terminal-stdin"),
        ("wasi:cli/terminal-stdout", "func get-terminal-stdout"),
        ("wasi:cli/terminal-stderr", "func get-terminal-stderr"),
        ("wasi:filesystem/types", "resource descriptor"),
        ("wasi:filesystem/preopens", "func get-directories"),
        ("wasi:sockets/network", "resource network"),
        ("wasi:sockets/instance-network", "func instance-network"),
        ("wasi:sockets/ip-name-lookup", "resource resolve-address-stream"),
        ("wasi:sockets/tcp", "resource tcp-socket"),
        ("wasi:sockets/tcp-create-socket", "func create-tcp-socket"),
        ("wasi:sockets/udp", "resource udp-socket"),
        ("wasi:sockets/udp-create-socket", "func create-udp-socket"),
    ];

    #[test]
    fn everything_on_the_list_is_linked() -> wasmtime::Result<()> {
        let engine = engine::for_compiling(engine::Model::Plain)?;
        let linker = imports::linker(&engine)?;
        let linked = |import: &str, item: &str| -> wasmtime::Result<bool> {
            let item = match item.split_once(' ') {
                Some(("func", name)) => format!(r#"(export "{name}" (func))"#),
                _ => format!(r#"(export "{}" (type (sub resource)))"#, item.trim_start_matches("resource ")),
            };
            let text = format!(r#"(component (import "{import}" (instance {item})))"#);
            let component = Component::new(&engine, wat::parse_str(text).expect("a component"))?;
            // One of another type is there too.
            let error = linker.instantiate_pre(&component).err().map(|error| format!("{error:#}")).unwrap_or_default();
            Ok(!error.contains("missing"))
        };
        for offer in OFFERED {
            let import = format!("{}@{}0", offer.name, offer.version).replace("@1.0", "@1.0.0");
            assert!(find(&import).is_some(), "{import}");
            match ITEMS.iter().find(|(name, _)| *name == offer.name) {
                Some((_, item)) => assert!(linked(&import, item)?, "{import} {item}"),
                None => assert_eq!(offer.name, "mcpbox:guest/types", "only types"),
            }
            assert!(!linked(&import, "func none")?, "{import}: the check finds what is missing");
        }
        Ok(())
    }

    #[test]
    fn every_import_that_is_not_offered_is_named() -> wasmtime::Result<()> {
        let engine = engine::for_compiling(engine::Model::Plain)?;
        let text = r#"(component
                (import "wasi:http/types@0.3.0" (instance (export "f" (func))))
                (import "evil:host/shell" (instance (export "f" (func))))
                (import "a:b/only-types@1.0.0" (instance (type $t (enum "a")) (export "t" (type (eq $t)))))
                (import "wasi:clocks/wall-clock@0.2.6" (instance))
                (import "run" (func)))"#;
        let component = Component::new(&engine, wat::parse_str(text).expect("a component"))?;
        let error = Imports::of(&component).err().unwrap_or_default();
        assert!(error.contains("`evil:host/shell`, `run`, `wasi:http/types@0.3.0`"), "{error}");
        assert!(!error.contains("only-types") && !error.contains("wall-clock"), "{error}");
        Ok(())
    }
}
