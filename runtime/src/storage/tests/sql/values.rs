//! Values in both directions, and the functions on them (6.3, AU-8).

use super::rows;
use crate::{SqlStorageValue, storage::tests::Node};

#[test]
fn numbers_are_bound_as_reals_and_read_back_as_integers() {
    let object = Node::new().open();
    let query = "SELECT typeof(?1), ?1 || '', ?2, ?3, ?4, typeof(?5), ?6";
    let bindings = vec![
        456.into(),
        true.into(),
        None::<i32>.into(),
        vec![1_u8, 2].into(),
        f64::NAN.into(),
        2.5.into(),
    ];
    let rows: Vec<_> = object
        .handle
        .sql()
        .exec(query, bindings)
        .expect("query")
        .raw()
        .collect();
    let expected = vec![
        "real".into(),
        "456.0".into(),
        SqlStorageValue::Integer(1),
        SqlStorageValue::Null,
        vec![1_u8, 2].into(),
        "null".into(),
        2.5.into(),
    ];
    assert_eq!(rows, [Ok(expected)]);
    let stored = object.sql("CREATE TABLE t (i INTEGER, n)").and_then(|_| {
        object
            .handle
            .sql()
            .exec("INSERT INTO t VALUES (?, ?)", vec![5.into(), 5.into()])?;
        object.sql("SELECT typeof(i), typeof(n), i, n FROM t")
    });
    assert_eq!(
        stored,
        Ok(vec![vec![
            "integer".into(),
            "real".into(),
            5.into(),
            5.into()
        ]])
    );
}

#[test]
fn time_and_chance_come_from_the_ports() {
    let object = Node::new().open();
    let rows = object
        .sql("SELECT datetime('now'), random(), randomblob(2), randomblob(0)")
        .expect("query");
    let ones = 0x0101_0101_0101_0101_i64;
    #[expect(clippy::cast_precision_loss, reason = "as a JavaScript number")]
    let random = SqlStorageValue::Float(ones as f64);
    assert_eq!(
        rows,
        [[
            "2023-11-14 22:13:20".into(),
            random,
            vec![1, 1].into(),
            vec![1].into()
        ]]
    );
}

#[test]
fn minus_zero_and_large_numbers_come_back_as_they_are() {
    let object = Node::new().open();
    let cursor = object
        .handle
        .sql()
        .exec(
            "SELECT ?, 9223372036854775807, 9e999, ?",
            vec![(-0.0).into(), 1e20.into()],
        )
        .expect("query");
    let row = cursor.raw().next().expect("a row").expect("a row");
    assert!(
        matches!(row[0], SqlStorageValue::Float(zero) if zero == 0.0 && zero.is_sign_negative())
    );
    assert_eq!(
        row[1..],
        [
            SqlStorageValue::Float(9_223_372_036_854_775_807.0),
            SqlStorageValue::Float(f64::INFINITY),
            SqlStorageValue::Float(1e20)
        ]
    );
    let cursor = object
        .handle
        .sql()
        .exec("SELECT ? AS zero", vec![(-0.0).into()]);
    let row: std::collections::BTreeMap<String, i32> = cursor.expect("query").one().expect("whole");
    assert_eq!(row["zero"], 0);
}

#[test]
fn texts_that_are_no_utf_8_are_mended() {
    let object = Node::new().open();
    assert_eq!(
        rows(
            &object,
            "SELECT CAST(x'61ff62' AS TEXT), CAST(x'610062' AS TEXT)"
        ),
        [["a\u{fffd}b".into(), "a\0b".into()]]
    );
}

#[test]
fn mathematics_follows_sqlites_rules() {
    let object = Node::new().open();
    let null = SqlStorageValue::Null;
    let float = SqlStorageValue::Float;
    for (expression, expected) in [
        ("ceil(1.2)", 2.into()),
        ("floor(-1.2)", (-2).into()),
        ("typeof(ceil(7))", "integer".into()),
        ("typeof(trunc(7.5))", "real".into()),
        ("sqrt(2)", float(std::f64::consts::SQRT_2)),
        ("pow(2, 10)", 1024.into()),
        ("pow(0, -1)", float(f64::INFINITY)),
        ("exp(1000)", float(f64::INFINITY)),
        ("log(100)", 2.into()),
        ("log(2, 8)", 3.into()),
        ("log(1, 8)", null.clone()),
        ("log2(8)", 3.into()),
        ("mod(-7.5, 2)", float(-1.5)),
        ("pi()", float(std::f64::consts::PI)),
        ("degrees(pi())", 180.into()),
        ("atan2(0, 1)", 0.into()),
        ("sqrt(-1)", null.clone()),
        ("ln(0)", null.clone()),
        ("acos(2)", null.clone()),
        ("mod(1, 0)", null.clone()),
        ("sqrt(NULL)", null.clone()),
        ("sqrt('x')", null.clone()),
        ("sqrt('inf')", null.clone()),
        ("sqrt(x'34')", null.clone()),
        ("sqrt(' 4 ')", 2.into()),
        ("floor('2.5e0')", 2.into()),
    ] {
        assert_eq!(
            rows(&object, &format!("SELECT {expression}")),
            [[expected]],
            "{expression}"
        );
    }
}

#[test]
fn every_way_to_ask_for_the_time_gives_the_turns_in_utc() {
    let object = Node::new().open();
    assert_eq!(
        rows(
            &object,
            "SELECT current_timestamp, current_date, current_time, unixepoch(), strftime('%s', 'now'), \
             datetime(0, 'unixepoch', 'localtime')"
        ),
        [[
            "2023-11-14 22:13:20".into(),
            "2023-11-14".into(),
            "22:13:20".into(),
            1_700_000_000.into(),
            "1700000000".into(),
            "1970-01-01 00:00:00".into(),
        ]]
    );
}
