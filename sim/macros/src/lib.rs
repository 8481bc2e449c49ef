//! `#[dormouse_sim::test]`: a scenario as an ordinary test.

use proc_macro::TokenStream;
use quote::quote;
use syn::{ItemFn, LitInt, parse_macro_input, spanned::Spanned as _};

/// How many seeds a test runs unless it says otherwise.
const SEEDS_DEFAULT: u64 = 1_000;

/// Makes a test of a function that returns a scenario or a suite: `#[dormouse_sim::test(seeds = 1000)]`.
///
/// The test runs seeds 0, 1, 2, ... until one breaks a promise, confirms it in a fresh process, and fails with the report.
/// `DORMOUSE_SEED=412 cargo test name` runs one seed, `DORMOUSE_SEEDS=100000` that many.
///
/// Before its seeds the test runs what failed once: the plans and seeds in the crate's folder `tests/regressions` that are of its suite. A new failure is
/// made as small as two seconds allow (`DORMOUSE_SHRINK=10`: ten), and that plan is added to the folder unless `CI` is set.
///
/// ```ignore
/// #[dormouse_sim::test(seeds = 200)]
/// fn increments_are_linearizable() -> Suite {
///     Scenario::new("increments_are_linearizable")
///         // objects, workload, faults, step, checks
///         .into_suite()
/// }
/// ```
#[proc_macro_attribute]
pub fn test(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut seeds = SEEDS_DEFAULT;
    let parser = syn::meta::parser(|meta| {
        if !meta.path.is_ident("seeds") {
            return Err(meta
                .error("the only argument is `seeds`, e.g. #[dormouse_sim::test(seeds = 1000)]"));
        }
        seeds = meta.value()?.parse::<LitInt>()?.base10_parse()?;
        Ok(())
    });
    parse_macro_input!(arguments with parser);
    let function = parse_macro_input!(item as ItemFn);
    let signature = &function.sig;
    if let Some(asyncness) = signature.asyncness {
        return syn::Error::new(
            asyncness.span(),
            "a scenario is described by an ordinary function; its steps are asynchronous",
        )
        .to_compile_error()
        .into();
    }
    if !signature.inputs.is_empty() {
        return syn::Error::new(
            signature.inputs.span(),
            "a scenario's function has no parameters",
        )
        .to_compile_error()
        .into();
    }
    let (attributes, name) = (&function.attrs, &signature.ident);
    quote! {
        #(#attributes)*
        #[::core::prelude::v1::test]
        fn #name() {
            #function
            let suite = ::dormouse_sim::Suite::from(#name());
            let regressions = ::core::concat!(::core::env!("CARGO_MANIFEST_DIR"), "/tests/regressions");
            let path = ::core::concat!(::core::module_path!(), "::", ::core::stringify!(#name));
            ::dormouse_sim::explore::test(&suite, ::core::env!("CARGO_PKG_NAME"), path, regressions, #seeds);
        }
    }
    .into()
}
