//! What it costs to speak WIT's types in place of JSON: a plain component that answers the records it
//! was given, beside a component of the contract that answers the same JSON as a text.

use mcpbox::limits::Limits;
use serde_json::json;

use crate::page::Table;
use crate::samples::{Samples, number};
use crate::{Bench, guests};

/// Records in, the same records out.
const WIT: &str = "package bench:plain;
world records {
  record stay { guest: string, nights: u32, price: f64, paid: bool, notes: list<string> }
  export echo: func(stays: list<stay>) -> list<stay>;
}
";

/// It touches only the address and the length of the list, so that what is measured is the conversion.
const WAT: &str = r#"(module
  (memory (export "memory") 1)
  (global $free (mut i32) (i32.const 4096))
  (func (export "echo") (param i32 i32) (result i32)
    (i32.store (i32.const 16) (local.get 0))
    (i32.store (i32.const 20) (local.get 1))
    (i32.const 16))
  (func (export "cabi_realloc") (param i32 i32 i32) (param $size i32) (result i32) (local $at i32)
    (local.set $at (global.get $free))
    (global.set $free (i32.and (i32.add (i32.add (local.get $at) (local.get $size)) (i32.const 7)) (i32.const -8)))
    (loop $grow
      (if (i32.gt_u (global.get $free) (i32.shl (memory.size) (i32.const 16)))
        (then (br_if $grow (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))))
    (local.get $at)))
"#;

/// # Errors
/// When a call does not return.
pub async fn run(bench: &Bench) -> anyhow::Result<Table> {
    let sandbox = guests::sandbox(&bench.program, &bench.cache, &Limits::default())?;
    let plain = guests::plain(WIT, WAT, "echo")?.program();
    let text = guests::fixture("echo")?.program();
    let mut rows = Vec::new();
    for records in [1, 100, 2_000] {
        let stay = json!({"guest": "Ada", "nights": 3, "price": 120.5, "paid": true, "notes": ["late", "quiet room"]});
        let arguments = json!({"stays": vec![stay; records]}).to_string();
        let (mut converted, mut carried) = (Samples::default(), Samples::default());
        for round in 0..=bench.rounds(6) {
            bench.say(&format!("conversion: {records} records, round {round}"));
            for (program, samples) in [(&plain, &mut converted), (&text, &mut carried)] {
                for _ in 0..bench.shorten(100) {
                    let took = guests::call_with(&sandbox, program, &arguments).await?;
                    // The first round also compiles.
                    if round > 0 {
                        samples.push(took);
                    }
                }
            }
        }
        let [converted_ms, carried_ms] =
            [&converted, &carried].map(|samples| samples.percentile(50).as_secs_f64() * 1e3);
        // There and back.
        let megabytes = 2.0 * arguments.len() as f64 / 1e6;
        rows.push(vec![
            records.to_string(),
            number(arguments.len() as f64 / 1e3),
            number(carried_ms),
            number(converted_ms),
            number(converted_ms / carried_ms.max(1e-9)),
            number(megabytes / (converted_ms / 1e3).max(1e-9)),
        ]);
    }
    let heads =
        ["records", "JSON kB", "as a text, p50 ms", "as WIT records, p50 ms", "WIT ÷ text", "JSON MB/s, both ways"];
    Ok(Table::new("From JSON to WIT and back", &heads, rows))
}
