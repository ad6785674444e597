//! The attributes `#[tool]`, `#[prompt]`, `#[resource]` and `#[completion]` of `mcpbox-sdk`, which documents them
//! where it re-exports them.
//!
//! They leave the function as it is and put a type of the same name beside it, which implements
//! `mcpbox_sdk::Tool`, `Prompt`, `Resource` or `Completion`: functions and types have namespaces of their own.

mod arguments;
mod beside;
mod options;
mod tool;

use proc_macro::TokenStream;
use syn::parse_macro_input;

/// Makes a tool of a function.
///
/// The documentation of the function is the tool's description, its parameters are the arguments, and
/// what it returns is the result. See the documentation of `mcpbox-sdk`.
#[proc_macro_attribute]
pub fn tool(options: TokenStream, function: TokenStream) -> TokenStream {
    let options = parse_macro_input!(options as options::Options);
    let function = parse_macro_input!(function as syn::ItemFn);
    tool::expand(&options, function).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Makes a prompt of a function: its documentation is the description, its parameters are the arguments, and what it
/// returns are the messages. Options: `name`, `title`, `description`, `icon`.
#[proc_macro_attribute]
pub fn prompt(options: TokenStream, function: TokenStream) -> TokenStream {
    let options = parse_macro_input!(options as beside::Options);
    let function = parse_macro_input!(function as syn::ItemFn);
    beside::prompt(options, function).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Makes a resource of a function, at the address that is given first; with `{name}` in it a template, whose variables
/// are the parameters. Options: `name`, `title`, `description`, `mime_type`, `icon`.
#[proc_macro_attribute]
pub fn resource(options: TokenStream, function: TokenStream) -> TokenStream {
    let options = parse_macro_input!(options as beside::Options);
    let function = parse_macro_input!(function as syn::ItemFn);
    beside::resource(options, function).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Makes a function suggest values for one argument: `prompt = "name"` or `template = "uri"`, and `argument = "name"`.
/// It takes what was typed so far, and if it wants the settled arguments as `&[(String, String)]`.
#[proc_macro_attribute]
pub fn completion(options: TokenStream, function: TokenStream) -> TokenStream {
    let options = parse_macro_input!(options as beside::Options);
    let function = parse_macro_input!(function as syn::ItemFn);
    beside::completion(options, &function).unwrap_or_else(syn::Error::into_compile_error).into()
}
