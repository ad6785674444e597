//! The attribute `#[tool]` of `mcpbox-sdk`, which documents it where it re-exports it.
//!
//! It leaves the function as it is and puts a type of the same name beside it, which implements
//! `mcpbox_sdk::Tool`: functions and types have namespaces of their own.

mod arguments;
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
