//! `mcpbox.d.ts` is true: what it declares is there when a tool runs, and what is there it declares, name by name.

use std::collections::{BTreeMap, BTreeSet};

use oxc::allocator::Allocator;
use oxc::ast::ast::{BindingPattern, ClassElement, Expression, Statement, TSSignature, TSType, TSTypeName};
use oxc::parser::Parser;
use oxc::span::SourceType;
use serde_json::{Value, json};

use crate::javascript::run;
use crate::sandbox::text;

const DECLARATIONS: &str = include_str!("../../../components/javascript/mcpbox.d.ts");

/// The globals of the language itself, which `lib.es2024.d.ts` declares or which no tool should use.
const LANGUAGE: &str = "AggregateError Array ArrayBuffer AsyncDisposableStack BigInt BigInt64Array BigUint64Array \
    Boolean DataView Date DisposableStack Error EvalError FinalizationRegistry Float16Array Float32Array Float64Array \
    Function Infinity Int16Array Int32Array Int8Array Iterator JSON Map Math NaN Number Object Promise Proxy RangeError \
    ReferenceError Reflect RegExp Set SharedArrayBuffer String SuppressedError Symbol SyntaxError TypeError URIError \
    Uint16Array Uint32Array Uint8Array Uint8ClampedArray WeakMap WeakRef WeakSet decodeURI decodeURIComponent encodeURI \
    encodeURIComponent escape eval globalThis isFinite isNaN parseFloat parseInt undefined unescape";

/// One of each interface and class, and what each has beside what all objects, or all errors, have.
const LOOKS: &str = r#"
const names = (one) => {
  const all = new Set();
  for (let at = one; at && at !== Object.prototype && at !== Function.prototype && at !== Error.prototype; at = Object.getPrototypeOf(at)) {
    for (const name of Object.getOwnPropertyNames(at)) all.add(name);
  }
  // Every error has the rest, and numbers for its kinds are of the web of before.
  const common = one instanceof Error ? ["constructor", "name", "message", "stack", "toString"] : ["constructor"];
  return [...all].filter((name) => !common.includes(name) && !name.endsWith("_ERR")).sort();
};
const statics = (made) =>
  Object.getOwnPropertyNames(made).filter((name) => !["length", "name", "prototype"].includes(name) && !name.endsWith("_ERR")).sort();
const caught = async (work) => {
  try {
    await work();
  } catch (error) {
    return error;
  }
};

export async function main({}, ctx) {
  const raw = new Uint8Array(1);
  const samples = {
    AbortController: new AbortController(),
    AbortSignal: new AbortController().signal,
    ClientError: new ctx.ClientError("refused", ""),
    Console: console,
    Content: ctx.text(""),
    Context: ctx,
    Crypto: crypto,
    CryptoKey: await crypto.subtle.importKey("raw", raw, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]),
    CustomEvent: new CustomEvent(""),
    DOMException: new DOMException(),
    Event: new Event(""),
    EventTarget: new EventTarget(),
    FetchError: await caught(() => fetch("https://elsewhere.test/")),
    Headers: new Headers(),
    Log: log,
    Performance: performance,
    Request: new Request("https://site.test/"),
    Response: new Response(),
    SubtleCrypto: crypto.subtle,
    TextDecoder: new TextDecoder(),
    TextEncoder: new TextEncoder(),
    URL: new URL("https://site.test/"),
    URLSearchParams: new URLSearchParams(),
  };
  const each = (names) => Object.fromEntries(Object.entries(samples).map(([name, one]) => [name, names(name, one)]));
  const able = (await caught(() => ctx.can("magic"))).message;
  return {
    globals: Object.getOwnPropertyNames(globalThis).sort(),
    members: each((_, one) => names(one)),
    statics: each((name) => (typeof globalThis[name] === "function" ? statics(globalThis[name]) : [])),
    abilities: able.slice(able.lastIndexOf("there are ") + 10).split(", "),
  };
}"#;

#[derive(Debug, Default)]
struct Declared {
    /// What is there when a tool runs.
    values: BTreeSet<String>,
    /// Of interfaces and classes.
    members: BTreeMap<String, BTreeSet<String>>,
    statics: BTreeMap<String, BTreeSet<String>>,
    /// The class that each class extends.
    extends: BTreeMap<String, String>,
    /// The interfaces that a value has.
    used: BTreeSet<String>,
}

