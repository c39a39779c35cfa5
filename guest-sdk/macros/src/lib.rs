//! The attribute macro of `hardstop-guest`. Use it as `#[hardstop_guest::job]`; the documentation
//! is there.

mod attribute;
mod handler;

use proc_macro::TokenStream;

/// Makes a plain function the handler of a job type. See `hardstop_guest::job`.
#[proc_macro_attribute]
pub fn job(arguments: TokenStream, item: TokenStream) -> TokenStream {
    handler::expand(arguments.into(), item.into()).into()
}
