//! The words of a component's author about its functions, where the component has them.
//!
//! WIT keeps comments outside the types, in a custom section `package-docs`: a byte for the version,
//! then JSON (`wit_parser::PackageMetadata`). Most components have none. The section is the author's
//! and is only ever shown: what is too long or cannot be read is as if it were not there.

use std::collections::HashMap;

use serde::Deserialize;

/// Size of the section that is read.
const SECTION_BYTES: usize = 1 << 20;
/// Length of one description that is kept.
const DESCRIPTION_CHARS: usize = 4_000;
/// Versions of the section's form that are known.
const VERSIONS: [u8; 2] = [0, 1];

/// What is said about functions.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Docs {
    #[serde(default)]
    worlds: HashMap<String, World>,
    #[serde(default)]
    interfaces: HashMap<String, Interface>,
}

#[derive(Debug, Default, Deserialize)]
struct World {
    /// Imports, and exports of a name that no import has.
    #[serde(default)]
    funcs: HashMap<String, Function>,
    #[serde(default)]
    func_exports: HashMap<String, Function>,
    #[serde(default)]
    interfaces: HashMap<String, Interface>,
    #[serde(default)]
    interface_exports: HashMap<String, Interface>,
}

#[derive(Debug, Default, Deserialize)]
struct Interface {
    #[serde(default)]
    funcs: HashMap<String, Function>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Function {
    Text(String),
    Docs { docs: Option<String> },
}

impl Function {
    fn text(&self) -> Option<String> {
        let (Self::Text(text) | Self::Docs { docs: Some(text) }) = self else { return None };
        let text = text.trim();
        (!text.is_empty()).then(|| text.chars().take(DESCRIPTION_CHARS).collect())
    }
}

impl Docs {
    /// Those of a component; empty when it has none.
    pub(super) fn of(component: &[u8]) -> Self {
        let section = section(component, "package-docs").filter(|section| section.len() <= SECTION_BYTES);
        let Some((version, json)) = section.and_then(<[u8]>::split_first) else { return Self::default() };
        if !VERSIONS.contains(version) {
            return Self::default();
        }
        serde_json::from_slice(json).unwrap_or_default()
    }

    /// What is said about a function; `interface` as the component exports it, none for the root.
    pub(super) fn function(&self, interface: Option<&str>, name: &str) -> Option<String> {
        let found = match interface {
            Some(interface) => {
                let path = interface.split('@').next().unwrap_or(interface);
                let short = path.rsplit('/').next().unwrap_or(path);
                // An interface that is written inside a world has no package.
                let in_worlds = self.worlds.values().filter(|_| !path.contains('/'));
                let in_worlds =
                    in_worlds.flat_map(|world| [world.interface_exports.get(short), world.interfaces.get(short)]);
                std::iter::once(self.interfaces.get(short))
                    .chain(in_worlds)
                    .flatten()
                    .find_map(|interface| interface.funcs.get(name))
            }
            None => {
                self.worlds.values().find_map(|world| world.func_exports.get(name).or_else(|| world.funcs.get(name)))
            }
        };
        found.and_then(Function::text)
    }
}

/// The content of the first custom section of that name, at the component's own level.
///
/// A component is eight bytes and then sections, each its kind, its length and its content; kind 0 is
/// a custom section, whose content begins with its name.
fn section<'a>(component: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let mut rest = component.get(8..)?;
    while let Some((kind, after)) = rest.split_first() {
        let (length, after) = leb128(after)?;
        let content = after.get(..length)?;
        rest = &after[length..];
        if *kind == 0
            && let Some((length, content)) = leb128(content)
            && content.get(..length) == Some(name.as_bytes())
        {
            return content.get(length..);
        }
    }
    None
}

/// An unsigned number as WebAssembly writes it.
fn leb128(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0_u32;
    for (at, byte) in bytes.iter().enumerate().take(5) {
        value |= u32::from(byte & 0x7f).checked_shl(u32::try_from(at * 7).ok()?)?;
        if byte & 0x80 == 0 {
            return Some((usize::try_from(value).ok()?, &bytes[at + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn component(sections: &[(&str, &[u8])]) -> Vec<u8> {
        let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
        for (name, content) in sections {
            bytes.push(0);
            bytes.push(u8::try_from(name.len() + 1 + content.len()).expect("short"));
            bytes.push(u8::try_from(name.len()).expect("short"));
            bytes.extend(name.as_bytes());
            bytes.extend(*content);
        }
        bytes
    }

    #[test]
    fn a_function_is_described_in_its_authors_words() {
        let json = br#"_{"interfaces":{"w":{"funcs":{"f":{"docs":" Says it. "}}}}}"#;
        let mut json = json.to_vec();
        json[0] = 1;
        let docs = Docs::of(&component(&[("name", b"x"), ("package-docs", &json)]));
        assert_eq!(docs.function(Some("a:b/w@1.0.0"), "f").as_deref(), Some("Says it."));
        assert_eq!(docs.function(Some("a:b/w@1.0.0"), "g"), None);
        assert_eq!(docs.function(None, "f"), None);
    }

    #[test]
    fn the_roots_functions_and_the_older_form_are_read() {
        let mut json = br#"_{"worlds":{"w":{"funcs":{"f":"Old."},"stability":1}},"docs":"x"}"#.to_vec();
        json[0] = 0;
        let docs = Docs::of(&component(&[("package-docs", &json)]));
        assert_eq!(docs.function(None, "f").as_deref(), Some("Old."));
    }

    #[test]
    fn what_cannot_be_read_is_not_there() {
        for content in [&b"\x07{}"[..], b"", b"\x01{", b"\x01[]"] {
            assert_eq!(Docs::of(&component(&[("package-docs", content)])).function(None, "f"), None);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = section(&bytes, "package-docs");
            let _ = Docs::of(&[&b"\0asm\x0d\0\x01\0"[..], &bytes].concat());
        }
    }
}
