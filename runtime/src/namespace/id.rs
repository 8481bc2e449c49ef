//! Ids: 32 bytes that say which object is meant, and prove that its namespace made them.
//!
//! The first half, the *base*, names the object: a keyed hash of its name, or random. The second half, the *tag*, is a
//! keyed hash of the base. So the same name always gives the same object, without asking anybody; nobody makes an id
//! without the namespace's key; and an id of one namespace does not pass for one of another. Without the tag a mistyped
//! id would silently be a new, empty object.
//!
//! A jurisdiction enters both hashes: the same name is another object in each of them, and an id tells its own (NS-11).
//! In: the namespace's unique key, and names, random bytes or hex digits. Out: [`RawId`]. All of it is computation.

use std::{
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
    rc::Rc,
};

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::{Error, Result, mutation::Mutation};

/// The bytes of a base, and of a tag (ID-1).
const HALF: usize = 16;

/// What turns names into ids of one namespace, and recognises them.
#[derive(Clone)]
pub(crate) struct NamespaceKey {
    /// Keyed and otherwise fresh: every use takes a clone, which spares it the hashing of the key.
    mac: Hmac<Sha256>,
}

impl NamespaceKey {
    /// The key of the namespace with this secret, stable string (ID-2).
    pub(crate) fn new(unique_key: &str) -> Self {
        let key = Sha256::digest(unique_key);
        let mac = Hmac::new_from_slice(&key).expect("HMAC takes a key of any length");
        Self { mac }
    }

    /// The id of the object called `name` (ID-4): any string, as it is, the empty one included.
    pub(crate) fn id_from_name(&self, name: &str, jurisdiction: Option<Jurisdiction>) -> RawId {
        let mut hashed = name.as_bytes();
        if Mutation::NameCutShort.is_active() {
            hashed = &hashed[..hashed.len().saturating_sub(1)];
        }
        let base = first_half(self.hash(hashed, jurisdiction));
        RawId {
            name: Some(name.into()),
            ..self.unique_id(base, jurisdiction)
        }
    }

    /// The id, without a name, that has this base (ID-3, ID-5).
    pub(crate) fn unique_id(&self, base: [u8; HALF], jurisdiction: Option<Jurisdiction>) -> RawId {
        let tag = first_half(self.hash(&base, jurisdiction));
        let mut bytes = [0; 2 * HALF];
        bytes[..HALF].copy_from_slice(&base);
        bytes[HALF..].copy_from_slice(&tag);
        RawId {
            bytes,
            name: None,
            jurisdiction,
        }
    }

    /// The id that was printed as `hex`; it carries no name (ID-9).
    ///
    /// # Errors
    /// `TypeError` if `hex` is not 64 hex digits, in either case, or is no id of this namespace.
    pub(crate) fn parse(&self, hex: &str) -> Result<RawId> {
        let bytes = bytes_from_hex(hex)
            .ok_or_else(|| Error::type_error("Invalid Durable Object ID: must be 64 hex digits"))?;
        self.recognise(bytes)
    }

    /// The id with these bytes; it carries no name.
    ///
    /// # Errors
    /// `TypeError` if it is no id of this namespace.
    pub(crate) fn recognise(&self, bytes: [u8; 2 * HALF]) -> Result<RawId> {
        let jurisdiction = std::iter::once(None)
            .chain(Jurisdiction::ALL.map(Some))
            .find(|&jurisdiction| self.made(&bytes, jurisdiction))
            .ok_or_else(not_of_this_namespace)?;
        Ok(RawId {
            bytes,
            name: None,
            jurisdiction,
        })
    }

    /// Whether `id` is one of this namespace's (NS-6).
    ///
    /// # Errors
    /// `TypeError` if it is not.
    pub(crate) fn check(&self, id: &RawId) -> Result<()> {
        if self.made(&id.bytes, id.jurisdiction) {
            Ok(())
        } else {
            Err(not_of_this_namespace())
        }
    }

    fn made(&self, bytes: &[u8; 2 * HALF], jurisdiction: Option<Jurisdiction>) -> bool {
        let (base, tag) = bytes.split_at(HALF);
        // In constant time: who asks for many strings must not learn from the time how much of a tag he has guessed.
        self.hash(base, jurisdiction)
            .verify_truncated_left(tag)
            .is_ok()
    }

