//! What is refused, in which words and where; and what is generated, as far as it can be seen without compiling it.

use super::*;

fn expansion(item: &TokenStream) -> String {
    expand(&quote!(), item, &quote!(::dormouse)).to_string()
}

/// Why a block is refused. Panics if it is not.
fn refusals(item: &TokenStream) -> Vec<String> {
    let error = Block::read(&quote!(), item).err().expect("it is refused");
    error.into_iter().map(|error| error.to_string()).collect()
}

/// The one reason for which a block with this method is refused.
fn refusal(method: &str) -> String {
    let item = format!("impl Counter {{ {method} }}")
        .parse()
        .expect("tokens");
    let refusals = refusals(&item);
    assert_eq!(refusals.len(), 1, "{refusals:?}");
    refusals.into_iter().next().expect("counted")
}

#[test]
fn the_block_stays_as_it_is() {
    let item = quote! {
        impl Counter {
            const STEP: u64 = 1;
            /// Adds.
            pub async fn add(&self, amount: u64) -> Result<u64> { Ok(amount) }
            fn inside(&mut self) {}
        }
    };
    let expansion = expansion(&item);
    assert!(expansion.starts_with(&item.to_string()));
    assert!(!expansion.contains("compile_error"), "{expansion}");
}

#[test]
fn a_refused_block_still_exists() {
    let item = quote!(impl Counter { pub fn fetch(&self) {} });
    let expansion = expansion(&item);
    assert!(expansion.starts_with(&item.to_string()));
    assert!(expansion.contains("compile_error"));
}

#[test]
fn only_public_methods_with_a_receiver_are_callable() {
    let block = Block::read(
        &quote!(),
        &quote! {
            impl Counter {
                pub fn get(&self) -> u64 { 0 }
                pub(crate) fn near(&self) {}
                fn inside(&self) {}
                pub fn make() -> u64 { 0 }
            }
        },
    );
    let names: Vec<_> = block
        .expect("all is well")
        .methods
        .into_iter()
        .map(|method| method.name)
        .collect();
    assert_eq!(names, ["get"]);
}

