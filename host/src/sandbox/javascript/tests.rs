//! Sources and what is read in them. The parser runs here in the test's own process, on what we wrote.

use serde_json::{Value, json};

use super::positions::Position;
use super::transpile::{Answer, Mistake, Module, transpile};
use super::{Promised, Script, decode};
use crate::domain::outcome::Outcome;

fn module(source: &str) -> Module {
    match transpile(source) {
        Answer::Module(module) => module,
        Answer::Mistake(mistake) => panic!("{mistake:?} in {source}"),
    }
}

fn mistake(source: &str) -> Mistake {
    match transpile(source) {
        Answer::Mistake(mistake) => mistake,
        Answer::Module(_) => panic!("nothing is wrong in {source}"),
    }
}

fn input(source: &str) -> Value {
    serde_json::from_str(&module(source).input_schema).expect("JSON")
}

fn output(source: &str) -> Option<Value> {
    module(source).output_schema.map(|schema| serde_json::from_str(&schema).expect("JSON"))
}

/// The schema of the property `a` of an argument of this type.
fn argument(kind: &str) -> Value {
    input(&format!("export function main({{ a }}: {{ a: {kind} }}) {{}}"))["properties"]["a"].clone()
}

#[test]
fn javascript_runs_as_it_is_written_and_types_are_taken_out() {
    assert_eq!(module("export function main() { return 1 }").code, None);
    let code = module("export function main({ a }: { a: number }) { return a as number }").code.expect("changed");
    assert!(!code.contains("number"), "{code}");
    let code = module("enum E { A = 'x' }\nexport default () => E.A satisfies string;").code.expect("changed");
    assert!(code.contains("\"x\"") || code.contains("'x'"), "{code}");
}

#[test]
fn typescript_types_become_schemas() {
    for (kind, schema) in [
        ("string", json!({"type": "string"})),
        ("number", json!({"type": "number"})),
        ("boolean", json!({"type": "boolean"})),
        ("null", json!({"type": "null"})),
        ("any", json!({})),
        ("unknown[]", json!({"type": "array"})),
        ("string[]", json!({"type": "array", "items": {"type": "string"}})),
        ("ReadonlyArray<number>", json!({"type": "array", "items": {"type": "number"}})),
        ("readonly boolean[]", json!({"type": "array", "items": {"type": "boolean"}})),
        ("'a' | 'b'", json!({"type": "string", "enum": ["a", "b"]})),
        ("1 | -2", json!({"type": "number", "enum": [1, -2]})),
        ("'a' | 1 | true", json!({"enum": ["a", 1, true]})),
        ("string | null", json!({"anyOf": [{"type": "string"}, {"type": "null"}]})),
        (
            "'a' | number[]",
            json!({"anyOf": [{"type": "string", "enum": ["a"]}, {"type": "array", "items": {"type": "number"}}]}),
        ),
        ("Record<string, number>", json!({"type": "object", "additionalProperties": {"type": "number"}})),
        (
            "{ [key: string]: boolean }",
            json!({"type": "object", "properties": {}, "additionalProperties": {"type": "boolean"}}),
        ),
        ("`v${number}`", json!({"type": "string"})),
        (
            "[string, number?]",
            json!({"type": "array", "prefixItems": [{"type": "string"}, {"type": "number"}], "items": false, "minItems": 1}),
        ),
        (
            "{ x: string; y?: number }",
            json!({"type": "object", "properties": {"x": {"type": "string"}, "y": {"type": "number"}}, "required": ["x"], "additionalProperties": false}),
        ),
        (
            "Pick<{ x: string; y: number }, 'x'>",
            json!({"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"], "additionalProperties": false}),
        ),
        (
            "Partial<{ x: string }>",
            json!({"type": "object", "properties": {"x": {"type": "string"}}, "additionalProperties": false}),
        ),
        (
            "{ x: string } & { y: number }",
            json!({"type": "object", "properties": {"x": {"type": "string"}, "y": {"type": "number"}}, "required": ["x", "y"], "additionalProperties": false}),
        ),
        ("SomethingElse<string>", json!({})),
        ("keyof { a: 1 }", json!({})),
    ] {
        assert_eq!(argument(kind), schema, "{kind}");
    }
}

