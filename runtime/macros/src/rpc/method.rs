//! One method of an `#[rpc]` block: whether it can be called, and all that both sides need to know of it.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote};
use syn::{
    Attribute, Error, FnArg, GenericArgument, Ident, ImplItemFn, Pat, PathArguments, Receiver,
    Result, ReturnType, Type, TypeReference, Visibility, ext::IdentExt as _, spanned::Spanned as _,
};

use crate::durable_object::is_cfg;

/// Names that are handlers of every object (RP-2), in the spellings of both languages.
const HANDLERS: [&str; 15] = [
    "fetch",
    "connect",
    "alarm",
    "web_socket_message",
    "web_socket_close",
    "web_socket_error",
    "websocket_message",
    "websocket_close",
    "websocket_error",
    "webSocketMessage",
    "webSocketClose",
    "webSocketError",
    "dup",
    "constructor",
    "alarm_with_info",
];
/// Names that are properties of every stub (ST-2).
const PROPERTIES: [&str; 2] = ["id", "name"];

const GENERIC: &str = "a method that is called remotely has no generic parameters: the caller's types are not known here";
const UNSAFE: &str =
    "a method that is called remotely cannot be unsafe: make it pub(crate) to keep it inside";
const RECEIVER: &str = "a method that is called remotely takes `&self`, because calls to one object overlap: \
                        put what changes into a Cell, or make the method pub(crate) to keep it inside";
const BORROWED: &str = "arguments travel by value: take an owned type (`&str` is accepted)";
const BORROWED_RESULT: &str = "results travel by value: return an owned type";
const IMPL_TRAIT: &str =
    "a method that is called remotely names its types: `impl Trait` is not known to the caller";

/// A method that can be called.
pub(super) struct Method {
    pub(super) ident: Ident,
    /// As callers call it.
    pub(super) name: String,
    /// The conditions under which it exists.
    pub(super) cfgs: Vec<Attribute>,
    /// What the stub's method says, too: documentation and deprecation.
    pub(super) docs: Vec<Attribute>,
    pub(super) parameters: Vec<Parameter>,
    /// What callers get if all goes well.
    pub(super) result: TokenStream,
    pub(super) is_async: bool,
    /// It returns a `Result`.
    pub(super) is_fallible: bool,
}

/// A parameter, without the receiver.
pub(super) struct Parameter {
    /// In the stub's method.
    pub(super) name: Ident,
    /// As it was written.
    pub(super) written: Type,
    /// As it is read on the far side.
    pub(super) owned: TokenStream,
}

impl Method {
    /// `None` if the function is not meant for callers: it is not public, or has no receiver.
    pub(super) fn read(function: &ImplItemFn) -> Result<Option<Self>> {
        let signature = &function.sig;
        let Some(receiver) = signature.receiver() else {
            return Ok(None);
        };
        if !matches!(function.vis, Visibility::Public(_)) {
            return Ok(None);
        }
        let name = signature.ident.unraw().to_string();
        check_name(&name, signature.ident.span())?;
        check_receiver(receiver)?;
        if let Some(unsafety) = &signature.unsafety {
            return Err(Error::new(unsafety.span, UNSAFE));
        }
        if !signature.generics.params.is_empty() {
            return Err(Error::new_spanned(&signature.generics, GENERIC));
        }
        let parameters = signature.inputs.iter().skip(1).enumerate();
        let (result, is_fallible) = result(&signature.output)?;
        let copied = |names: &[&str]| {
            let is_copied =
                |attribute: &&Attribute| names.iter().any(|name| attribute.path().is_ident(name));
            function.attrs.iter().filter(is_copied).cloned().collect()
        };
        Ok(Some(Self {
            ident: signature.ident.clone(),
            name,
            cfgs: function
                .attrs
                .iter()
                .filter(|attribute| is_cfg(attribute))
                .cloned()
                .collect(),
            docs: copied(&["doc", "deprecated"]),
            parameters: parameters
                .map(|(index, parameter)| Parameter::read(index + 1, parameter))
                .collect::<Result<_>>()?,
            result,
            is_async: signature.asyncness.is_some(),
            is_fallible,
        }))
    }
}

