//! Prompts, resources and completions: functions of texts.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned as _;
use syn::{Expr, FnArg, Ident, ItemFn, LitStr, Token};

use crate::arguments::{Owned, name, owned, plain};
use crate::options::{check_name, option};
use crate::tool::{check, documentation, documented};

/// What stands in the parentheses: first, perhaps, an address, then words with values.
#[derive(Default)]
pub(crate) struct Options {
    address: Option<LitStr>,
    words: Vec<(Ident, LitStr)>,
    icons: Vec<Expr>,
}

impl Parse for Options {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut options = Self::default();
        if input.peek(LitStr) {
            options.address = Some(input.parse()?);
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        while !input.is_empty() {
            let key: Ident = input.parse()?;
            input.parse::<Token![=]>()?;
            if key == "icon" {
                options.icons.push(input.parse()?);
            } else if options.words.iter().any(|(other, _)| *other == key) {
                return Err(syn::Error::new(key.span(), format!("`{key}` stands here twice")));
            } else {
                options.words.push((key, input.parse()?));
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(options)
    }
}

impl Options {
    fn take(&mut self, key: &str) -> Option<LitStr> {
        let at = self.words.iter().position(|(word, _)| word == key)?;
        Some(self.words.swap_remove(at).1)
    }

    /// Refuses what nobody took.
    fn finish(self, attribute: &str, known: &str) -> syn::Result<()> {
        match (self.words.first(), self.address) {
            (Some((word, _)), _) => Err(syn::Error::new(word.span(), format!("#[{attribute}] knows {known}"))),
            (None, Some(address)) => Err(syn::Error::new(address.span(), format!("#[{attribute}] has no address"))),
            (None, None) => Ok(()),
        }
    }
}

/// `HAS_ICONS` and `icons()`, as code.
pub(crate) fn icons(icons: &[Expr]) -> TokenStream {
    if icons.is_empty() {
        return TokenStream::new();
    }
    quote! {
        const HAS_ICONS: bool = true;

        fn icons() -> ::std::vec::Vec<::mcpbox_sdk::Icon> {
            ::std::vec![#(::core::convert::Into::<::mcpbox_sdk::Icon>::into(#icons)),*]
        }
    }
}

/// A parameter of text.
struct Parameter {
    name: Ident,
    description: String,
    kept: TokenStream,
    /// The value that is handed over, taken from `given`.
    passed: TokenStream,
}

/// Reads the parameters, and takes off their documentation, which no function may keep.
fn parameters(function: &mut ItemFn) -> syn::Result<Vec<Parameter>> {
    let mut parameters = Vec::new();
    for input in &mut function.sig.inputs {
        let FnArg::Typed(parameter) = input else {
            return Err(syn::Error::new(input.span(), "this is a free function: it has no `self`"));
        };
        let name = name(&parameter.pat)?;
        let description = documentation(&parameter.attrs);
        parameter.attrs.retain(|attribute| !attribute.path().is_ident("doc"));
        let key = plain(&name);
        let Owned { kept, .. } = owned(&parameter.ty, &TokenStream::new());
        let Owned { passed, .. } = owned(&parameter.ty, &quote!(given.take::<#kept>(#key)?));
        parameters.push(Parameter { name, description, kept, passed });
    }
    Ok(parameters)
}

/// The call of the function with its parameters, waited for if it is asynchronous.
fn call(function: &ItemFn, passed: impl Iterator<Item = TokenStream>) -> TokenStream {
    let ident = &function.sig.ident;
    let call = quote!(#ident(#(#passed),*));
    if function.sig.asyncness.is_some() { quote!(::mcpbox_sdk::task::block_on(#call)) } else { call }
}

/// The function, and the type beside it that has this implementation.
fn beside(function: &ItemFn, implementation: &TokenStream) -> TokenStream {
    let (ident, visibility) = (&function.sig.ident, &function.vis);
    quote! {
        #function

        #[doc(hidden)]
        #[allow(non_camel_case_types, dead_code)]
        #visibility struct #ident {}

        const _: () = { #implementation };
    }
}

fn owned_text(text: Option<String>) -> TokenStream {
    option(text.map(|text| quote!(#text.to_owned())).as_ref())
}

pub(crate) fn prompt(mut options: Options, mut function: ItemFn) -> syn::Result<TokenStream> {
    check(&function, "prompt")?;
    let parameters = parameters(&mut function)?;
    let ident = &function.sig.ident;
    let name = options.take("name").map_or_else(|| plain(ident), |name| name.value());
    check_name(&name, ident.span())?;
    let description = match options.take("description") {
        Some(description) => description.value(),
        None => documented(&function, "say what the prompt is for, in a documentation comment")?,
    };
    let title = owned_text(options.take("title").map(|title| title.value()));
    let icons = icons(&std::mem::take(&mut options.icons));
    options.finish("prompt", "name, title, description, icon")?;
    let arguments = parameters.iter().map(|Parameter { name, description, kept, .. }| {
        let name = plain(name);
        let description = owned_text((!description.is_empty()).then(|| description.clone()));
        quote! {
            ::mcpbox_sdk::PromptArgument {
                name: #name.to_owned(),
                title: ::core::option::Option::None,
                description: #description,
                required: <#kept as ::mcpbox_sdk::__private::Argument>::REQUIRED,
            }
        }
    });
    let call = call(&function, parameters.iter().map(|parameter| parameter.passed.clone()));
    Ok(beside(
        &function,
        &quote! {
            impl ::mcpbox_sdk::Prompt for #ident {
                const NAME: &'static str = #name;

                fn describe() -> ::mcpbox_sdk::PromptDescription {
                    ::mcpbox_sdk::PromptDescription {
                        name: #name.to_owned(),
                        title: #title,
                        description: #description.to_owned(),
                        arguments: ::std::vec![#(#arguments),*],
                    }
                }

                #icons

                #[allow(unused_mut, unused_variables)]
                fn get(
                    mut given: ::mcpbox_sdk::__private::Given,
                ) -> ::core::result::Result<::mcpbox_sdk::PromptResult, ::mcpbox_sdk::Error> {
                    ::mcpbox_sdk::IntoPrompt::into_prompt(#call)
                }
            }
        },
    ))
}

pub(crate) fn resource(mut options: Options, mut function: ItemFn) -> syn::Result<TokenStream> {
    check(&function, "resource")?;
    let parameters = parameters(&mut function)?;
    let ident = &function.sig.ident;
    let address = options
        .address
        .take()
        .ok_or_else(|| syn::Error::new(Span::call_site(), "give the address first: #[resource(\"notes://{day}\")]"))?;
    let (uri, variables) = (address.value(), variables(&address)?);
    let names: Vec<String> = parameters.iter().map(|parameter| plain(&parameter.name)).collect();
    if let Some(missing) = variables.iter().find(|name| !names.contains(name)) {
        return Err(syn::Error::new(address.span(), format!("the function has no parameter `{missing}`")));
    }
    if let Some(more) = parameters.iter().find(|parameter| !variables.contains(&plain(&parameter.name))) {
        let words = format!("the address has no variable `{{{}}}`", plain(&more.name));
        return Err(syn::Error::new(more.name.span(), words));
    }
    let name = options.take("name").map_or_else(|| plain(ident), |name| name.value());
    let description = match options.take("description") {
        Some(description) => description.value(),
        None => documented(&function, "say what the resource holds, in a documentation comment")?,
    };
    let title = owned_text(options.take("title").map(|title| title.value()));
    let mime_type = options.take("mime_type").map(|mime_type| mime_type.value());
    let given_type = option(mime_type.as_ref());
    let mime_type = owned_text(mime_type);
    let icons = icons(&std::mem::take(&mut options.icons));
    options.finish("resource", "name, title, description, mime_type, icon")?;
    let is_template = !variables.is_empty();
    let call = call(&function, parameters.iter().map(|parameter| parameter.passed.clone()));
    Ok(beside(
        &function,
        &quote! {
            impl ::mcpbox_sdk::Resource for #ident {
                const URI: &'static str = #uri;
                const IS_TEMPLATE: bool = #is_template;

                fn describe() -> ::mcpbox_sdk::ResourceDescription {
                    ::mcpbox_sdk::ResourceDescription {
                        name: #name.to_owned(),
                        title: #title,
                        description: ::core::option::Option::Some(#description.to_owned()),
                        mime_type: #mime_type,
                        size: ::core::option::Option::None,
                    }
                }

                #icons

                #[allow(unused_mut, unused_variables)]
                fn read(
                    uri: &str,
                    mut given: ::mcpbox_sdk::__private::Given,
                ) -> ::core::result::Result<
                    ::core::option::Option<::std::vec::Vec<::mcpbox_sdk::Contents>>,
                    ::mcpbox_sdk::Error,
                > {
                    ::mcpbox_sdk::IntoContents::into_contents(#call, uri, #given_type)
                }
            }
        },
    ))
}

/// The names in the braces of an address.
fn variables(address: &LitStr) -> syn::Result<Vec<String>> {
    let text = address.value();
    let mut rest = text.as_str();
    let mut names = Vec::new();
    while let Some((_, from)) = rest.split_once('{') {
        let Some((expression, after)) = from.split_once('}') else {
            return Err(syn::Error::new(address.span(), "a brace is not closed"));
        };
        let name = expression.strip_prefix(['+', '#']).unwrap_or(expression);
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(syn::Error::new(address.span(), "in braces stands `{name}`, `{+name}` or `{#name}`"));
        }
        names.push(name.to_owned());
        rest = after;
    }
    Ok(names)
}

pub(crate) fn completion(mut options: Options, function: &ItemFn) -> syn::Result<TokenStream> {
    check(function, "completion")?;
    let ident = &function.sig.ident;
    let missing = |what: &str| syn::Error::new(ident.span(), format!("say {what}"));
    let of = match (options.take("prompt"), options.take("template")) {
        (Some(prompt), None) => quote!(::mcpbox_sdk::CompletionOf::Prompt(#prompt)),
        (None, Some(template)) => quote!(::mcpbox_sdk::CompletionOf::Template(#template)),
        _ => return Err(missing("of what it is: `prompt = \"name\"` or `template = \"uri\"`")),
    };
    let argument = options.take("argument").ok_or_else(|| missing("which `argument` it is for"))?;
    options.finish("completion", "prompt or template, and argument")?;
    let passed = match function.sig.inputs.len() {
        1 => vec![quote!(value)],
        2 => vec![quote!(value), quote!(others)],
        _ => return Err(missing("`value: &str`, and perhaps `others: &[(String, String)]`, as its parameters")),
    };
    let call = call(function, passed.into_iter());
    Ok(beside(
        function,
        &quote! {
            impl ::mcpbox_sdk::Completion for #ident {
                const OF: ::mcpbox_sdk::CompletionOf = #of;
                const ARGUMENT: &'static str = #argument;

                #[allow(unused_variables)]
                fn complete(
                    value: &str,
                    others: &[(::std::string::String, ::std::string::String)],
                ) -> ::mcpbox_sdk::Suggestions {
                    ::mcpbox_sdk::IntoSuggestions::into_suggestions(#call)
                }
            }
        },
    ))
}