    /// The keyed hash of a name or a base; without a jurisdiction that of the original, byte for byte (NS-14).
    fn hash(&self, input: &[u8], jurisdiction: Option<Jurisdiction>) -> Hmac<Sha256> {
        let mut mac = self.mac.clone();
        mac.update(input);
        if let Some(jurisdiction) = jurisdiction {
            mac.update(b"\0");
            mac.update(jurisdiction.as_str().as_bytes());
        }
        mac
    }
}

impl fmt::Debug for NamespaceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NamespaceKey(..)") // the key is a secret
    }
}

fn first_half(mac: Hmac<Sha256>) -> [u8; HALF] {
    let whole = mac.finalize().into_bytes();
    std::array::from_fn(|index| whole[index])
}

fn not_of_this_namespace() -> Error {
    Error::type_error("Durable Object ID is not valid for this namespace.")
}

fn bytes_from_hex(hex: &str) -> Option<[u8; 2 * HALF]> {
    let bytes = HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).ok()?;
    bytes.try_into().ok()
}

/// Where an object runs and keeps its data, for good (NS-9, NS-13).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Jurisdiction {
    Eu,
    Fedramp,
    FedrampHigh,
    Us,
}

impl Jurisdiction {
    const ALL: [Self; 4] = [Self::Eu, Self::Fedramp, Self::FedrampHigh, Self::Us];

    /// The jurisdiction called `text`, for the method of a namespace that was given it.
    ///
    /// # Errors
    /// `TypeError` if there is none (NS-10).
    pub(crate) fn parse(text: &str, method: &str) -> Result<Self> {
        let known = Self::ALL.into_iter().find(|known| known.as_str() == text);
        known.ok_or_else(|| {
            Error::type_error(format!(
                "{method} called with an unsupported jurisdiction: \"{text}\""
            ))
        })
    }

    /// Its name; also what enters the hashes, so it never changes.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Eu => "eu",
            Self::Fedramp => "fedramp",
            Self::FedrampHigh => "fedramp-high",
            Self::Us => "us",
        }
    }
}

/// An id as the runtime carries it: equal, ordered and hashed by its bytes alone (ID-10). Prints as 64 hex digits.
#[derive(Clone)]
pub struct RawId {
    bytes: [u8; 2 * HALF],
    /// What the id was made from, if it was made from a name (ID-11).
    name: Option<Rc<str>>,
    jurisdiction: Option<Jurisdiction>,
}

impl RawId {
    pub(crate) fn bytes(&self) -> [u8; 2 * HALF] {
        self.bytes
    }

    pub(crate) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    pub(crate) fn jurisdiction(&self) -> Option<Jurisdiction> {
        self.jurisdiction
    }

    /// The same id, carrying this name: what an object sees need not be what its caller holds (ID-12).
    pub(crate) fn with_name(mut self, name: Option<Rc<str>>) -> Self {
        self.name = name;
        self
    }
}

impl PartialEq for RawId {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for RawId {}

impl PartialOrd for RawId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for RawId {
    fn cmp(&self, other: &Self) -> Ordering {
        let order = self.bytes.cmp(&other.bytes);
        if Mutation::NameTellsIdsApart.is_active() {
            return order.then_with(|| self.name.cmp(&other.name));
        }
        order
    }
}

impl Hash for RawId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bytes.hash(state);
    }
}

impl fmt::Display for RawId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HEXLOWER.encode_mut_str(&self.bytes, &mut [0; 4 * HALF]))
    }
}

