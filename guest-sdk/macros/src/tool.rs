//! The function with its attributes taken off, and the type beside it that is the tool.

use proc_macro2::TokenStream;
use quote::quote;
use syn::spanned::Spanned as _;
use syn::{Attribute, Expr, ExprLit, ItemFn, Lit, Meta, ReturnType, Type};

use crate::arguments::{Arguments, plain};
use crate::options::{Options, check_name, option};

pub(crate) fn expand(options: &Options, mut function: ItemFn) -> syn::Result<TokenStream> {
    check(&function, "tool")?;
    let Arguments { definition, passed } = Arguments::take_from(&mut function)?;
    let ident = &function.sig.ident;
    let visibility = &function.vis;
    let name = match &options.name {
        Some(name) => name.clone(),
        None => plain(ident),
    };
    check_name(&name, ident.span())?;
    let description = match &options.description {
        Some(description) => description.clone(),
        None => {
            let words = "say what the tool does, in a documentation comment: it is what a model chooses by";
            documented(&function, words)?
        }
    };
    let icons = crate::beside::icons(&options.icons);
    let title = options.title.as_ref().map(|title| quote!(#title.to_owned()));
    let title = option(title.as_ref());
    let annotations = options.annotations();
    let returned = match &function.sig.output {
        ReturnType::Default => quote!(()),
        ReturnType::Type(_, returned) => quote!(#returned),
    };
    let mut call = quote!(#ident(#passed));
    if function.sig.asyncness.is_some() {
        call = quote!(::mcpbox_sdk::task::block_on(#call));
    }
    Ok(quote! {
        #function

        #[doc(hidden)]
        #[allow(non_camel_case_types, dead_code)]
        #visibility struct #ident {}

        const _: () = {
            use ::mcpbox_sdk::__private::Plain as _;

            #definition

            impl ::mcpbox_sdk::Tool for #ident {
                const NAME: &'static str = #name;

                fn describe() -> ::mcpbox_sdk::Description {
                    ::mcpbox_sdk::Description {
                        name: #name.to_owned(),
                        title: #title,
                        description: #description.to_owned(),
                        input_schema: ::mcpbox_sdk::__private::input_schema::<Arguments>(),
                        output_schema: ::mcpbox_sdk::__private::Probe::<#returned>::new().schema(),
                        annotations: #annotations,
                    }
                }

                #icons

                fn call(arguments: &str) -> ::core::result::Result<::mcpbox_sdk::ToolResult, ::mcpbox_sdk::ToolError> {
                    #[allow(unused_mut, unused_variables)]
                    let mut arguments: Arguments = ::mcpbox_sdk::__private::arguments(arguments)?;
                    #[allow(clippy::let_unit_value)]
                    let returned = #call;
                    ::mcpbox_sdk::__private::Probe::<#returned>::new().finish(returned)
                }
            }
        };
    })
}

/// What cannot be a tool, or another thing of a component.
pub(crate) fn check(function: &ItemFn, what: &str) -> syn::Result<()> {
    let signature = &function.sig;
    if !signature.generics.params.is_empty() {
        let words = format!("a {what} has no generics: its schema is that of one type");
        return Err(syn::Error::new(signature.generics.span(), words));
    }
    if let ReturnType::Type(_, returned) = &signature.output {
        if matches!(**returned, Type::ImplTrait(_)) {
            return Err(syn::Error::new(returned.span(), format!("a {what} names the type that it returns")));
        }
    }
    if let Some(unsafety) = &signature.unsafety {
        return Err(syn::Error::new(unsafety.span(), format!("a {what} is safe to call")));
    }
    Ok(())
}

/// The documentation comment of a function.
///
/// # Errors
/// With these words when there is none.
pub(crate) fn documented(function: &ItemFn, words: &str) -> syn::Result<String> {
    let text = documentation(&function.attrs);
    if text.is_empty() { Err(syn::Error::new(function.sig.ident.span(), words)) } else { Ok(text) }
}

/// A documentation comment, without the space that stands before each line.
pub(crate) fn documentation(attributes: &[Attribute]) -> String {
    let mut lines = Vec::new();
    for attribute in attributes {
        let Meta::NameValue(pair) = &attribute.meta else { continue };
        if !pair.path.is_ident("doc") {
            continue;
        }
        if let Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) = &pair.value {
            let text = text.value();
            lines.extend(text.split('\n').map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end().to_owned()));
        }
    }
    lines.join("\n").trim().to_owned()
}
