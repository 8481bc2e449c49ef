//! `#[rpc]`: from an `impl` block to methods that can be called by name, and to the stub that calls them.
//!
//! The two sides are made from one signature, so that they cannot disagree: the far side reads the arguments in the order
//! in which the near side writes them. A method that no stub could call is an error here, at the place where it stands;
//! otherwise its author would meet it as a missing method.
//!
//! In: the block. Out: the block as it is, the far side (`RpcMethods`), the near side (the stub), or the errors.

mod method;

use proc_macro2::{Group, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote};
use syn::{Attribute, Error, Ident, ImplItem, ItemImpl, Result, Type, parse2};

use crate::durable_object::is_cfg;
use method::{Method, Parameter};

const ARGUMENTS: &str = "#[rpc] takes no arguments";
const NOT_AN_IMPL: &str = "#[rpc] goes on an `impl` block";
const ON_TRAIT: &str =
    "#[rpc] goes on the object's own `impl` block: methods of a trait cannot be called";
const GENERIC: &str =
    "a Durable Object is a struct without generic parameters: the node makes its instances";

/// The block, and what makes its methods callable; `dormouse` is the path of the runtime's crate.
pub(crate) fn expand(
    arguments: &TokenStream,
    item: &TokenStream,
    dormouse: &TokenStream,
) -> TokenStream {
    // The block is there even after an error: without it every use of its methods would be an error of its own.
    let added = match Block::read(arguments, item) {
        Ok(block) => {
            let (far_side, near_side) = (block.far_side(dormouse), block.near_side(dormouse));
            quote!(#far_side #near_side)
        }
        Err(error) => error.into_compile_error(),
    };
    quote!(#item #added)
}

/// What is known of a block once it is accepted.
struct Block {
    object: Type,
    name: Ident,
    /// The conditions under which the block exists.
    cfgs: Vec<Attribute>,
    methods: Vec<Method>,
}

impl Block {
    fn read(arguments: &TokenStream, item: &TokenStream) -> Result<Self> {
        if !arguments.is_empty() {
            return Err(Error::new_spanned(arguments, ARGUMENTS));
        }
        let block: ItemImpl =
            parse2(item.clone()).map_err(|_| Error::new_spanned(item, NOT_AN_IMPL))?;
        if let Some((_, path, _)) = &block.trait_ {
            return Err(Error::new_spanned(path, ON_TRAIT));
        }
        if !block.generics.params.is_empty() {
            return Err(Error::new_spanned(&block.generics, GENERIC));
        }
        let name = name(&block.self_ty)?;
        let mut methods = Vec::new();
        let mut errors: Option<Error> = None;
        for item in &block.items {
            let ImplItem::Fn(function) = item else {
                continue;
            };
            match Method::read(function) {
                Ok(method) => methods.extend(method),
                Err(error) => match &mut errors {
                    Some(errors) => errors.combine(error),
                    None => errors = Some(error),
                },
            }
        }
        let cfgs = block.attrs.into_iter().filter(is_cfg).collect();
        let object = *block.self_ty;
        errors.map_or(
            Ok(Self {
                object,
                name,
                cfgs,
                methods,
            }),
            Err,
        )
    }

    /// Calls by name, on the object's side.
    fn far_side(&self, dormouse: &TokenStream) -> TokenStream {
        let Self { object, cfgs, .. } = self;
        let arms = self.methods.iter().map(|method| far_arm(method, dormouse));
        quote! {
            #(#cfgs)*
            #[automatically_derived]
            #[allow(deprecated)]
            impl #dormouse::__private::RpcMethods for #object {
                fn call(
                    self: ::std::rc::Rc<Self>,
                    method: &str,
                    arguments: ::std::vec::Vec<#dormouse::Value>,
                ) -> ::core::option::Option<
                    #dormouse::platform::LocalBoxFuture<'static, #dormouse::Result<#dormouse::Value>>,
                > {
                    match method {
                        #(#arms)*
                        _ => ::core::option::Option::None,
                    }
                }
            }
        }
    }

    /// The stub, on the caller's side.
    fn near_side(&self, dormouse: &TokenStream) -> TokenStream {
        let Self {
            object, name, cfgs, ..
        } = self;
        let stub = format_ident!("{name}Stub");
        let about = format!(
            "A stub for a `{name}`, with a method for each that can be called, and with all that a `Stub` has."
        );
        let methods = self
            .methods
            .iter()
            .map(|method| self.near_method(method, dormouse));
        quote! {
            #(#cfgs)*
            #[doc = #about]
            #[derive(Debug)]
            #[allow(dead_code, unreachable_pub)]
            pub struct #stub(#dormouse::Stub);

            #(#cfgs)*
            // A stub is as visible as it can be: that a private object's arguments are private, too, is no mistake.
            #[allow(dead_code, private_interfaces, unreachable_pub, clippy::too_many_arguments)]
            impl #stub {
                #(#methods)*
            }

            #(#cfgs)*
            #[automatically_derived]
            impl #dormouse::Rpc for #object {
                type Stub = #stub;
            }

            #(#cfgs)*
            #[automatically_derived]
            impl ::core::ops::Deref for #stub {
                type Target = #dormouse::Stub;

                fn deref(&self) -> &#dormouse::Stub {
                    &self.0
                }
            }

            #(#cfgs)*
            #[automatically_derived]
            impl ::core::convert::From<#dormouse::Stub> for #stub {
                fn from(stub: #dormouse::Stub) -> Self {
                    Self(stub)
                }
            }
        }
    }

    fn near_method(&self, method: &Method, dormouse: &TokenStream) -> TokenStream {
        let Method {
            ident,
            name,
            cfgs,
            docs,
            parameters,
            result,
            ..
        } = method;
        let about = format!("Calls `{}::{name}`.", self.name);
        let about = docs.is_empty().then(|| quote!(#[doc = #about]));
        let names: Vec<_> = parameters.iter().map(|parameter| &parameter.name).collect();
        let types = parameters
            .iter()
            .map(|parameter| self.without_self(&parameter.written));
        let result = self.without_self(result);
        quote! {
            #(#cfgs)*
            #(#docs)*
            #about
            #[track_caller]
            pub fn #ident(&self, #(#names: #types),*) -> #dormouse::RpcCall<#result> {
                self.0.call_typed::<#result>(
                    #name,
                    #dormouse::__private::arguments(
                        #name,
                        [#(#dormouse::__private::argument(&#names)),*],
                    ),
                )
            }
        }
    }

    /// A type as it is meant outside of the block: in the stub's methods `Self` would be the stub.
    fn without_self(&self, written: &impl ToTokens) -> TokenStream {
        replace_self(written.to_token_stream(), &self.object.to_token_stream())
    }
}

