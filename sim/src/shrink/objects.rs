//! Fewer objects and keys: where operations name different ones, all of them name the same.
//!
//! Operations are only data here, so it cannot be known which part of one is a name. But a text, or a number under a key, that another operation of
//! the same plan has in the same role is one that the workload can generate.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{draft::Draft, search::Search};

/// What is replaced: texts of all operations, or numbers under a key of that name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Role {
    Text,
    Number(String),
}

pub(super) fn pass(search: &mut Search<'_>) {
    loop {
        let mut found = BTreeSet::<(Role, String)>::new();
        let mut leaves = Vec::<(Role, Value)>::new();
        for step in search.best().plan.clients.iter().flatten() {
            collect(&step.op, "", &mut |role, value| {
                if found.insert((role.clone(), value.to_string())) {
                    leaves.push((role, value.clone()));
                }
            });
        }
        let mut candidates = Vec::new();
        for (role, kept) in &leaves {
            for (_, gone) in leaves
                .iter()
                .filter(|(other, gone)| other == role && gone != kept)
            {
                // Towards the smaller one, or it would never end.
                if is_less(kept, gone) {
                    candidates.push(replaced(search.best(), role, gone, kept));
                }
            }
        }
        if !search.first(candidates) {
            return;
        }
    }
}

fn is_less(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::String(one), Value::String(other)) => {
            (one.len(), one.as_str()) < (other.len(), other.as_str())
        }
        (one, other) => match (one.as_i64(), other.as_i64()) {
            (Some(one), Some(other)) => {
                (one.unsigned_abs(), one < 0) < (other.unsigned_abs(), other < 0)
            }
            _ => false,
        },
    }
}

fn collect(value: &Value, key: &str, found: &mut impl FnMut(Role, &Value)) {
    match value {
        Value::String(_) => found(Role::Text, value),
        Value::Number(_) => found(Role::Number(key.to_owned()), value),
        Value::Array(values) => values.iter().for_each(|value| collect(value, key, found)),
        Value::Object(fields) => fields
            .iter()
            .for_each(|(key, value)| collect(value, key, found)),
        Value::Null | Value::Bool(_) => {}
    }
}

fn replaced(draft: &Draft, role: &Role, gone: &Value, kept: &Value) -> Draft {
    draft.changed(|plan| {
        for step in plan.clients.iter_mut().flatten() {
            replace(&mut step.op, "", role, gone, kept);
        }
    })
}

fn replace(value: &mut Value, key: &str, role: &Role, gone: &Value, kept: &Value) {
    match value {
        Value::Array(values) => {
            for value in values {
                replace(value, key, role, gone, kept);
            }
        }
        Value::Object(fields) => {
            for (key, value) in fields.iter_mut() {
                replace(value, key, role, gone, kept);
            }
        }
        Value::String(_) if *role == Role::Text && value == gone => *value = kept.clone(),
        Value::Number(_) if *role == Role::Number(key.to_owned()) && value == gone => {
            *value = kept.clone();
        }
        _ => {}
    }
}