#[test]
fn a_call_gives_what_is_in_the_result() {
    for (output, result, is_fallible) in [
        (quote!(), "()", false),
        (quote!(-> u64), "u64", false),
        (quote!(-> Option<u64>), "Option < u64 >", false),
        (quote!(-> Result<u64>), "u64", true),
        (
            quote!(-> std::result::Result<Vec<u64>, String>),
            "Vec < u64 >",
            true,
        ),
        (quote!(-> Result<()>), "()", true),
    ] {
        let block = Block::read(
            &quote!(),
            &quote!(impl Counter { pub fn get(&self) #output {} }),
        );
        let method = &block.expect("all is well").methods[0];
        assert_eq!(
            (method.result.to_string().as_str(), method.is_fallible),
            (result, is_fallible)
        );
    }
}

#[test]
fn the_stub_has_the_names_types_and_docs_of_the_methods() {
    let expansion = expansion(&quote! {
        impl Counter {
            /// Adds.
            pub async fn add(&self, mut amount: u64, (a, b): (u8, u8), why: &str) -> Result<Self> {}
            pub fn reset(&self) {}
        }
    });
    assert!(expansion.contains("pub struct CounterStub (:: dormouse :: Stub)"));
    assert!(expansion.contains(
        "# [doc = r\" Adds.\"] # [track_caller] pub fn add (& self , amount : u64 , argument_2 : (u8 , u8) , why : & str) \
         -> :: dormouse :: RpcCall < Counter >"
    ), "{expansion}");
    assert!(expansion.contains(
        "# [doc = \"Calls `Counter::reset`.\"] # [track_caller] pub fn reset (& self ,) -> :: dormouse :: RpcCall < () >"
    ), "{expansion}");
}

#[test]
fn conditions_and_deprecation_of_a_method_hold_on_both_sides() {
    let expansion = expansion(&quote! {
        impl Counter {
            #[cfg(feature = "reset")]
            #[deprecated]
            pub fn reset(&self) {}
        }
    });
    assert_eq!(
        expansion.matches(r#"# [cfg (feature = "reset")]"#).count(),
        3
    ); // the method, its call, its stub
    assert_eq!(expansion.matches("# [deprecated]").count(), 2);
}

#[test]
fn paths_begin_at_the_name_that_the_manifest_gives() {
    let item = quote!(impl Counter { pub fn add(&self, amount: u64) -> u64 { amount } });
    let expansion = expand(&quote!(), &item, &quote!(::worker)).to_string();
    assert!(!expansion.contains("dormouse"), "{expansion}");
}

#[test]
fn every_mistake_of_a_block_is_told() {
    let item = quote!(impl Counter { pub fn fetch(&self) {} pub fn take(&mut self) {} });
    assert_eq!(refusals(&item).len(), 2);
}

#[test]
fn reserved_names_are_refused() {
    for name in [
        "fetch",
        "alarm",
        "web_socket_message",
        "websocket_close",
        "dup",
        "constructor",
        "connect",
    ] {
        let why = refusal(&format!("pub async fn {name}(&self) {{}}"));
        let start = format!("'{name}' is a reserved method and cannot be called over RPC");
        assert!(why.starts_with(&start), "{why}");
    }
    for name in ["id", "name"] {
        let why = refusal(&format!("pub fn {name}(&self) -> String {{}}"));
        assert!(
            why.starts_with(&format!("'{name}' is a property of every stub")),
            "{why}"
        );
    }
}

#[test]
fn receivers_other_than_a_shared_one_are_refused() {
    for receiver in ["&mut self", "self", "self: Rc<Self>"] {
        let why = refusal(&format!("pub fn take({receiver}) {{}}"));
        assert!(
            why.starts_with("a method that is called remotely takes `&self`"),
            "{why}"
        );
    }
}

#[test]
fn generic_methods_are_refused() {
    let why = refusal("pub fn put<T>(&self, value: T) {}");
    assert!(why.contains("no generic parameters"), "{why}");
    let why = refusal("pub fn put(&self, value: impl Into<String>) {}");
    assert!(why.contains("`impl Trait` is not known"), "{why}");
}

#[test]
fn borrowed_arguments_and_results_are_refused() {
    for borrowed in [
        "&[u8]",
        "&mut str",
        "&'static str",
        "&String",
        "Vec<&str>",
        "Cow<'a, str>",
    ] {
        let why = refusal(&format!("pub fn put(&self, value: {borrowed}) {{}}"));
        assert!(why.starts_with("arguments travel by value"), "{why}");
    }
    let why = refusal("pub fn get(&self) -> Result<&str> {}");
    assert!(why.starts_with("results travel by value"), "{why}");
}

#[test]
#[ignore = "needs proc-macro2's feature span-locations"]
fn a_refusal_points_at_what_it_refuses() {
    for (method, at) in [
        ("pub async fn fetch(&self) {}", "fetch"),
        ("pub fn id(&self) -> String {}", "id"),
        ("pub fn take(&mut self) {}", "&mut self"),
        ("pub fn put<T>(&self, value: T) {}", "<T>"),
        (
            "pub fn put(&self, value: impl Into<String>) {}",
            "impl Into<String>",
        ),
        ("pub fn put(&self, value: &[u8]) {}", "&[u8]"),
        ("pub fn put(&self, value: Vec<&str>) {}", "&str"),
        ("pub fn get(&self) -> Result<&str> {}", "&str"),
    ] {
        let item = format!("impl Counter {{ {method} }}")
            .parse()
            .expect("tokens");
        let error = Block::read(&quote!(), &item).err().expect("it is refused");
        assert_eq!(error.span().source_text().as_deref(), Some(at), "{method}");
    }
}

#[test]
fn trait_impls_generic_objects_and_other_items_are_refused() {
    for (item, why) in [
        (quote!(impl DurableObject for Counter {}), ON_TRAIT),
        (
            quote!(
                impl<T> Counter<T> {}
            ),
            GENERIC,
        ),
        (quote!(impl Counter<u8> {}), GENERIC),
        (
            quote!(
                struct Counter;
            ),
            NOT_AN_IMPL,
        ),
    ] {
        assert_eq!(refusals(&item), [why]);
    }
    let error = Block::read(&quote!(fetch), &quote!(impl Counter {}))
        .err()
        .expect("refused");
    assert_eq!(error.to_string(), ARGUMENTS);
}
