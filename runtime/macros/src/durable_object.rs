//! `#[durable_object]`: from a struct to a class that a node can serve.
//!
//! The struct stays as it is. Beside it come its name as a class, and the dispatch of calls, which finds out where it is
//! compiled whether an `#[rpc]` block exists.
//!
//! In: the attribute's form and the item. Out: the item with what was added, or with the errors.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, Error, Ident, Item, ItemStruct, Result, ext::IdentExt as _, parse2};

// The texts of workers-rs (worker-macros, durable_object.rs).
const UNKNOWN_FORM: &str =
    "must have either 'fetch', 'alarm' or 'websocket' attribute, e.g. #[durable_object(websocket)]";
const ON_IMPL: &str =
    "The #[durable_object] macro is no longer required for `impl` blocks, and can be removed";

const NOT_A_STRUCT: &str = "#[durable_object] goes on a struct";
const GENERIC: &str =
    "a Durable Object is a struct without generic parameters: the node makes its instances";

/// The item, and what makes it a class; `dormouse` is the path of the runtime's crate.
pub(crate) fn expand(form: TokenStream, item: &TokenStream, dormouse: &TokenStream) -> TokenStream {
    // The item is there even after an error: without it every use of the struct would be an error of its own.
    let added = class(form, item, dormouse).unwrap_or_else(Error::into_compile_error);
    quote!(#item #added)
}

fn class(form: TokenStream, item: &TokenStream, dormouse: &TokenStream) -> Result<TokenStream> {
    let object = object(item)?;
    let handlers = handlers(form)?;
    let name = &object.ident;
    let cfgs: Vec<_> = object
        .attrs
        .iter()
        .filter(|attribute| is_cfg(attribute))
        .collect();
    let class_name = name.unraw().to_string();
    let handles_alarms = handlers.alarms;
    Ok(quote! {
        #(#cfgs)*
        #[automatically_derived]
        impl #dormouse::has_durable_object_attribute for #name {}

        #(#cfgs)*
        #[automatically_derived]
        impl #dormouse::ObjectClass for #name {
            const CLASS_NAME: &'static str = #class_name;
            const HANDLES_ALARMS: bool = #handles_alarms;

            fn call_method(
                self: ::std::rc::Rc<Self>,
                method: &str,
                arguments: ::std::vec::Vec<#dormouse::Value>,
            ) -> ::core::option::Option<
                #dormouse::platform::LocalBoxFuture<'static, #dormouse::Result<#dormouse::Value>>,
            > {
                // The one that applies is used, the other one is not.
                #[allow(unused_imports)]
                use #dormouse::__private::{DispatchNone as _, DispatchRpc as _};
                (&&#dormouse::__private::Dispatch(self)).dispatch(method, arguments)
            }
        }
    })
}

fn object(item: &TokenStream) -> Result<ItemStruct> {
    match parse2(item.clone())? {
        Item::Struct(object) if object.generics.params.is_empty() => Ok(object),
        Item::Struct(object) => Err(Error::new_spanned(object.generics, GENERIC)),
        Item::Impl(block) => Err(Error::new(block.impl_token.span, ON_IMPL)),
        other => Err(Error::new_spanned(other, NOT_A_STRUCT)),
    }
}

/// Which handlers the platform may call, beside `fetch`.
struct Handlers {
    alarms: bool,
}

fn handlers(form: TokenStream) -> Result<Handlers> {
    if form.is_empty() {
        return Ok(Handlers { alarms: true });
    }
    let written = form.clone();
    let form: Ident = parse2(form).map_err(|_| Error::new_spanned(written, UNKNOWN_FORM))?;
    match form.to_string().as_str() {
        "fetch" | "websocket" => Ok(Handlers { alarms: false }),
        "alarm" => Ok(Handlers { alarms: true }),
        _ => Err(Error::new(form.span(), UNKNOWN_FORM)),
    }
}

/// Whether what is generated has to stand under this attribute, too.
pub(crate) fn is_cfg(attribute: &Attribute) -> bool {
    attribute.path().is_ident("cfg")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expansion(form: TokenStream, item: &TokenStream) -> String {
        expand(form, item, &quote!(::dormouse)).to_string()
    }

    /// A message as it stands in the expansion: a string literal.
    fn has_error(expansion: &str, message: &str) -> bool {
        let literal = proc_macro2::Literal::string(message).to_string();
        expansion.contains("compile_error") && expansion.contains(&literal)
    }

    #[test]
    fn the_struct_stays_as_it_is() {
        let item = quote! {
            /// Counts.
            #[derive(Debug)]
            pub(crate) struct Counter { state: State }
        };
        for form in [quote!(), quote!(fetch), quote!(alarm), quote!(websocket)] {
            let expansion = expansion(form, &item);
            assert!(expansion.starts_with(&item.to_string()));
            assert!(!expansion.contains("compile_error"));
            assert!(expansion.contains(r#"const CLASS_NAME : & 'static str = "Counter""#));
        }
    }

    #[test]
    fn paths_begin_at_the_name_that_the_manifest_gives() {
        let expansion = expand(
            quote!(),
            &quote!(
                struct Counter;
            ),
            &quote!(::worker),
        )
        .to_string();
        assert!(expansion.contains(":: worker :: ObjectClass for Counter"));
        assert!(!expansion.contains("dormouse"), "{expansion}");
    }

    #[test]
    fn what_is_added_stands_under_the_conditions_of_the_struct() {
        let expansion = expansion(
            quote!(),
            &quote!(
                #[cfg(feature = "counter")]
                struct Counter;
            ),
        );
        assert_eq!(
            expansion
                .matches(r#"# [cfg (feature = "counter")]"#)
                .count(),
            3
        );
    }

    #[test]
    fn the_form_says_whether_alarms_may_be_set() {
        let item = quote!(
            struct Counter;
        );
        for (form, alarms) in [
            (quote!(), true),
            (quote!(alarm), true),
            (quote!(fetch), false),
            (quote!(websocket), false),
        ] {
            let expected = format!("const HANDLES_ALARMS : bool = {alarms}");
            assert!(expansion(form, &item).contains(&expected));
        }
    }

    #[test]
    fn other_forms_are_refused_with_the_text_of_the_original() {
        for form in [quote!(queue), quote!(fetch, alarm), quote!("fetch")] {
            let expansion = expansion(
                form,
                &quote!(
                    struct Counter;
                ),
            );
            assert!(has_error(&expansion, UNKNOWN_FORM), "{expansion}");
        }
    }

    #[test]
    fn an_impl_block_is_refused_with_the_text_of_the_original() {
        let expansion = expansion(quote!(), &quote!(impl DurableObject for Counter {}));
        assert!(has_error(&expansion, ON_IMPL), "{expansion}");
    }

    #[test]
    fn generic_structs_and_other_items_are_refused() {
        let generic = expansion(
            quote!(),
            &quote!(
                struct Counter<T>(T);
            ),
        );
        assert!(has_error(&generic, GENERIC), "{generic}");
        let function = expansion(
            quote!(),
            &quote!(
                fn counter() {}
            ),
        );
        assert!(has_error(&function, NOT_A_STRUCT), "{function}");
    }

    #[test]
    fn a_refused_struct_still_exists() {
        let expansion = expansion(
            quote!(websocket),
            &quote!(
                struct Counter;
            ),
        );
        assert!(expansion.starts_with("struct Counter ;"));
    }
}
