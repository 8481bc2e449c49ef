//! What was written comes back exactly, and whatever else the bytes are, reading them is harmless.

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::value::{from_value, to_value};

fn any_number() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>(),
        any::<i32>().prop_map(f64::from),
        any::<f32>().prop_map(f64::from),
        prop::sample::select(vec![
            0.0,
            -0.0,
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            9_007_199_254_740_991.0,
            -9_007_199_254_740_991.0,
            9_007_199_254_740_992.0,
            f64::MIN_POSITIVE / 2.0,
        ]),
    ]
}

fn any_big_int() -> impl Strategy<Value = BigInt> {
    let sign = prop_oneof![Just(Sign::Positive), Just(Sign::Negative)];
    let byte = prop_oneof![any::<u8>(), Just(0), Just(255)];
    (sign, vec(byte, 0..20)).prop_map(|(sign, bytes)| BigInt::from_bytes(sign, bytes))
}

fn any_properties(
    value: impl Strategy<Value = Value>,
) -> impl Strategy<Value = Vec<(String, Value)>> {
    vec((".{0,4}", value), 0..4).prop_map(|properties| match Value::object(properties) {
        Value::Object(properties) => properties,
        other => unreachable!("{other:?} is no object"),
    })
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Undefined),
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any_number().prop_map(Value::Number),
        any_big_int().prop_map(Value::BigInt),
        ".{0,30}".prop_map(Value::String),
        (".{0,9}", 1..300_usize).prop_map(|(text, times)| Value::String(text.repeat(times))),
        vec(any::<u8>(), 0..300).prop_map(Value::Bytes),
        any_number().prop_map(Value::Date),
        (
            prop::sample::select(&ViewKind::ALL),
            vec(any::<u8>(), 0..30)
        )
            .prop_map(|(kind, bytes)| View::new(kind, bytes).into()),
        (".{0,9}", "[a-z]{0,3}").prop_map(|(source, flags)| RegExpValue { source, flags }.into()),
        any::<bool>().prop_map(|value| Primitive::Bool(value).into()),
        any_number().prop_map(|number| Primitive::Number(number).into()),
        any_big_int().prop_map(|number| Primitive::BigInt(number).into()),
        ".{0,9}".prop_map(|text| Primitive::String(text).into()),
        Just(Value::Hole),
    ];
    leaf.prop_recursive(5, 40, 4, |inner| {
        let entry = (inner.clone(), inner.clone());
        let error = (".{0,4}", ".{0,4}", any_properties(inner.clone()));
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::Array),
            vec(inner.clone(), 0..5).prop_map(Value::Set),
            vec(entry, 0..4).prop_map(Value::Map),
            any_properties(inner).prop_map(Value::Object),
            error.prop_map(|(name, message, properties)| {
                let mut error = ErrorValue::new(name, message);
                error.properties = properties;
                error.into()
            }),
        ]
    })
}

fn nested(levels: usize) -> Value {
    (0..levels).fold(Value::Null, |inner, _| Value::Array(vec![inner]))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_value_comes_back_exactly(value in any_value()) {
        prop_assert_eq!(decode(&encode(&value)), Ok(value));
    }

    #[test]
    fn every_value_goes_through_serde_unchanged(value in any_value()) {
        prop_assert_eq!(to_value(&value), Ok(value.clone()));
        prop_assert_eq!(from_value(value.clone()), Ok(value));
    }

    #[test]
    fn no_beginning_of_a_value_is_a_value(value in any_value()) {
        let bytes = encode(&value);
        for len in 0..bytes.len() {
            prop_assert!(decode(&bytes[..len]).is_err());
        }
    }

    #[test]
    fn damage_never_panics(value in any_value(), at: prop::sample::Index, byte: u8) {
        let mut bytes = encode(&value);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = decode(&bytes); // a value or an error, both will do
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..64)) {
        let _ = decode(&bytes);
        let _ = decode(&[&[FORMAT], &bytes[..]].concat());
    }
}

#[test]
fn the_bytes_of_format_1_never_change() {
    let value = Value::object([
        ("a", Value::from(1)),
        (
            "b",
            vec![
                Value::Undefined,
                Value::Null,
                (-0.0).into(),
                (-2).into(),
                1.5.into(),
            ]
            .into(),
        ),
        (
            "c",
            Value::Set(vec![BigInt::from(256).into(), BigInt::from(-256).into()]),
        ),
        ("d", Value::Map(vec![(true.into(), vec![7_u8].into())])),
        ("e", Value::Date(f64::NAN)),
        ("f", ErrorValue::new("E", "m").into()),
    ]);
    let expected = [
        "01a6",
        "616101",
        "616285f7f6f9800021f93e00",
        "6163d9010282c2420100c341ff",
        "6164d90103a1f54107",
        "6165d81b826444617465f97e00",
        "6166d81b84654572726f726145616da0",
    ];
    assert_eq!(encode(&value), bytes_of(&expected.concat()));
}

