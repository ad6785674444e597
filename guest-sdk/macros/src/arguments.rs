//! The parameters of a tool's function: the type that its arguments are read into, and how each is
//! handed to the function.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Attribute, FnArg, Ident, ItemFn, Pat, PatType, Type};

/// What the arguments become.
pub(crate) struct Arguments {
    /// The definition of the type `Arguments`.
    pub(crate) definition: TokenStream,
    /// What stands in the parentheses of the call, from a value `arguments`.
    pub(crate) passed: TokenStream,
}

impl Arguments {
    /// Reads the parameters of `function`, and takes off the attributes that are ours.
    pub(crate) fn take_from(function: &mut ItemFn) -> syn::Result<Self> {
        let mut parameters = Vec::new();
        for input in &mut function.sig.inputs {
            match input {
                FnArg::Receiver(this) => {
                    return Err(syn::Error::new(this.span(), "a tool is a free function: it has no `self`"));
                }
                FnArg::Typed(parameter) => parameters.push(parameter),
            }
        }
        let whole = parameters.iter().position(|parameter| has(&parameter.attrs, "arguments"));
        match (whole, parameters.as_mut_slice()) {
            (Some(_), [parameter]) => {
                parameter.attrs.clear();
                let Owned { kept, passed } = owned(&parameter.ty, &quote!(arguments));
                Ok(Self { definition: quote!(type Arguments = #kept;), passed })
            }
            (Some(at), several) => {
                let words = "#[arguments] takes all arguments, so it is the only parameter";
                Err(syn::Error::new(several[at].span(), words))
            }
            (None, several) => Self::of_each(several),
        }
    }

    /// A field for each parameter.
    fn of_each(parameters: &mut [&mut PatType]) -> syn::Result<Self> {
        let mut fields = Vec::new();
        let mut defaults = Vec::new();
        let mut passed = Vec::new();
        for parameter in parameters {
            let name = name(&parameter.pat)?;
            let Owned { kept, passed: value } = owned(&parameter.ty, &quote!(arguments.#name));
            let mut attributes = Vec::new();
            for attribute in std::mem::take(&mut parameter.attrs) {
                if attribute.path().is_ident("default") {
                    let default = format_ident!("default_{}", plain(&name));
                    let expression = default_value(&attribute)?;
                    let span = attribute.span();
                    defaults.push(quote_spanned!(span=> fn #default() -> #kept { #expression }));
                    let path = default.to_string();
                    attributes.push(quote!(#[serde(default = #path)]));
                } else if ["doc", "serde", "schemars"].iter().any(|known| attribute.path().is_ident(known)) {
                    attributes.push(quote!(#attribute));
                } else {
                    parameter.attrs.push(attribute);
                }
            }
            fields.push(quote!(#(#attributes)* #name: #kept));
            passed.push(value);
        }
        let definition = quote! {
            #(#defaults)*
            #[derive(::mcpbox_sdk::__private::serde::Deserialize, ::mcpbox_sdk::__private::schemars::JsonSchema)]
            #[serde(crate = "::mcpbox_sdk::__private::serde", deny_unknown_fields)]
            #[schemars(crate = "::mcpbox_sdk::__private::schemars")]
            struct Arguments { #(#fields),* }
        };
        Ok(Self { definition, passed: quote!(#(#passed),*) })
    }
}

/// A type that owns what a parameter borrows.
pub(crate) struct Owned {
    pub(crate) kept: TokenStream,
    /// The parameter, from the place where the owner is.
    pub(crate) passed: TokenStream,
}

pub(crate) fn owned(parameter: &Type, place: &TokenStream) -> Owned {
    let Type::Reference(reference) = parameter else {
        return Owned { kept: quote!(#parameter), passed: place.clone() };
    };
    let kept = match &*reference.elem {
        Type::Slice(slice) => {
            let item = &slice.elem;
            quote!(::std::vec::Vec<#item>)
        }
        Type::Path(path) if path.path.is_ident("str") => quote!(::std::string::String),
        other => quote!(#other),
    };
    let mutability = &reference.mutability;
    Owned { kept, passed: quote!(&#mutability #place) }
}

fn has(attributes: &[Attribute], name: &str) -> bool {
    attributes.iter().any(|attribute| attribute.path().is_ident(name))
}

pub(crate) fn name(pattern: &Pat) -> syn::Result<Ident> {
    match pattern {
        Pat::Ident(ident) if ident.subpat.is_none() => Ok(ident.ident.clone()),
        other => Err(syn::Error::new(other.span(), "a parameter of a tool needs a name: it is the argument's")),
    }
}

/// A name without the `r#` in front of a keyword.
pub(crate) fn plain(name: &Ident) -> String {
    let name = name.to_string();
    name.strip_prefix("r#").map(str::to_owned).unwrap_or(name)
}

/// `#[default]` or `#[default(expression)]`.
fn default_value(attribute: &Attribute) -> syn::Result<TokenStream> {
    match &attribute.meta {
        syn::Meta::Path(_) => Ok(quote!(::core::default::Default::default())),
        syn::Meta::List(list) => {
            let expression: syn::Expr = list.parse_args()?;
            Ok(quote!(#expression))
        }
        syn::Meta::NameValue(pair) => Err(syn::Error::new(pair.span(), "write #[default(value)]")),
    }
}
