//! What the child does: a module is parsed, its types are read and then taken out.
//!
//! The parser is recursive and runs on what strangers send; nothing here may be called in the host's
//! own process.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use oxc::allocator::Allocator;
use oxc::ast::ast::Program;
use oxc::codegen::{Codegen, CodegenOptions};
use oxc::diagnostics::Diagnostics;
use oxc::parser::{Parser, ParserReturn};
use oxc::semantic::SemanticBuilder;
use oxc::span::SourceType;
use oxc::transformer::{TransformOptions, Transformer};
use serde::{Deserialize, Serialize};

use super::jsdoc::Doc;
use super::positions::{Origins, Position};
use super::signature::{self, Wrong};
use crate::sandbox::child;

/// Stack of the parser. Code that is nested deeper than this is no code that anybody wrote.
const STACK_BYTES: usize = 16 << 20;

const NO_MAIN: &str = "the module exports no main; write `export function main({ name }) { … }`: what it destructures \
                       are the tool's arguments and what it returns is the result";
const NO_FUNCTION: &str =
    "the module exports main, but not as a function; write `export function main({ name }) { … }`";

/// What the child answers.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Answer {
    Module(Module),
    Mistake(Mistake),
}

/// A module that can run.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Module {
    /// None: the source itself is JavaScript.
    pub(super) code: Option<String>,
    pub(super) origins: Origins,
    pub(super) summary: String,
    /// JSON.
    pub(super) input_schema: String,
    /// JSON.
    pub(super) output_schema: Option<String>,
    pub(super) wrapped: bool,
}

/// What is wrong in a source.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mistake {
    pub(super) kind: String,
    pub(super) message: String,
    pub(super) position: Option<Position>,
}

/// The child's whole work: bounds itself, reads a source from standard input, writes the answer to
/// standard output as JSON.
///
/// # Errors
/// When the machine fails; what is wrong in the source is an answer.
pub fn transpile_here(memory_bytes: u64, cpu_s: u64) -> std::io::Result<()> {
    child::bound_here(memory_bytes, cpu_s)?;
    let mut source = String::new();
    std::io::stdin().read_to_string(&mut source)?;
    let work = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || transpile(&source))?;
    // The parser panics rather than fail; that it does so on this source is what the author can act on.
    let gave_up =
        |_| Answer::Mistake(mistake("SyntaxError", "the parser gave up on this code; write it differently", None));
    let answer = work.join().unwrap_or_else(gave_up);
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, &answer)?;
    out.flush()
}

/// A source as JavaScript, with what its types say.
pub(super) fn transpile(source: &str) -> Answer {
    match module(source) {
        Ok(module) => Answer::Module(module),
        Err(mistake) => Answer::Mistake(mistake),
    }
}

fn module(source: &str) -> Result<Module, Mistake> {
    let allocator = Allocator::default();
    // What is plain JavaScript runs as it is written.
    let javascript = Parser::new(&allocator, source, SourceType::mjs()).parse();
    let is_javascript = !javascript.diagnostics.has_errors();
    let ParserReturn { mut program, diagnostics, .. } =
        if is_javascript { javascript } else { Parser::new(&allocator, source, SourceType::ts()).parse() };
    refuse(source, &diagnostics)?;
    let semantic = SemanticBuilder::new().with_check_syntax_error(true).with_enum_eval(true).build(&program);
    refuse(source, &semantic.diagnostics)?;
    let scoping = semantic.semantic.into_scoping();
    let signature = signature::read(&program, docs(&program)).map_err(|wrong| match wrong {
        Wrong::NoMain => mistake("NoMain", NO_MAIN, None),
        Wrong::NoFunction(offset) => mistake("NoMain", NO_FUNCTION, Some(position(source, offset as usize))),
        Wrong::Main(offset, text) => mistake("TypeError", &text, Some(position(source, offset as usize))),
    })?;
    let mut made = None;
    if !is_javascript {
        let path = Path::new("tool.ts");
        let transformed =
            Transformer::new(&allocator, path, &TransformOptions::default()).build_with_scoping(scoping, &mut program);
        refuse(source, &transformed.diagnostics)?;
        let options = CodegenOptions { source_map_path: Some(PathBuf::from(path)), ..CodegenOptions::default() };
        let generated = Codegen::new().with_options(options).build(&program);
        made = Some((generated.code, generated.map));
    }
    if let Some((offset, name)) = signature::import(&program) {
        let text = format!("cannot import {name:?}: a tool is one module; fetch, URL, crypto and the like are globals");
        return Err(mistake("ImportError", &text, Some(position(source, offset as usize))));
    }
    let (code, map) = made.unzip();
    let tokens = map.flatten().map(|map| {
        let pairs = map.get_tokens().map(|token| {
            let from_one = |line: u32, column: u32| Position { line: line + 1, column: column + 1 };
            (from_one(token.get_dst_line(), token.get_dst_col()), from_one(token.get_src_line(), token.get_src_col()))
        });
        pairs.collect()
    });
    Ok(Module {
        code,
        origins: Origins::new(tokens.unwrap_or_default()),
        summary: signature.summary,
        input_schema: signature.input.to_string(),
        output_schema: signature.output.map(|schema| schema.to_string()),
        wrapped: signature.wrapped,
    })
}

/// The comments of JSDoc, by the start of what they stand before.
fn docs(program: &Program<'_>) -> HashMap<u32, Doc> {
    let jsdoc = program.comments.iter().filter(|comment| comment.is_jsdoc());
    jsdoc
        .filter_map(|comment| {
            let text =
                program.source_text.get(comment.content_span().start as usize..comment.content_span().end as usize)?;
            // A definition belongs to nobody, and several may stand before the same statement.
            let doc = Doc::parse(text);
            let at = if doc.defines.is_some() { comment.span.start } else { comment.attached_to };
            Some((at, doc))
        })
        .collect()
}

fn mistake(kind: &str, message: &str, position: Option<Position>) -> Mistake {
    Mistake { kind: kind.to_owned(), message: message.to_owned(), position }
}

/// The first error among diagnostics, if there is one.
fn refuse(source: &str, diagnostics: &Diagnostics) -> Result<(), Mistake> {
    let Some(error) = diagnostics.errors().next() else { return Ok(()) };
    let offset = error.labels.first().map(|label| label.offset());
    let mut message = error.message.to_string();
    if let Some(help) = &error.help {
        message.push_str(&format!(" ({help})"));
    }
    Err(mistake("SyntaxError", &message, offset.map(|offset| position(source, offset as usize))))
}

/// Line and column of a byte.
fn position(source: &str, offset: usize) -> Position {
    let before = source.get(..offset).unwrap_or(source);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    let short = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Position { line: short(line), column: short(column) }
}
