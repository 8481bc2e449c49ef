//! `#[rpc]`.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};
use syn::{
    Attribute, Error, FnArg, GenericArgument, ImplItem, ImplItemFn, ItemImpl, Pat, PathArguments, Result, ReturnType,
    Type, Visibility, parse2, spanned::Spanned as _,
};

/// Names that are taken: handlers, and what every stub has.
const RESERVED: [&str; 12] = [
    "fetch",
    "connect",
    "alarm",
    "web_socket_message",
    "websocket_message",
    "websocket_close",
    "websocket_error",
    "dup",
    "constructor",
    "id",
    "name",
    "new",
];

/// A method that others may call.
struct Method<'a> {
    name: &'a Ident,
    docs: Vec<&'a Attribute>,
    is_async: bool,
    arguments: Vec<Argument<'a>>,
    /// The type of the result, without the `Result` around it.
    output: Type,
    is_fallible: bool,
}

struct Argument<'a> {
    name: &'a Ident,
    declared: &'a Type,
    /// `&str` travels as a string and is lent to the method.
    is_str: bool,
}

pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> Result<TokenStream> {
    if !arguments.is_empty() {
        return Err(Error::new(arguments.span(), "#[rpc] takes no arguments"));
    }
    let block: ItemImpl = parse2(item)?;
    if let Some((_, path, _)) = &block.trait_ {
        return Err(Error::new(path.span(), "#[rpc] stands on the object's own impl block, not on that of a trait"));
    }
    if !block.generics.params.is_empty() {
        return Err(Error::new(block.generics.span(), "a Durable Object class has no generic parameters"));
    }
    let object = object_name(&block)?;
    let methods = block
        .items
        .iter()
        .filter_map(|item| match item {
            ImplItem::Fn(function) if matches!(function.vis, Visibility::Public(_)) => Some(method(function)),
            _ => None,
        })
        .collect::<Result<Vec<_>>>()?;
    let krate = crate::krate::path();
    let stub = format_ident!("{object}Stub");
    let stub_doc = format!("A stub for `{object}`, with the methods of its `#[rpc]` block.");
    let far_side = methods.iter().map(|method| far_side(&krate, method));
    let near_side = methods.iter().map(|method| near_side(&krate, method));
    Ok(quote! {
        #block

        impl #krate::__private::RpcMethods for #object {
            fn call(
                self: ::std::rc::Rc<Self>,
                method: &str,
                arguments: ::std::vec::Vec<#krate::Value>,
            ) -> ::core::option::Option<#krate::platform::LocalBoxFuture<'static, #krate::Result<#krate::Value>>> {
                match method {
                    #(#far_side)*
                    _ => ::core::option::Option::None,
                }
            }
        }

        #[doc = #stub_doc]
        #[derive(Debug)]
        pub struct #stub(#krate::Stub);

        impl #stub {
            #(#near_side)*
        }

        impl ::core::convert::From<#krate::Stub> for #stub {
            fn from(stub: #krate::Stub) -> Self {
                Self(stub)
            }
        }

        impl #krate::Rpc for #object {
            type Stub = #stub;
        }
    })
}

fn object_name(block: &ItemImpl) -> Result<Ident> {
    match &*block.self_ty {
        Type::Path(path) if path.qself.is_none() => path.path.get_ident().cloned(),
        _ => None,
    }
    .ok_or_else(|| Error::new(block.self_ty.span(), "#[rpc] stands on the impl block of a plain struct"))
}

fn method(function: &ImplItemFn) -> Result<Method<'_>> {
    let signature = &function.sig;
    let name = &signature.ident;
    if RESERVED.contains(&name.to_string().as_str()) {
        let message = format!("'{name}' is a reserved method and cannot be called over RPC");
        return Err(Error::new(name.span(), message));
    }
    if !signature.generics.params.is_empty() {
        return Err(Error::new(signature.generics.span(), "a method that is called over RPC has no generic parameters"));
    }
    let mut inputs = signature.inputs.iter();
    match inputs.next() {
        Some(FnArg::Receiver(receiver)) if receiver.reference.is_some() && receiver.mutability.is_none() => {}
        other => {
            let span = other.map_or(name.span(), syn::spanned::Spanned::span);
            let message = "a method that is called over RPC takes &self: several of them run interleaved on one object";
            return Err(Error::new(span, message));
        }
    }
    let arguments = inputs.map(argument).collect::<Result<_>>()?;
    let (output, is_fallible) = output(&signature.output);
    let docs = function.attrs.iter().filter(|attribute| attribute.path().is_ident("doc")).collect();
    Ok(Method { name, docs, is_async: signature.asyncness.is_some(), arguments, output, is_fallible })
}