/// Reads the arguments and calls the method. All of it runs when the call's future is polled, the method's own code included.
fn far_arm(method: &Method, dormouse: &TokenStream) -> TokenStream {
    let Method {
        ident,
        name,
        cfgs,
        parameters,
        ..
    } = method;
    // Names that no code of the author can meet.
    let reader = Ident::new("reader", Span::mixed_site());
    let locals: Vec<_> = (1..=parameters.len())
        .map(|number| format_ident!("argument_{number}", span = Span::mixed_site()))
        .collect();
    let reads = parameters
        .iter()
        .zip(&locals)
        .map(|(Parameter { owned, .. }, local)| quote!(let #local = #reader.take::<#owned>()?;));
    let passed = parameters.iter().zip(&locals).map(|(parameter, local)| {
        if parameter.is_str() {
            quote!(&#local)
        } else {
            quote!(#local)
        }
    });
    let reads = (!parameters.is_empty()).then(|| {
        quote! {
            let mut #reader = #dormouse::__private::Arguments::new(#name, arguments);
            #(#reads)*
        }
    });
    let wait = method.is_async.then(|| quote!(.await));
    let unwrap = method.is_fallible.then(|| quote!(?));
    quote! {
        #(#cfgs)*
        #name => ::core::option::Option::Some(::std::boxed::Box::pin(async move {
            #reads
            #dormouse::__private::returned(#name, &Self::#ident(&self, #(#passed),*) #wait #unwrap)
        })),
    }
}

fn name(object: &Type) -> Result<Ident> {
    let refused = || Error::new_spanned(object, GENERIC);
    match object {
        Type::Group(group) => name(&group.elem),
        Type::Paren(paren) => name(&paren.elem),
        Type::Path(path) => {
            let last = path
                .path
                .segments
                .last()
                .filter(|last| last.arguments.is_none());
            last.map(|last| last.ident.clone()).ok_or_else(refused)
        }
        _ => Err(refused()),
    }
}

fn replace_self(tokens: TokenStream, object: &TokenStream) -> TokenStream {
    let replace = |token| match token {
        TokenTree::Ident(ident) if ident == "Self" => object.clone(),
        TokenTree::Group(group) => {
            let inside = replace_self(group.stream(), object);
            let mut replaced = Group::new(group.delimiter(), inside);
            replaced.set_span(group.span());
            TokenTree::Group(replaced).into()
        }
        other => other.into(),
    };
    tokens
        .into_iter()
        .flat_map(|token| -> TokenStream { replace(token) })
        .collect()
}

#[cfg(test)]
mod tests;
