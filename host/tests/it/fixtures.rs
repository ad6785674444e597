//! Components with one bad habit each, made from `components/fixtures/*.wat`, and broken binaries.
//!
//! A fixture is built anew whenever it is asked for; that takes a few milliseconds and no guest
//! toolchain.

use std::fs;
use std::path::{Path, PathBuf};

use wit_component::{ComponentEncoder, DecodedWasm, StringEncoding};
use wit_parser::Resolve;

use crate::source;

/// The component of `components/fixtures/NAME.wat`.
pub fn component(name: &str) -> Vec<u8> {
    let file = folder().join(name).with_extension("wat");
    let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("cannot read {}: {error}", file.display()));
    let mut module = wat::parse_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
    let mut contract = Resolve::default();
    contract.push_dir(source::file("guest-sdk/wit")).expect("the contract parses");
    let (package, _) = contract.push_dir(folder().join("wit")).expect("the world of the fixtures parses");
    let world = contract.select_world(&[package], Some("fixture")).expect("there is a world `fixture`");
    wit_component::embed_component_metadata(&mut module, &contract, world, StringEncoding::UTF8, false)
        .expect("a module takes a section");
    ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .and_then(|encoder| encoder.encode())
        .unwrap_or_else(|error| panic!("{name} becomes no component: {error:?}"))
}

/// The plain component of `components/fixtures/plain/NAME.wit` and `.wat`.
pub fn plain(name: &str) -> Vec<u8> {
    let read = |extension: &str| {
        let file = folder().join("plain").join(name).with_extension(extension);
        fs::read_to_string(&file).unwrap_or_else(|error| panic!("cannot read {}: {error}", file.display()))
    };
    built(&read("wit"), &read("wat"))
}

/// A component of the only world of `wit`, which may name what `components/fixtures/wit` holds.
pub fn built(wit: &str, wat: &str) -> Vec<u8> {
    let mut module = wat::parse_str(wat).unwrap_or_else(|error| panic!("{error}"));
    let mut resolve = Resolve::default();
    resolve.push_dir(source::file("guest-sdk/wit")).expect("the contract parses");
    resolve.push_dir(folder().join("wit")).expect("the world of the fixtures parses");
    let package = resolve.push_str("plain.wit", wit).unwrap_or_else(|error| panic!("{error:?}"));
    let world = resolve.select_world(&[package], None).unwrap_or_else(|error| panic!("{error:?}"));
    wit_component::embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false)
        .expect("a module takes a section");
    ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .and_then(|encoder| encoder.encode())
        .unwrap_or_else(|error| panic!("no component: {error:?}"))
}

/// The name of each fixture of the contract, sorted.
pub fn names() -> Vec<String> {
    names_in(&folder())
}

fn names_in(folder: &Path) -> Vec<String> {
    let files = fs::read_dir(folder).expect("the folder of fixtures is there");
    let mut names: Vec<String> = files
        .map(|file| file.expect("a folder can be listed").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "wat"))
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    names
}

/// The head of a component, then bytes that are no section.
pub fn malformed() -> Vec<u8> {
    let mut bytes = component("noop");
    bytes.truncate(8);
    bytes.extend([0xff; 64]);
    bytes
}

/// The first half of a good component.
pub fn truncated() -> Vec<u8> {
    let mut bytes = component("noop");
    bytes.truncate(bytes.len() / 2);
    bytes
}

/// A good component of `size` bytes or a few more: nothing is wrong with it but its size.
pub fn enormous(size: usize) -> Vec<u8> {
    let mut bytes = component("noop");
    let padding = u32::try_from(size.saturating_sub(bytes.len())).expect("a section is smaller than 4 GiB");
    bytes.push(0); // a custom section, whose length counts its name and its content
    leb128(&mut bytes, padding + 4);
    bytes.extend(b"\x03pad");
    bytes.resize(bytes.len() + padding as usize, 0);
    bytes
}

/// Appends an unsigned number as WebAssembly writes it.
fn leb128(bytes: &mut Vec<u8>, mut number: u32) {
    while number > 0x7f {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn folder() -> PathBuf {
    source::file("components/fixtures")
}

/// The interfaces that a component imports; the encoder and this check that it is valid.
pub fn imports(name: &str, bytes: &[u8]) -> Vec<String> {
    let decoded = wit_component::decode(bytes).unwrap_or_else(|error| panic!("{name}: {error:?}"));
    let DecodedWasm::Component(contract, world) = decoded else { panic!("{name} is no component") };
    let world = &contract.worlds[world];
    world.imports.keys().map(|key| contract.name_world_key(key)).collect()
}

#[test]
fn every_fixture_is_a_component_that_imports_only_what_its_habit_needs() {
    let names = names();
    assert!(names.len() > 20, "only {names:?}");
    for name in names {
        let expected: &[&str] = match name.as_str() {
            "many_requests" | "requests_until_refused" | "sleep" => &["mcpbox:guest/http@1.0.0"],
            "many_host_calls" | "flood_log" => &["mcpbox:guest/log@1.0.0"],
            "many_handles" => &["wasi:cli/stdout@0.2.0", "wasi:io/streams@0.2.0"],
            "flood_stdout" => &["wasi:cli/stdout@0.2.0", "wasi:io/error@0.2.0", "wasi:io/streams@0.2.0"],
            "bad_import" => &["evil:host/shell@1.0.0"],
            _ => &[],
        };
        let mut found = imports(&name, &component(&name));
        // The words of the contract: types only, which need no host.
        found.retain(|import| import != "mcpbox:guest/types@1.0.0");
        found.sort();
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn every_plain_fixture_imports_only_what_it_needs() {
    for name in names_in(&folder().join("plain")) {
        let expected: &[&str] = match name.as_str() {
            "http_get" => &["wasi:http/outgoing-handler", "wasi:http/types", "wasi:io/poll", "wasi:io/streams"],
            "files" => &["wasi:filesystem/preopens", "wasi:filesystem/types"],
            _ => &[],
        };
        let mut found = imports(&name, &plain(&name));
        found.retain(|import| import != "wasi:io/error@0.2.0");
        found.sort();
        let expected: Vec<String> = expected.iter().map(|name| format!("{name}@0.2.0")).collect();
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn the_page_of_the_fixtures_names_each() {
    let page = fs::read_to_string(folder().join("README.md")).expect("the fixtures have a page");
    for name in names().into_iter().chain(names_in(&folder().join("plain"))) {
        assert!(page.contains(&format!("| `{name}` |")), "README.md lacks {name}");
    }
}

#[test]
fn the_broken_ones_are_broken() {
    assert!(wit_component::decode(&malformed()).is_err());
    assert!(wit_component::decode(&truncated()).is_err());
    for size in [0, 100_000, 3_000_000] {
        let bytes = enormous(size);
        assert!((size..size + 4_096).contains(&bytes.len()), "{} for {size}", bytes.len());
        assert_eq!(imports("enormous", &bytes), imports("noop", &component("noop")));
    }
}
