//! Random values of random types through a real component that answers what it was given: JSON in is
//! JSON out.
//!
//! The component echoes twice: a list, of which it touches only the address and the length, and more
//! parameters than fit into registers, which arrive in memory and are answered from there.

use std::fmt::Write as _;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mcpbox::domain::budget::Budget;
use mcpbox::domain::client::Nobody;
use mcpbox::domain::component::Inspection;
use mcpbox::domain::digest::Digest;
use mcpbox::domain::outcome::Outcome;
use mcpbox::egress::{Egress, EgressSettings, MappedNetwork};
use mcpbox::limits::Limits;
use mcpbox::sandbox::{Job, Sandbox, SandboxSettings};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio_util::sync::CancellationToken;

use crate::fixtures;
use crate::plain::program;

#[derive(Clone, Debug)]
enum Ty {
    Bool,
    Int(&'static str),
    F32,
    F64,
    Char,
    Text,
    List(Box<Ty>),
    Option(Box<Ty>),
    Tuple(Vec<Ty>),
    Record(Vec<Ty>),
    Variant(Vec<Option<Ty>>),
    Enum(usize),
    Flags(usize),
    Result(Option<Box<Ty>>, Option<Box<Ty>>),
}

const INTS: [&str; 8] = ["s8", "u8", "s16", "u16", "s32", "u32", "s64", "u64"];

fn ty() -> impl Strategy<Value = Ty> {
    let leaf = prop_oneof![
        Just(Ty::Bool),
        prop::sample::select(&INTS[..]).prop_map(Ty::Int),
        Just(Ty::F32),
        Just(Ty::F64),
        Just(Ty::Char),
        Just(Ty::Text),
        (1..40_usize).prop_map(Ty::Enum),
        (1..32_usize).prop_map(Ty::Flags),
    ];
    leaf.prop_recursive(5, 24, 4, |inner| {
        let maybe = prop::option::of(inner.clone());
        let boxed = || inner.clone().prop_map(Box::new);
        prop_oneof![
            boxed().prop_map(Ty::List),
            boxed().prop_map(Ty::Option),
            prop::collection::vec(inner.clone(), 1..4).prop_map(Ty::Tuple),
            prop::collection::vec(inner.clone(), 1..5).prop_map(Ty::Record),
            prop::collection::vec(maybe, 1..5).prop_map(Ty::Variant),
            (prop::option::of(boxed()), prop::option::of(boxed())).prop_map(|(ok, err)| Ty::Result(ok, err)),
        ]
    })
}

impl Ty {
    /// The type as WIT names it; those that need a declaration get one.
    fn wit(&self, declared: &mut Vec<String>) -> String {
        let declare = |declared: &mut Vec<String>, kind: &str, body: String| {
            let name = format!("t{}", declared.len());
            declared.push(format!("{kind} {name} {{ {body} }}"));
            name
        };
        match self {
            Self::Bool => "bool".to_owned(),
            Self::Int(name) => (*name).to_owned(),
            Self::F32 => "f32".to_owned(),
            Self::F64 => "f64".to_owned(),
            Self::Char => "char".to_owned(),
            Self::Text => "string".to_owned(),
            Self::List(element) => format!("list<{}>", element.wit(declared)),
            Self::Option(some) => format!("option<{}>", some.wit(declared)),
            Self::Tuple(parts) => {
                let parts: Vec<String> = parts.iter().map(|part| part.wit(declared)).collect();
                format!("tuple<{}>", parts.join(", "))
            }
            Self::Record(fields) => {
                let fields: Vec<String> = fields
                    .iter()
                    .enumerate()
                    .map(|(at, ty)| format!("f-{}: {}", letter(at), ty.wit(declared)))
                    .collect();
                declare(declared, "record", fields.join(", "))
            }
            Self::Variant(cases) => {
                let mut body = String::new();
                for (at, case) in cases.iter().enumerate() {
                    let _ = match case {
                        Some(ty) => write!(body, "c-{}({}), ", letter(at), ty.wit(declared)),
                        None => write!(body, "c-{}, ", letter(at)),
                    };
                }
                declare(declared, "variant", body)
            }
            Self::Enum(count) => declare(declared, "enum", names("e", *count).join(", ")),
            Self::Flags(count) => declare(declared, "flags", names("b", *count).join(", ")),
            Self::Result(ok, err) => {
                let mut side = |ty: &Option<Box<Ty>>| ty.as_ref().map_or("_".to_owned(), |ty| ty.wit(declared));
                match (ok, err) {
                    (None, None) => "result".to_owned(),
                    (Some(_), None) => format!("result<{}>", side(ok)),
                    _ => format!("result<{}, {}>", side(ok), side(err)),
                }
            }
        }
    }