impl Parameter {
    fn read(number: usize, parameter: &FnArg) -> Result<Self> {
        let FnArg::Typed(parameter) = parameter else {
            unreachable!("the receiver comes first, and it was skipped")
        };
        let name = match &*parameter.pat {
            Pat::Ident(pattern) if pattern.subpat.is_none() => pattern.ident.clone(),
            pattern => format_ident!("argument_{number}", span = pattern.span()),
        };
        let written = bare(&parameter.ty).clone();
        let owned = match &written {
            reference @ Type::Reference(_) if is_str(reference) => quote!(::std::string::String),
            written => {
                check_owned(written, BORROWED)?;
                quote!(#written)
            }
        };
        Ok(Self {
            name,
            written,
            owned,
        })
    }

    /// Whether the method takes a `&str`, which is read as a `String`.
    pub(super) fn is_str(&self) -> bool {
        is_str(&self.written)
    }
}

fn check_name(name: &str, span: Span) -> Result<()> {
    if HANDLERS.contains(&name) {
        let why = format!(
            "'{name}' is a reserved method and cannot be called over RPC: choose another name, or make it pub(crate)"
        );
        return Err(Error::new(span, why));
    }
    if PROPERTIES.contains(&name) {
        let why = format!(
            "'{name}' is a property of every stub and cannot be called over RPC: choose another name, or make it pub(crate)"
        );
        return Err(Error::new(span, why));
    }
    Ok(())
}

fn check_receiver(receiver: &Receiver) -> Result<()> {
    let is_shared = receiver.reference.is_some() && receiver.mutability.is_none();
    if is_shared && receiver.colon_token.is_none() {
        Ok(())
    } else {
        Err(Error::new_spanned(receiver, RECEIVER))
    }
}

/// What callers get, and whether the method can fail.
fn result(output: &ReturnType) -> Result<(TokenStream, bool)> {
    let ReturnType::Type(_, declared) = output else {
        return Ok((quote!(()), false));
    };
    let declared = bare(declared);
    check_owned(declared, BORROWED_RESULT)?;
    let Type::Path(path) = declared else {
        return Ok((quote!(#declared), false));
    };
    let Some(last) = path
        .path
        .segments
        .last()
        .filter(|last| last.ident == "Result")
    else {
        return Ok((quote!(#declared), false));
    };
    let PathArguments::AngleBracketed(arguments) = &last.arguments else {
        return Ok((quote!(()), true)); // as `fmt::Result` is
    };
    let good = arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(good) => Some(quote!(#good)),
        _ => None,
    });
    Ok((good.unwrap_or_else(|| quote!(())), true))
}

/// Refuses what borrows or is not named, wherever in the type it stands in sight.
fn check_owned(written: &Type, borrowed: &str) -> Result<()> {
    match written {
        Type::Reference(_) | Type::Ptr(_) => Err(Error::new_spanned(written, borrowed)),
        Type::ImplTrait(_) => Err(Error::new_spanned(written, IMPL_TRAIT)),
        Type::Array(array) => check_owned(&array.elem, borrowed),
        Type::Group(group) => check_owned(&group.elem, borrowed),
        Type::Paren(paren) => check_owned(&paren.elem, borrowed),
        Type::Tuple(tuple) => tuple
            .elems
            .iter()
            .try_for_each(|elem| check_owned(elem, borrowed)),
        Type::Path(path) => path.path.segments.iter().try_for_each(|segment| {
            let PathArguments::AngleBracketed(arguments) = &segment.arguments else {
                return Ok(());
            };
            arguments
                .args
                .iter()
                .try_for_each(|argument| match argument {
                    GenericArgument::Type(inner) => check_owned(inner, borrowed),
                    GenericArgument::Lifetime(lifetime) if lifetime.ident != "static" => {
                        Err(Error::new_spanned(argument, borrowed))
                    }
                    _ => Ok(()),
                })
        }),
        _ => Ok(()),
    }
}

/// `&str`, without a lifetime that the far side could not give it.
fn is_str(written: &Type) -> bool {
    let Type::Reference(TypeReference {
        lifetime,
        mutability: None,
        elem,
        ..
    }) = written
    else {
        return false;
    };
    let lives_long_enough = lifetime
        .as_ref()
        .is_none_or(|lifetime| lifetime.ident == "_");
    lives_long_enough && matches!(bare(elem), Type::Path(path) if path.path.is_ident("str"))
}

/// A type without the invisible groups and parentheses around it.
fn bare(written: &Type) -> &Type {
    match written {
        Type::Group(group) => bare(&group.elem),
        Type::Paren(paren) => bare(&paren.elem),
        other => other,
    }
}