fn argument(input: &FnArg) -> Result<Argument<'_>> {
    let FnArg::Typed(typed) = input else { return Err(Error::new(input.span(), "one receiver is enough")) };
    let Pat::Ident(pattern) = &*typed.pat else {
        return Err(Error::new(typed.pat.span(), "an argument that travels has a plain name"));
    };
    let is_str = match &*typed.ty {
        Type::Reference(reference) if reference.mutability.is_none() && is_plain(&reference.elem, "str") => true,
        Type::Reference(reference) => {
            return Err(Error::new(reference.span(), "arguments travel by value: take an owned type, or &str"));
        }
        _ => false,
    };
    Ok(Argument { name: &pattern.ident, declared: &typed.ty, is_str })
}

fn is_plain(declared: &Type, name: &str) -> bool {
    matches!(declared, Type::Path(path) if path.path.is_ident(name))
}

/// The type that the caller gets, and whether the method can fail.
fn output(declared: &ReturnType) -> (Type, bool) {
    let ReturnType::Type(_, declared) = declared else { return (syn::parse_quote!(()), false) };
    if let Type::Path(path) = &**declared
        && let Some(last) = path.path.segments.last()
        && last.ident == "Result"
        && let PathArguments::AngleBracketed(arguments) = &last.arguments
        && let Some(GenericArgument::Type(ok)) = arguments.args.first()
    {
        return (ok.clone(), true);
    }
    ((**declared).clone(), false)
}

/// The object's side: arguments out of values, the result into one.
fn far_side(krate: &TokenStream, method: &Method<'_>) -> TokenStream {
    let (name, text) = (method.name, method.name.to_string());
    let names: Vec<_> = method.arguments.iter().map(|argument| argument.name).collect();
    let types = method.arguments.iter().map(|argument| {
        let declared = argument.declared;
        if argument.is_str { quote!(::std::string::String) } else { quote!(#declared) }
    });
    let passed = method.arguments.iter().map(|argument| {
        let name = argument.name;
        if argument.is_str { quote!(&#name) } else { quote!(#name) }
    });
    let called = quote!(self.#name(#(#passed),*));
    let awaited = if method.is_async { quote!(#called.await) } else { called };
    let result = if method.is_fallible { quote!(#awaited?) } else { awaited };
    let reader = if names.is_empty() {
        quote!(let _ = arguments;)
    } else {
        quote!(let mut arguments = #krate::__private::Arguments::new(#text, arguments);)
    };
    quote! {
        #text => {
            #reader
            #(
                let #names: #types = match arguments.next() {
                    ::core::result::Result::Ok(value) => value,
                    ::core::result::Result::Err(error) => {
                        return ::core::option::Option::Some(#krate::__private::refused(error));
                    }
                };
            )*
            ::core::option::Option::Some(::std::boxed::Box::pin(async move {
                let result = #result;
                #krate::value::to_value(&result)
            }))
        }
    }
}

/// The caller's side: a method of the stub.
fn near_side(krate: &TokenStream, method: &Method<'_>) -> TokenStream {
    let (name, text, output, docs) = (method.name, method.name.to_string(), &method.output, &method.docs);
    let names: Vec<_> = method.arguments.iter().map(|argument| argument.name).collect();
    let types = method.arguments.iter().map(|argument| argument.declared);
    quote! {
        #(#docs)*
        pub fn #name(&self, #(#names: #types),*) -> #krate::RpcCall<#output> {
            let arguments = (|| {
                ::core::result::Result::Ok(::std::vec![#(#krate::value::to_value(&#names)?),*])
            })();
            self.0.call_typed(#text, arguments)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(item: TokenStream) -> String {
        expand(TokenStream::new(), item).expect_err("it must be refused").to_string()
    }

    #[test]
    fn what_cannot_travel_is_refused_in_words() {
        for (method, part) in [
            (quote!(pub fn add<T>(&self, value: T) {}), "no generic parameters"),
            (quote!(pub fn add(&mut self) {}), "takes &self"),
            (quote!(pub fn add(self) {}), "takes &self"),
            (quote!(pub fn make() {}), "takes &self"),
            (quote!(pub async fn fetch(&self) {}), "'fetch' is a reserved method"),
            (quote!(pub fn add(&self, values: &[u64]) {}), "arguments travel by value"),
            (quote!(pub fn add(&self, (a, b): (u64, u64)) {}), "a plain name"),
        ] {
            let message = message(quote!(impl Counter { #method }));
            assert!(message.contains(part), "{message}");
        }
        assert!(message(quote!(impl Display for Counter {})).contains("not on that of a trait"));
        assert!(message(quote!(impl<T> Counter<T> {})).contains("no generic parameters"));
    }

    #[test]
    fn private_methods_stay_private() {
        let expanded = expand(TokenStream::new(), quote!(impl Counter { fn helper<T>(&mut self, _: &T) {} }));
        assert!(!expanded.expect("it is none of our business").to_string().contains("\"helper\""));
    }
}
