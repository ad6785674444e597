//! What stands in the parentheses of `#[tool(…)]`.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::parse::{Parse, ParseStream};
use syn::{Ident, LitBool, LitStr, Token};

/// Longest name of a tool that the contract allows.
const NAME_CHARS: usize = 64;

#[derive(Default)]
pub(crate) struct Options {
    pub(crate) name: Option<String>,
    pub(crate) title: Option<String>,
    pub(crate) description: Option<String>,
    read_only: Option<bool>,
    destructive: Option<bool>,
    idempotent: Option<bool>,
    open_world: Option<bool>,
    pub(crate) icons: Vec<syn::Expr>,
}

impl Parse for Options {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut options = Self::default();
        while !input.is_empty() {
            let key: Ident = input.parse()?;
            let taken = match key.to_string().as_str() {
                "name" => {
                    let name: LitStr = value(input)?;
                    check_name(&name.value(), name.span())?;
                    options.name.replace(name.value()).is_some()
                }
                "title" => options.title.replace(value::<LitStr>(input)?.value()).is_some(),
                "description" => options.description.replace(value::<LitStr>(input)?.value()).is_some(),
                "icon" => {
                    options.icons.push(value(input)?);
                    false
                }
                "read_only" => options.read_only.replace(flag(input)?).is_some(),
                "destructive" => options.destructive.replace(flag(input)?).is_some(),
                "idempotent" => options.idempotent.replace(flag(input)?).is_some(),
                "open_world" => options.open_world.replace(flag(input)?).is_some(),
                _ => {
                    let known = "name, title, description, icon, read_only, destructive, idempotent, open_world";
                    return Err(syn::Error::new(key.span(), format!("#[tool] knows {known}")));
                }
            };
            if taken {
                return Err(syn::Error::new(key.span(), format!("`{key}` stands here twice")));
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(options)
    }
}

impl Options {
    /// `Option<ToolAnnotations>`, as code.
    pub(crate) fn annotations(&self) -> TokenStream {
        let Self { read_only, destructive, idempotent, open_world, .. } = self;
        if [read_only, destructive, idempotent, open_world].into_iter().all(Option::is_none) {
            return quote!(::core::option::Option::None);
        }
        let [read_only, destructive, idempotent, open_world] =
            [read_only, destructive, idempotent, open_world].map(|given| option(given.as_ref()));
        quote! {
            ::core::option::Option::Some(::mcpbox_sdk::ToolAnnotations {
                read_only: #read_only,
                destructive: #destructive,
                idempotent: #idempotent,
                open_world: #open_world,
            })
        }
    }
}

/// An `Option`, as code.
pub(crate) fn option<T: ToTokens>(value: Option<&T>) -> TokenStream {
    match value {
        Some(value) => quote!(::core::option::Option::Some(#value)),
        None => quote!(::core::option::Option::None),
    }
}

/// What MCPbox accepts as the name of a tool.
pub(crate) fn check_name(name: &str, span: Span) -> syn::Result<()> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if name.is_empty() || name.len() > NAME_CHARS || !name.chars().all(fits) {
        let rule = format!("the name of a tool has 1 to {NAME_CHARS} of the characters A-Z a-z 0-9 _ -");
        return Err(syn::Error::new(span, rule));
    }
    Ok(())
}

fn value<T: Parse>(input: ParseStream<'_>) -> syn::Result<T> {
    input.parse::<Token![=]>()?;
    input.parse()
}

/// `read_only` or `read_only = false`.
fn flag(input: ParseStream<'_>) -> syn::Result<bool> {
    if input.peek(Token![=]) { Ok(value::<LitBool>(input)?.value) } else { Ok(true) }
}