fn declared() -> Declared {
    let allocator = Allocator::default();
    let parsed = Parser::new(&allocator, DECLARATIONS, SourceType::d_ts()).parse();
    assert!(parsed.diagnostics.is_empty(), "it is TypeScript: {:?}", parsed.diagnostics);
    let mut found = Declared::default();
    for statement in &parsed.program.body {
        match statement {
            Statement::TSTypeAliasDeclaration(_) => {}
            Statement::FunctionDeclaration(function) => {
                found.values.insert(function.id.as_ref().expect("a name").name.to_string());
            }
            Statement::VariableDeclaration(variables) => {
                for one in &variables.declarations {
                    let BindingPattern::BindingIdentifier(name) = &one.id else { panic!("no name") };
                    found.values.insert(name.name.to_string());
                    let kind = &one.type_annotation.as_ref().expect("a type").type_annotation;
                    if let TSType::TSTypeReference(reference) = kind
                        && let TSTypeName::IdentifierReference(interface) = &reference.type_name
                    {
                        found.used.insert(interface.name.to_string());
                    }
                }
            }
            Statement::TSInterfaceDeclaration(interface) => {
                let members = interface.body.body.iter().filter_map(|member| match member {
                    TSSignature::TSPropertySignature(property) => property.key.static_name(),
                    TSSignature::TSMethodSignature(method) => method.key.static_name(),
                    _ => None,
                });
                let members = members.map(|name| name.to_string()).collect();
                found.members.insert(interface.id.name.to_string(), members);
            }
            Statement::ClassDeclaration(class) => {
                let name = class.id.as_ref().expect("a name").name.to_string();
                let of = |statics: bool| -> BTreeSet<String> {
                    let members = class.body.body.iter().filter(|member| member.r#static() == statics);
                    let names = members.filter(|member| !matches!(member, ClassElement::StaticBlock(_)));
                    let names = names.filter_map(|member| member.static_name().map(|name| name.to_string()));
                    names.filter(|name| name != "constructor").collect()
                };
                if let Some(Expression::Identifier(parent)) =
                    class.heritage.as_ref().map(|heritage| &heritage.expression)
                {
                    found.extends.insert(name.clone(), parent.name.to_string());
                }
                found.members.insert(name.clone(), of(false));
                found.statics.insert(name.clone(), of(true));
                found.values.insert(name);
            }
            other => panic!("what is this: {other:?}"),
        }
    }
    found
}

fn set(list: &Value) -> BTreeSet<String> {
    list.as_array().expect("a list").iter().map(|name| name.as_str().expect("a name").to_owned()).collect()
}

#[tokio::test]
async fn the_types_of_a_tool_declare_what_is_there_and_nothing_else() {
    let report = run(LOOKS).await;
    let seen: Value = serde_json::from_str(&text(&report)).expect("JSON");
    let mut declared = declared();

    let mut globals: BTreeSet<String> = LANGUAGE.split_whitespace().map(str::to_owned).collect();
    globals.append(&mut declared.values.clone());
    assert_eq!(set(&seen["globals"]), globals);

    for (name, parent) in declared.extends.clone() {
        // Errors were looked at without what all of them have.
        let inherited = declared.members.get(&parent).cloned().unwrap_or_default();
        declared.members.get_mut(&name).expect("a class").extend(inherited);
    }
    let samples = seen["members"].as_object().expect("members");
    let needed = declared.used.iter().chain(declared.statics.keys());
    let unseen: Vec<&String> = needed.filter(|name| !samples.contains_key(*name)).collect();
    assert!(unseen.is_empty(), "nobody looked at {unseen:?}");
    for (name, members) in samples {
        assert_eq!(set(members), declared.members[name], "members of {name}");
        let statics = declared.statics.get(name).cloned().unwrap_or_default();
        assert_eq!(set(&seen["statics"][name]), statics, "static members of {name}");
    }

    let abilities: Vec<&str> = seen["abilities"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    let words: Vec<String> = abilities.iter().map(|name| json!(name).to_string()).collect();
    assert!(DECLARATIONS.contains(&format!("type Ability = {};", words.join(" | "))), "{words:?}");
}
