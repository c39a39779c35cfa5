//! From a function to a handler: the function stays as it is, and a type of the same name beside
//! it implements `hardstop_guest::Handler`.
//!
//! Functions live in the value namespace and types in another, so both may bear one name, and a
//! `use` or a path names both. The type is an enum without variants: it never exists at run time.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Error, FnArg, Item, ItemFn, Result, ReturnType, Safety, Type};

use crate::attribute::Options;

/// Expands `#[job(...)]`. On an error the function itself is kept, so that one mistake does not
/// bring a string of others.
pub fn expand(arguments: TokenStream, item: TokenStream) -> TokenStream {
    match handler(arguments, item.clone()) {
        Ok(tokens) => tokens,
        Err(error) => {
            let error = error.into_compile_error();
            quote!(#item #error)
        }
    }
}

fn handler(arguments: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let function = function(item)?;
    let options = Options::parse(arguments)?;
    let input = input_type(&function)?;
    let output = output_type(&function)?;

    let ident = &function.sig.ident;
    let visibility = &function.vis;
    let name = options.type_name(ident)?;
    let description = options.description(&function.attrs);
    let input_type = quote_spanned!(input.span()=> #input);
    let output_type = quote_spanned! {output.span()=>
        <#output as ::hardstop_guest::HandlerResult>::Output
    };
    let result = quote_spanned! {output.span()=>
        ::hardstop_guest::HandlerResult::into_result(#ident(ctx, input))
    };

    // A function of its own in the component, so that a backtrace names it.
    let inline = match function
        .attrs
        .iter()
        .any(|attribute| attribute.path().is_ident("inline"))
    {
        true => quote!(),
        false => quote!(#[inline(never)]),
    };

    // A handler's signature is the contract's: it takes its input by value and returns a `Result`
    // even where it needs neither.
    Ok(quote! {
        #[allow(clippy::needless_pass_by_value, clippy::unnecessary_wraps)]
        #inline
        #function

        #[doc(hidden)]
        #[allow(non_camel_case_types, dead_code)]
        #visibility enum #ident {}

        impl ::hardstop_guest::Handler for #ident {
            type Input = #input_type;
            type Output = #output_type;
            const NAME: &'static str = #name;
            const DESCRIPTION: &'static str = #description;

            fn call(
                ctx: &::hardstop_guest::Ctx,
                input: Self::Input,
            ) -> ::core::result::Result<
                ::hardstop_guest::Outcome<Self::Output>,
                ::hardstop_guest::Failure,
            > {
                #result
            }
        }
    })
}

/// A plain function: everything that a handler cannot be is refused by name.
fn function(item: TokenStream) -> Result<ItemFn> {
    let function = match syn::parse2(item)? {
        Item::Fn(function) => function,
        other => return Err(Error::new(other.span(), "`job` stands on a function")),
    };
    let signature = &function.sig;
    if let Some(token) = &signature.asyncness {
        return Err(Error::new(
            token.span(),
            "a handler is a plain function: an attempt has an instance of its own, and waits by \
             blocking it",
        ));
    }
    if let Safety::Unsafe(token) = &signature.safety {
        return Err(Error::new(token.span(), "a handler cannot be unsafe"));
    }
    if !signature.generics.params.is_empty() {
        return Err(Error::new(
            signature.generics.span(),
            "a handler cannot be generic: the job type's schemas need concrete types",
        ));
    }
    Ok(function)
}

fn input_type(function: &ItemFn) -> Result<&Type> {
    let mut arguments = function.sig.inputs.iter();
    match (arguments.next(), arguments.next(), arguments.next()) {
        (Some(FnArg::Typed(_)), Some(FnArg::Typed(input)), None) => Ok(&input.ty),
        _ => Err(Error::new(
            function.sig.paren_token.span.join(),
            "a handler takes two arguments: `ctx: &hardstop_guest::Ctx` and its input",
        )),
    }
}

fn output_type(function: &ItemFn) -> Result<&Type> {
    match &function.sig.output {
        ReturnType::Type(_, output) => Ok(output),
        ReturnType::Default => Err(Error::new(
            function.sig.ident.span(),
            "a handler returns `Result<Output, hardstop_guest::Failure>`",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(item: TokenStream) -> String {
        handler(TokenStream::new(), item)
            .expect_err("an error")
            .to_string()
    }

    #[test]
    fn what_a_handler_cannot_be_is_said() {
        for (item, message) in [
            (
                quote!(
                    struct Thing;
                ),
                "stands on a function",
            ),
            (
                quote!(
                    async fn f(ctx: &Ctx, input: u8) -> Result<u8, Failure> {}
                ),
                "plain function",
            ),
            (
                quote!(
                    unsafe fn f(ctx: &Ctx, input: u8) -> Result<u8, Failure> {}
                ),
                "unsafe",
            ),
            (
                quote!(
                    fn f<T>(ctx: &Ctx, input: T) -> Result<u8, Failure> {}
                ),
                "generic",
            ),
            (
                quote!(
                    fn f(ctx: &Ctx) -> Result<u8, Failure> {}
                ),
                "two arguments",
            ),
            (
                quote!(
                    fn f(&self, input: u8) -> Result<u8, Failure> {}
                ),
                "two arguments",
            ),
            (
                quote!(
                    fn f(ctx: &Ctx, input: u8) {}
                ),
                "returns `Result",
            ),
        ] {
            let found = error(item);
            assert!(found.contains(message), "{found}");
        }
    }

    #[test]
    fn the_function_survives_an_error() {
        let tokens = expand(
            quote!(nonsense = "x"),
            quote!(
                fn f() {}
            ),
        )
        .to_string();
        assert!(tokens.contains("fn f ()"), "{tokens}");
        assert!(tokens.contains("compile_error"), "{tokens}");
    }

    #[test]
    fn the_handler_has_the_functions_visibility() {
        let tokens = expand(
            TokenStream::new(),
            quote!(
                pub(crate) fn f(ctx: &Ctx, input: u8) -> Result<u8, Failure> {
                    Ok(input)
                }
            ),
        )
        .to_string();
        assert!(tokens.contains("pub (crate) enum f { }"), "{tokens}");
    }
}