    /// A value, as the host writes it.
    fn json(&self, dice: &mut Dice) -> String {
        match self {
            Self::Bool => (dice.below(2) == 0).to_string(),
            Self::Int(name) => dice.int(name).to_string(),
            Self::F32 => dice.float(
                |bits| f64::from(f32::from_bits(bits as u32)),
                |bits| format!("{:?}", f32::from_bits(bits as u32)),
            ),
            Self::F64 => dice.float(f64::from_bits, |bits| format!("{:?}", f64::from_bits(bits))),
            Self::Char => serde_json::to_string(&dice.char()).expect("JSON"),
            Self::Text => {
                let text: String = (0..dice.below(5)).map(|_| dice.char()).collect();
                serde_json::to_string(&text).expect("JSON")
            }
            Self::List(element) => list(element, dice),
            Self::Option(some) => match (dice.below(3), some.as_ref()) {
                (0, _) => "null".to_owned(),
                (_, Self::Option(_)) => format!(r#"{{"some":{}}}"#, some.json(dice)),
                _ => some.json(dice),
            },
            Self::Tuple(parts) => {
                let parts: Vec<String> = parts.iter().map(|part| part.json(dice)).collect();
                format!("[{}]", parts.join(","))
            }
            Self::Record(fields) => {
                let fields: Vec<String> = fields
                    .iter()
                    .enumerate()
                    .map(|(at, ty)| format!(r#""f-{}":{}"#, letter(at), ty.json(dice)))
                    .collect();
                format!("{{{}}}", fields.join(","))
            }
            Self::Variant(cases) => {
                let at = dice.below(cases.len());
                match &cases[at] {
                    Some(ty) => format!(r#"{{"tag":"c-{}","val":{}}}"#, letter(at), ty.json(dice)),
                    None => format!(r#"{{"tag":"c-{}"}}"#, letter(at)),
                }
            }
            Self::Enum(count) => format!("{:?}", names("e", *count)[dice.below(*count)]),
            Self::Flags(count) => {
                let set: Vec<String> = names("b", *count)
                    .into_iter()
                    .filter(|_| dice.below(2) == 0)
                    .map(|name| format!("{name:?}"))
                    .collect();
                format!("[{}]", set.join(","))
            }
            Self::Result(ok, err) => {
                let (key, ty) = if dice.below(2) == 0 { ("ok", ok) } else { ("err", err) };
                let value = ty.as_ref().map_or("null".to_owned(), |ty| ty.json(dice));
                format!(r#"{{"{key}":{value}}}"#)
            }
        }
    }
}

fn list(element: &Ty, dice: &mut Dice) -> String {
    let count = dice.below(4);
    if matches!(element, Ty::Int("u8")) {
        let bytes: Vec<u8> = (0..count * 3).map(|_| dice.below(256) as u8).collect();
        return format!("{:?}", STANDARD.encode(bytes));
    }
    let values: Vec<String> = (0..count).map(|_| element.json(dice)).collect();
    format!("[{}]", values.join(","))
}

/// A name of its own for each number.
fn letter(at: usize) -> String {
    let at = u8::try_from(at).expect("few");
    format!("{}{}", char::from(b'a' + at / 26), char::from(b'a' + at % 26))
}

fn names(kind: &str, count: usize) -> Vec<String> {
    (0..count).map(|at| format!("{kind}-{}", letter(at))).collect()
}

/// Numbers from a seed (SplitMix64, <https://prng.di.unimi.it/splitmix64.c>).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, count: usize) -> usize {
        (self.roll() % count as u64) as usize
    }

    fn int(&mut self, name: &str) -> i128 {
        let bits: u32 = name[1..].parse().expect("bits");
        let (min, max) = match &name[..1] {
            "s" => (-(1_i128 << (bits - 1)), (1_i128 << (bits - 1)) - 1),
            _ => (0, (1_i128 << bits) - 1),
        };
        match self.below(4) {
            0 => min,
            1 => max,
            _ => min + i128::from(self.roll()) % (max - min + 1),
        }
    }

    fn float(&mut self, wide: impl Fn(u64) -> f64, show: impl Fn(u64) -> String) -> String {
        if self.below(8) == 0 {
            return ["\"NaN\"", "\"Infinity\"", "\"-Infinity\""][self.below(3)].to_owned();
        }
        let bits = self.roll();
        if wide(bits).is_finite() { show(bits) } else { "-0.0".to_owned() }
    }

    fn char(&mut self) -> char {
        let plain = ['a', '"', '\\', '\n', '\u{0}', '\u{7f}', 'ä', '\u{2028}', '😀'];
        match self.below(3) {
            0 => char::from_u32((self.roll() % 0x0011_0000) as u32).unwrap_or('\u{fffd}'),
            _ => plain[self.below(plain.len())],
        }
    }
}

/// Parameters that no registers are left for.
const PADDING: usize = 17;

/// For each type `list-N: func(v: list<T>) -> list<T>` and, of all types together and the padding,
/// `all: func(…) -> tuple<…>`.
fn component(types: &[Ty]) -> Vec<u8> {
    let mut declared = Vec::new();
    let names: Vec<String> = types.iter().map(|ty| ty.wit(&mut declared)).collect();
    let mut functions = String::new();
    let mut code = String::new();
    for (at, name) in names.iter().enumerate() {
        let _ = writeln!(functions, "list{at}: func(v: list<{name}>) -> list<{name}>;");
        let _ = writeln!(
            code,
            r#"(func (export "a:b/echo#list{at}") (param i32 i32) (result i32)
                (i32.store (i32.const 16) (local.get 0)) (i32.store (i32.const 20) (local.get 1)) (i32.const 16))"#
        );
    }
    let all: Vec<&str> = names.iter().map(String::as_str).chain([("u8"); PADDING]).collect();
    let params: Vec<String> = all.iter().enumerate().map(|(at, name)| format!("p{at}: {name}")).collect();
    let _ = writeln!(functions, "all: func({}) -> tuple<{}>;", params.join(", "), all.join(", "));
    let wit =
        format!("package a:b; interface echo {{ {} {functions} }} world w {{ export echo; }}", declared.join("\n"));
    let wat = format!(
        r#"(module
            (memory (export "memory") 1)
            {code}
            (func (export "a:b/echo#all") (param i32) (result i32) (local.get 0))
            (global $free (mut i32) (i32.const 4096))
            (func (export "cabi_realloc") (param i32 i32 i32) (param $size i32) (result i32) (local $at i32)
                (local.set $at (global.get $free))
                (global.set $free (i32.and (i32.add (i32.add (local.get $at) (local.get $size)) (i32.const 7)) (i32.const -8)))
                (loop $grow
                    (if (i32.gt_u (global.get $free) (i32.shl (memory.size) (i32.const 16)))
                        (then (br_if $grow (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))))
                (local.get $at)))"#
    );
    fixtures::built(&wit, &wat)
}

/// A sandbox whose compiled code is gone with it: no other run makes the same components.
struct Bench {
    runtime: tokio::runtime::Runtime,
    sandbox: Sandbox,
    _cache: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let runtime = tokio::runtime::Runtime::new().expect("threads");
        let cache = tempfile::tempdir().expect("a folder");
        let limits = Limits::default();
        let egress = Egress::new(EgressSettings::from(&limits), Arc::new(MappedNetwork::default()));
        let program = env!("CARGO_BIN_EXE_mcpbox").into();
        let settings = SandboxSettings { limits, cache_dir: cache.path().to_owned(), program };
        let inside = runtime.enter();
        let sandbox = Sandbox::start(settings, egress).expect("a sandbox");
        drop(inside);
        Self { runtime, sandbox, _cache: cache }
    }

    fn inspect(&self, bytes: &Arc<[u8]>) -> Inspection {
        self.runtime.block_on(self.sandbox.inspect(bytes, Digest::of(bytes))).expect("accepted").expect("listed")
    }

    /// The structured result of a call.
    fn answer(&self, bytes: &Arc<[u8]>, tool: &str, arguments: String) -> String {
        let job = Job {
            program: program(bytes, tool),
            arguments,
            secrets: Arc::default(),
            bound: Arc::default(),
            grants: Arc::default(),
            budget: Budget::new(&Limits::default(), None),
            client: Arc::new(Nobody),
        };
        let report = self.runtime.block_on(self.sandbox.run(job, CancellationToken::new(), None));
        match report.expect("the host is sound").outcome {
            Outcome::Returned(result) => {
                result.structured_content.expect("every value has a structure").get().to_owned()
            }
            other => panic!("{other:?}"),
        }
    }
}

/// What a schema has against a value.
fn faults(schema: &str, json: &str) -> Vec<String> {
    let schema = jsonschema::validator_for(&serde_json::from_str(schema).expect("JSON")).expect("a schema");
    let json = serde_json::from_str(json).expect("JSON");
    schema.iter_errors(&json).map(|error| error.to_string()).collect()
}

#[test]
fn json_in_is_json_out_for_every_type() {
    let bench = Bench::new();
    let config = Config { cases: 64, max_shrink_iters: 40, failure_persistence: None, ..Config::default() };
    let random = (prop::collection::vec(ty(), 1..4), any::<u64>());
    let ran = TestRunner::new(config).run(&random, |(types, seed)| {
        let bytes: Arc<[u8]> = component(&types).into();
        let found = bench.inspect(&bytes);
        prop_assert_eq!(found.skipped, Vec::new());
        let check = |name: &str, arguments: String, result: &str| {
            let tool = found.tools.iter().find(|tool| tool.name == name).expect("a tool of each function");
            prop_assert_eq!(faults(&tool.input_schema, &arguments), Vec::<String>::new(), "{}", arguments);
            let answered = bench.answer(&bytes, name, arguments);
            prop_assert_eq!(&answered, &format!(r#"{{"result":{result}}}"#));
            let schema = tool.output_schema.as_ref().expect("a schema");
            prop_assert_eq!(faults(schema, &answered), Vec::<String>::new(), "{}", answered);
            Ok(())
        };
        let mut dice = Dice(seed);
        for (at, ty) in types.iter().enumerate() {
            for _ in 0..4 {
                let value = list(ty, &mut dice);
                check(&format!("echo_list{at}"), format!(r#"{{"v":{value}}}"#), &value)?;
            }
        }
        for _ in 0..4 {
            let mut values: Vec<String> = types.iter().map(|ty| ty.json(&mut dice)).collect();
            values.extend((0..PADDING).map(|at| at.to_string()));
            let arguments: Vec<String> =
                values.iter().enumerate().map(|(at, value)| format!(r#""p{at}":{value}"#)).collect();
            check("echo_all", format!("{{{}}}", arguments.join(",")), &format!("[{}]", values.join(",")))?;
        }
        Ok(())
    });
    if let Err(error) = ran {
        panic!("{error}");
    }
}