impl fmt::Debug for RawId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "RawId({self}, {name:?})"),
            None => write!(f, "RawId({self})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INVALID: &str = "TypeError: Invalid Durable Object ID: must be 64 hex digits";
    const FOREIGN: &str = "TypeError: Durable Object ID is not valid for this namespace.";

    fn id(unique_key: &str, name: &str) -> String {
        NamespaceKey::new(unique_key)
            .id_from_name(name, None)
            .to_string()
    }

    fn parse_error(key: &NamespaceKey, hex: &str) -> String {
        format!("{:?}", key.parse(hex).expect_err("must not parse"))
    }

    #[test]
    fn names_give_the_ids_of_the_original() {
        // (ID-6); the first two are the original's own test vectors.
        for (unique_key, name, hex) in [
            (
                "mykey",
                "http://foo/",
                "59002eb8cf872e541722977a258a12d6a93bbe8192b502e1c0cb250aa91af234",
            ),
            (
                "mykey",
                "http://foo/bar",
                "02b496f65dd35cbac90e3e72dc5a398ee93926ea4a3821e26677082d2e6f9b79",
            ),
            (
                "mykey",
                "foo",
                "2f15a1f797ff8950c1402f1b9d84e6175bf2d47280acc1fe330a0aaf708a99ea",
            ),
            (
                "mykey",
                "",
                "5671fa8c78c77d33f1e2e2613dd33ef021665e44066444f8e9f9af35e972d39d",
            ),
            (
                "my-worker-Counter",
                "A",
                "907af8d0b17993a0fdcdd3b3468db6c1792f8547f29cfb0d5b23e3d5b844e372",
            ),
            (
                "my-worker-Counter",
                "é",
                "577d1e3bc2c5d7c58a3166c9f4c102dae2f4fe17fbc5e98d3a8674146316489b",
            ),
        ] {
            assert_eq!(id(unique_key, name), hex, "{unique_key} {name}");
        }
    }

    #[test]
    fn names_give_the_ids_that_were_recorded_from_the_original() {
        let plain = "my-app-Counter";
        for (name, hex) in [
            (
                "",
                "ca90763ea1585af43cfb70b9758263228f2a1560047ba81bdad16b2c5dc284db",
            ),
            (
                "a",
                "41127c375bc1ade32778276f750e6829a7c0a1bc0dd350a18b623fe9e0cd58f6",
            ),
            (
                "A",
                "a1ae54886a16b39780e28e5cbf1f97244189fa7428a784a95ee849945a5a78a2",
            ),
            (
                " a",
                "e86ffc225ad34d92a49427c69b612d0e71aa333c0ae2d1ad45cf86ee4f4543a8",
            ),
            (
                "nul\0inside",
                "a7cff02a46c79effd617b27e88477eaee8a1ebb7d009b4dde81a2872e0a76ce8",
            ),
            (
                "caf\u{e9}",
                "03db8f9854491d2c9b211ae3c50896fa1ac57f08cd6e91dd0d48656842481785",
            ),
            (
                "cafe\u{301}",
                "966877ea1bb14583229d3be0bd9d66194327ab5fa1a220c5b1c62bb8122e4961",
            ),
            (
                "日本語",
                "11f89f1ff65e5ede9883b495024127d65dbe7737486f2014445a1f791dc32c52",
            ),
            (
                "😀",
                "9d3a880f8bc0876d4aaec2adbe1aec8e1071764b513a3521b61033399a419a4d",
            ),
            (
                "\u{feff}bom",
                "8895762ab6409d542555847c52c9082dbf3930fcb38c7e8ab1e7825ef0e242fa",
            ),
            (
                &"x".repeat(64),
                "3164fbda8f9447c98b7d7ea5ed9ef0f822882d781cbe4339170138a2ca7dcb8b",
            ),
            (
                &"x".repeat(65),
                "c2d3e123e99c1ae068119c83339671ea2dd00c75bdc576d59b99519564c728a6",
            ),
            (
                &"é".repeat(512),
                "2060d291d7501b75b835c3f603e0db1bad0b96e9d4a7387d0263ed69468b155a",
            ),
            (
                &"long-name-".repeat(1000),
                "487e26748770e83bc4c267a4e4035f765a7ebc7cd2c24ac8784c7091735fefcc",
            ),
        ] {
            assert_eq!(id(plain, name), hex, "{name}");
        }
    }

    #[test]
    fn other_keys_give_other_ids_as_recorded_from_the_original() {
        let unicode = "naïve-你好-😀";
        for (unique_key, name, hex) in [
            (
                "k",
                "room:1",
                "342c0e4f32b8c1ff48f1ed64d326cc5659e4a4f070dfb0793b9115a9af722d46",
            ),
            (
                "k",
                &"x".repeat(1025),
                "2b9b77b86c1279e9c264dc3ed991b3ec45a042a4270c013b26630e8cc3cf3492",
            ),
            (
                unicode,
                "",
                "9704bbffcdae3bf05eddfc6dcd5212eaaf374a463aae68ed79e4c7aa79c3441b",
            ),
            (
                unicode,
                "😀",
                "51c1bd2cedae5b9a8615723f8a6a2edc11c7555dc534bbd9cec6f9c540b020cf",
            ),
            (
                unicode,
                &"😀".repeat(300),
                "22e117d3279d536ee29749f921f9f9694e6ef92e038bbca714bd048b15295f56",
            ),
        ] {
            assert_eq!(id(unique_key, name), hex, "{unique_key} {name}");
        }
    }

    #[test]
    fn unique_ids_have_the_tags_of_the_original() {
        let key = NamespaceKey::new("mykey");
        let mut base = [0; HALF];
        let first = key.unique_id(base, None).to_string();
        assert_eq!(
            first,
            "00000000000000000000000000000000f42f078c1fb210c8875c7ddc390e85a1"
        );
        base[0] = 1;
        let second = key.unique_id(base, None).to_string();
        assert_eq!(
            second,
            "01000000000000000000000000000000407c7a20a83c018f074dc46c1b075a46"
        );
    }

    #[test]
    fn a_printed_id_parses_in_either_case_and_loses_its_name() {
        let key = NamespaceKey::new("mykey");
        let room = key.id_from_name("room", None);
        let hex = room.to_string();
        for text in [hex.clone(), hex.to_uppercase()] {
            let parsed = key.parse(&text).expect("the key made it");
            assert_eq!(parsed, room);
            assert_eq!(parsed.to_string(), hex);
            assert_eq!(parsed.name(), None);
        }
        assert_eq!(room.name(), Some("room"));
    }

    #[test]
    fn a_string_that_is_no_id_is_refused_with_the_text_of_the_original() {
        let key = NamespaceKey::new("mykey");
        let good = key.id_from_name("room", None).to_string();
        let not_hex = [
            String::new(),
            good[1..].to_owned(),
            format!("{good}0"),
            good[32..].to_owned(),
            good.repeat(2),
            "z".repeat(64),
            format!("g{}", &good[1..]),
            format!(" {}", &good[1..]),
            format!("+{}", &good[1..]),
            format!("{good}\n"),
            "é".repeat(64),
            "é".repeat(32),
            "room".to_owned(),
        ];
        for text in not_hex {
            assert_eq!(parse_error(&key, &text), INVALID, "{text:?}");
        }
    }

    #[test]
    fn a_changed_or_foreign_id_is_refused_with_the_text_of_the_original() {
        let key = NamespaceKey::new("mykey");
        let good = key.id_from_name("room", None).to_string();
        let flip = |at: usize| {
            let digit = if &good[at..=at] == "0" { "1" } else { "0" };
            format!("{}{digit}{}", &good[..at], &good[at + 1..])
        };
        let mut refused = vec!["0".repeat(64), "f".repeat(64), id("other", "room")];
        refused.extend([0, 31, 32, 63].map(flip));
        for text in refused {
            assert_eq!(parse_error(&key, &text), FOREIGN, "{text:?}");
        }
    }

    #[test]
    fn an_id_of_another_namespace_fails_the_check() {
        let (mine, other) = (NamespaceKey::new("mine"), NamespaceKey::new("other"));
        let id = mine.id_from_name("room", Some(Jurisdiction::Eu));
        assert_eq!(mine.check(&id), Ok(()));
        assert_eq!(
            format!("{:?}", other.check(&id).expect_err("foreign")),
            FOREIGN
        );
    }

    #[test]
    fn a_name_is_another_object_in_every_jurisdiction_and_its_id_tells_which() {
        let key = NamespaceKey::new("mykey");
        let mut ids = vec![key.id_from_name("room", None)];
        for jurisdiction in Jurisdiction::ALL {
            let id = key.id_from_name("room", Some(jurisdiction));
            let parsed = key.parse(&id.to_string()).expect("the key made it");
            assert_eq!(parsed.jurisdiction(), Some(jurisdiction));
            ids.push(id);
        }
        ids.push(key.id_from_name("room\0eu", None)); // shares its base with `room` in `eu`
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 6);
    }

    #[test]
    fn the_four_jurisdictions_are_known_and_no_others() {
        for text in ["eu", "fedramp", "fedramp-high", "us"] {
            let known = Jurisdiction::parse(text, "jurisdiction").expect("known");
            assert_eq!(known.as_str(), text);
        }
        for text in ["", "EU", "mars"] {
            let error = Jurisdiction::parse(text, "newUniqueId").expect_err("unknown");
            let expected = format!(
                "TypeError: newUniqueId called with an unsupported jurisdiction: \"{text}\""
            );
            assert_eq!(format!("{error:?}"), expected);
        }
    }

    #[test]
    fn equality_looks_at_the_bytes_only() {
        let key = NamespaceKey::new("mykey");
        let named = key.id_from_name("room", None);
        let nameless = named.clone().with_name(None);
        assert_eq!(named, nameless);
        assert_eq!(named.cmp(&nameless), Ordering::Equal);
        assert_ne!(named, key.id_from_name("Room", None));
    }
}