/// The bytes that these hexadecimal digits are.
fn bytes_of(hex: &str) -> Vec<u8> {
    let digits = hex
        .as_bytes()
        .chunks(2)
        .map(|pair| str::from_utf8(pair).expect("ASCII"));
    let bytes = digits.map(|digits| u8::from_str_radix(digits, 16).expect("hex"));
    bytes.collect()
}

#[test]
fn what_came_later_to_format_1_never_changes_either() {
    let expression = RegExpValue {
        source: "a".to_owned(),
        flags: "g".to_owned(),
    };
    let value = Value::from(vec![
        View::new(ViewKind::Uint8Array, [1]).into(),
        View::new(ViewKind::Float64Array, []).into(),
        View::new(ViewKind::DataView, [2]).into(),
        expression.into(),
        Primitive::Number(5.0).into(),
        Value::Hole,
    ]);
    let expected = [
        "0186",
        "d8404101",
        "d85640",
        "d81b82684461746156696577",
        "4102",
        "d81b8366526567457870",
        "6161",
        "6167",
        "d81b8265426f786564",
        "05",
        "d81ff7",
    ];
    assert_eq!(encode(&value), bytes_of(&expected.concat()));
}

#[test]
fn an_object_around_an_object_is_refused() {
    let boxed_array = bytes_of("01d81b8265426f78656480");
    assert!(decode(&boxed_array).is_err());
    let boxed_box = bytes_of("01d81b8265426f786564d81b8265426f78656405");
    assert!(decode(&boxed_box).is_err());
}

#[test]
fn a_small_number_takes_two_bytes() {
    assert_eq!(encode(&1.into()), [FORMAT, 1]);
}

#[test]
fn a_negative_nan_is_the_same_bytes_as_a_positive_one() {
    assert_eq!(encode(&f64::NAN.into()), encode(&(-f64::NAN).into()));
}

#[test]
fn other_formats_and_no_bytes_at_all_are_refused() {
    assert_eq!(decode(&[]), Err(DecodeError::Empty));
    let error = decode(&[2, 0]).expect_err("a format of the future");
    assert_eq!(
        error.to_string(),
        "value has format 2, this version reads 1"
    );
}

#[test]
fn bytes_after_the_value_are_refused() {
    let error = decode(&[FORMAT, 1, 1]).expect_err("one byte too many");
    assert_eq!(
        error.to_string(),
        "value is damaged at byte 2: more bytes than the value has"
    );
}

#[test]
fn an_announced_length_takes_no_memory_that_the_bytes_do_not_justify() {
    for major in [0x5b, 0x7b, 0x9b, 0xbb] {
        let mut bytes = vec![FORMAT, major];
        bytes.extend([0x7f; 8]);
        assert_eq!(decode(&bytes), Err(DecodeError::CutOff { len: 10 }));
    }
}

#[test]
fn nesting_is_bounded_and_what_can_be_written_can_be_read() {
    let deepest = nested(DEPTH_MAX);
    assert_eq!(decode(&encode(&deepest)), Ok(deepest));
    let mut bytes = vec![FORMAT];
    bytes.resize(100_000, 0x81); // an array of one element, which is an array of one element...
    assert_eq!(decode(&bytes), Err(DecodeError::TooDeep));
    bytes[1..].fill(0xc2); // a tag before a tag before a tag...
    assert!(matches!(
        decode(&bytes),
        Err(DecodeError::Damaged { at: 3, .. })
    ));
}

#[test]
#[should_panic(expected = "a value is bounded in depth where it comes into being")]
fn a_value_that_nobody_could_read_again_is_not_written() {
    encode(&nested(DEPTH_MAX + 1));
}

#[test]
fn a_long_string_is_as_short_as_in_the_original_and_comes_back() {
    // One byte for each character of Latin-1, two for any other of the first plane, four beyond it.
    for (character, bytes_each) in [("a", 1), ("é", 1), ("€", 2), ("漢", 2), ("😀", 4)] {
        let text = Value::String(character.repeat(10_000));
        let bytes = encode(&text);
        let overhead = bytes.len() - 10_000 * bytes_each;
        assert!(
            overhead < 20,
            "{character}: {overhead} bytes more than the characters"
        );
        assert_eq!(decode(&bytes), Ok(text));
    }
    let odd = [
        &[FORMAT, 0xd8, 27, 0x82, 0x66],
        &b"UTF-16"[..],
        &[0x43, 1, 2, 3],
    ]
    .concat();
    assert!(matches!(decode(&odd), Err(DecodeError::Damaged { .. })));
    let unpaired = [
        &[FORMAT, 0xd8, 27, 0x82, 0x66],
        &b"UTF-16"[..],
        &[0x42, 0x00, 0xd8],
    ]
    .concat();
    assert!(matches!(
        decode(&unpaired),
        Err(DecodeError::Damaged { .. })
    ));
}
