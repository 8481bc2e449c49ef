//! How the expansions name the runtime's crate: it may have been renamed, as when a workers-rs source calls it `worker`.

use proc_macro_crate::{FoundCrate, crate_name};
use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;

/// The path of the runtime's crate in the crate that is being compiled.
pub(crate) fn path() -> TokenStream {
    match crate_name("dormouse") {
        Ok(FoundCrate::Name(name)) => {
            let name = Ident::new(&name, Span::call_site());
            quote!(::#name)
        }
        // In the runtime's own documentation tests, and where nothing is known.
        Ok(FoundCrate::Itself) | Err(_) => quote!(::dormouse),
    }
}