#[test]
fn declared_types_are_followed_and_may_contain_themselves() {
    let source = "
        enum Unit { C = 'celsius', F = 'fahrenheit' }
        interface Named { name: string }
        interface Node extends Named {
            /** What hangs below it. */
            children: Node[];
        }
        type Tree = { root: Node; unit: Unit };
        export async function main(tree: Tree): Promise<Node> { return tree.root }";
    let schema = input(source);
    assert_eq!(schema["properties"]["unit"], json!({"type": "string", "enum": ["celsius", "fahrenheit"]}));
    let node = &schema["properties"]["root"];
    assert_eq!(node["properties"]["children"]["items"], json!({"$ref": "#/$defs/Node"}));
    assert_eq!(node["properties"]["children"]["description"], "What hangs below it.");
    assert_eq!(node["required"], json!(["name", "children"]));
    assert_eq!(schema["$defs"]["Node"], *node);
    let result = output(source).expect("a schema");
    assert_eq!(result["properties"]["name"], json!({"type": "string"}));
    assert!(result["$defs"]["Node"].is_object(), "{result}");
}

#[test]
fn a_parameter_is_described_by_types_defaults_and_comments_together() {
    let source = "
        /**
         * Tells the weather.
         *
         * @param args.city - Where.
         * @param days How many days.
         */
        export const main = async ({ city, days = 3, note }: { city: string; days?: number; note?: string | null }) => city;";
    assert_eq!(module(source).summary, "Tells the weather.");
    assert_eq!(
        input(source),
        json!({
            "type": "object",
            "properties": {
                "city": {"type": "string", "description": "Where."},
                "days": {"type": "number", "default": 3, "description": "How many days."},
                "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            },
            "required": ["city"],
            "additionalProperties": false,
        })
    );
}

#[test]
fn plain_javascript_is_described_by_its_comment() {
    let source = "
        /** @typedef {{ lat: number, lon: number }} Place */
        /**
         * Plans.
         * @param {string} city - Where.
         * @param {integer} [days=3]
         * @param {('slow'|'fast')=} pace
         * @param {Place[]} [stops]
         * @returns {Promise<string[]>}
         */
        export default async function ({ city, days = 3, pace, stops = [], more = true }) { return [city]; }";
    let schema = input(source);
    assert_eq!(schema["properties"]["city"], json!({"type": "string", "description": "Where."}));
    assert_eq!(schema["properties"]["days"], json!({"type": "integer", "default": 3}));
    assert_eq!(schema["properties"]["pace"], json!({"type": "string", "enum": ["slow", "fast"]}));
    assert_eq!(schema["properties"]["stops"]["items"]["required"], json!(["lat", "lon"]));
    assert_eq!(schema["properties"]["more"], json!({"type": "boolean", "default": true}));
    assert_eq!(schema["required"], json!(["city"]));
    let wrapped = json!({"type": "object", "properties": {"result": {"type": "array", "items": {"type": "string"}}}, "required": ["result"]});
    assert_eq!(output(source), Some(wrapped));

    let dotted = "/** @param {object} args\n * @param {string} args.city\n * @param {number} [args.days] */\nexport function main(args) {}";
    assert_eq!(input(dotted)["required"], json!(["city"]));
    assert_eq!(input("export function main(args) {}"), json!({"type": "object"}));
    assert_eq!(
        input("export function main({ a, ...rest }) {}"),
        json!({"type": "object", "properties": {"a": {}}, "required": ["a"]})
    );
    assert_eq!(
        input("export function main() {}"),
        json!({"type": "object", "properties": {}, "additionalProperties": false})
    );
}

#[test]
fn results_may_be_what_becomes_json() {
    let of = |kind: &str| output(&format!("export function main(): {kind} {{ return undefined as never }}"));
    assert_eq!(of("void"), None);
    assert_eq!(of("Promise<any>"), None);
    assert_eq!(of("{ at: Date }").expect("one")["properties"]["at"], json!({"type": "string", "format": "date-time"}));
    assert_eq!(of("Map<string, number>"), Some(json!({"type": "object", "additionalProperties": {"type": "number"}})));
    let maybe = of("{ x: 1 } | undefined").expect("one");
    assert_eq!(maybe["properties"]["result"]["anyOf"][1], json!({"type": "null"}));
}

#[test]
fn main_is_found_however_it_is_exported() {
    for source in [
        "function run({ a }) {}\nexport { run as main };",
        "const run = ({ a }) => a;\nexport default run;",
        "export default ({ a }) => a;",
        "export default function ({ a }) {}",
        "export const main = async function ({ a }) {};",
    ] {
        assert_eq!(input(source)["required"], json!(["a"]), "{source}");
    }
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let at = |source: &str| {
        let found = mistake(source);
        (found.kind, found.message, found.position.map(|at| (at.line, at.column)))
    };
    assert_eq!(at("export const x = 1;").0, "NoMain");
    for source in [
        "\nexport const main = 3;",
        "\nexport const main = { run() {} } as const;",
        "\nexport class main {}",
        "\nexport enum main { A }",
        "\nexport default class {}",
        "\nexport default `text`;",
        "\nconst made = [() => 1];\nexport { made as main };",
    ] {
        let (kind, message, place) = at(source);
        assert_eq!((kind.as_str(), place), ("NoMain", Some((2, 1))), "{source}");
        assert!(message.contains("not as a function"), "{source}: {message}");
    }
    // As the interpreter does, which takes the default where `main` is none; and what only a run can tell is left to it.
    for source in [
        "export const main = 3;\nexport default () => 1;",
        "const make = () => () => 1;\nexport const main = make();",
        "export let main = 3;\nmain = () => 1;",
    ] {
        module(source);
    }
    let (kind, _, place) = at("export function main() {\n  const a = ;\n}");
    assert_eq!((kind.as_str(), place), ("SyntaxError", Some((2, 13))));
    let (kind, message, place) = at("\nimport fs from \"node:fs\";\nexport function main() { return fs }");
    assert_eq!((kind.as_str(), place), ("ImportError", Some((2, 1))));
    assert!(message.contains("node:fs"), "{message}");
    let (_, message, place) = at("export function main(city, days) {}");
    assert!(message.contains("one object"), "{message}");
    assert_eq!(place, Some((1, 1)));
    assert!(at("export function main({ at }: { at: Date }) {}").1.contains("take a string"));
    assert!(at("export function main(city: string) {}").1.contains("must be an object"));
    // Types from elsewhere are only types.
    assert!(module("import type { A } from './a';\nexport function main(args: A) {}").code.is_some());
}

#[test]
fn types_that_multiply_without_end_are_refused() {
    let mut source = "type T0 = { a: string };\n".to_owned();
    for at in 1..40 {
        source.push_str(&format!("type T{at} = {{ a: T{}; b: T{} }};\n", at - 1, at - 1));
    }
    source.push_str("export function main(args: T39) {}");
    assert!(mistake(&source).message.contains("simpler"));
}

#[test]
fn positions_of_typescript_come_from_its_own_lines() {
    let source = "interface A {\n  x: number;\n}\n\nexport function main(a: A): number {\n  return a.x.y.z;\n}";
    let module = module(source);
    let code = module.code.expect("changed");
    let line = code.lines().position(|line| line.contains("return")).expect("a return") + 1;
    let column = code.lines().nth(line - 1).and_then(|line| line.find("return")).expect("its column") + 1;
    let short = |number: usize| u32::try_from(number).expect("a small number");
    let generated = Position { line: short(line), column: short(column) };
    assert_eq!(module.origins.of(generated), Some(Position { line: 6, column: 3 }));
}

#[test]
fn the_context_is_a_parameter_and_no_argument() {
    let typed = "export function main({ a }: { a: string }, ctx: Context): void {}";
    let commented = "/** @param {string} a\n * @param {Context} ctx\n * @param {object} ctx.more */\nexport function main({ a }, ctx) {}";
    for source in [
        typed,
        commented,
        "export const main = async ({ a }, { elicit, sample }) => {};",
        "export default ({ a }, context) => {};",
    ] {
        let schema = input(source);
        assert_eq!((&schema["required"], &schema["additionalProperties"]), (&json!(["a"]), &json!(false)), "{source}");
        assert_eq!(schema["properties"].as_object().map(|all| all.len()), Some(1), "{source}");
    }
    let none = json!({"type": "object", "properties": {}, "additionalProperties": false});
    assert_eq!(input("export function main({}, ctx) {}"), none);
    assert_eq!(input("/** @param {Context} ctx */\nexport function main(_, ctx) {}"), json!({"type": "object"}));
    for source in [
        "export function main({ a }, days) {}",
        "export function main({ a }: { a: string }, ctx: { days: number }) {}",
        "export function main({ a }, ctx, more) {}",
        "export function main({ a }, ...ctx) {}",
    ] {
        assert!(mistake(source).message.contains("`main({ city, days }, ctx)`"), "{source}");
    }
}

#[test]
fn content_has_no_schema() {
    for kind in ["Content", "Content[]", "Promise<Content>", "Promise<(Content | string)[]>", "{ a: 1 } | Content"] {
        assert_eq!(output(&format!("export function main(): {kind} {{}}")), None, "{kind}");
        assert_eq!(output(&format!("/** @returns {{{kind}}} */\nexport function main() {{}}")), None, "{kind}");
    }
    let own = "interface Content { text: string }\nexport function main(): Content { return { text: '' } }";
    assert_eq!(output(own).expect("a schema")["required"], json!(["text"]), "a type of the file's own");
}

fn script(promised: Promised) -> Script {
    Script { promised, ..Script::default() }
}

#[test]
fn a_result_is_structured_as_pythons_is() {
    let plain = Script::default();
    assert_eq!(plain.structured("{\"a\":1}").as_deref(), Some("{\"a\":1}"));
    assert_eq!(plain.structured("[1]"), None);
    assert_eq!(script(Promised::Wrapped).structured("[1]").as_deref(), Some("{\"result\":[1]}"));
}

#[test]
fn beside_content_nothing_is_structured_or_what_is_promised() {
    for (promised, result, structured) in [
        (Promised::Nothing, "null", None),
        (Promised::Nothing, "{\"a\":1}", Some("{\"a\":1}")),
        (Promised::Object, "{}", Some("{}")),
        (Promised::Wrapped, "[1]", Some("{\"result\":[1]}")),
    ] {
        let made = script(promised).structured_beside_content(result).expect("fits");
        assert_eq!(made.as_deref(), structured, "{promised:?} {result}");
    }
    for (promised, result, says) in [
        (Promised::Object, "null", "ctx.result(content, value)"),
        (Promised::Wrapped, "null", "ctx.result(content, value)"),
        (Promised::Nothing, "1", "no object"),
    ] {
        let exception = script(promised).structured_beside_content(result).expect_err("does not fit");
        assert!(exception.message.contains(says), "{exception:?}");
    }
}

mod any {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        /// Pieces of the language in any order; most are wrong, none may take the process down.
        #[test]
        fn source_is_read_or_refused(pieces in proptest::collection::vec(proptest::sample::select(vec![
            "export ", "default ", "function ", "main", "(", ")", "{", "}", "a", ": ", "string", "[]", "=", "3", ",",
            "async ", "=>", "type T", "<", ">", "|", "&", "'x'", "interface I ", "enum E ", ";", "\n", "/** @param {",
            "} x */", "...", "?", "class C ", "import ", " from 'y'", "`", "${", "\u{2028}", "é", "@", "new ", "void ",
        ]), 0..40)) {
            let source = pieces.concat();
            let answer = transpile(&source);
            let sent = serde_json::to_vec(&answer).expect("JSON");
            prop_assert!(decode(&sent, &source).is_ok());
        }

        #[test]
        fn answer_of_the_child_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes, "source");
        }

        #[test]
        fn mistake_is_shown_wherever_it_points(line in any::<u32>(), column in any::<u32>(), source in "(\\PC{0,9}\n?){0,5}") {
            let position = Some(Position { line, column });
            let answer = Answer::Mistake(Mistake { kind: "K".into(), message: "m".into(), position });
            let sent = serde_json::to_vec(&answer).expect("JSON");
            prop_assert!(matches!(decode(&sent, &source), Ok(Err(Outcome::Raised(_)))));
        }
    }
}
