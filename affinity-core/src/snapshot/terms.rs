//! Terms and audiences, in the order of their ids.

use std::collections::BTreeSet;

use super::cursor::Cursor;
use super::encoder::Encoder;
use super::error::SnapshotError;
use crate::graph::{Audience, Audiences, Interner};

pub(super) fn encode_terms(terms: &Interner<String>, out: &mut Encoder) {
    out.count(terms.count());
    terms.values().for_each(|term| out.text(term));
}

pub(super) fn decode_terms(mut cursor: Cursor<'_>) -> Result<Interner<String>, SnapshotError> {
    let count = cursor.count()?;
    let mut terms = Vec::new();
    for _ in 0..count {
        terms.push(cursor.text()?.to_string());
    }
    // Term 0 stands for "no origin".
    if terms.first().is_none_or(|first| !first.is_empty()) {
        return Err(cursor.invalid(
            "first term",
            "an empty text",
            terms.first().map_or("missing", |_| "another"),
        ));
    }
    let interner = Interner::from_values(terms)
        .ok_or_else(|| cursor.invalid("terms", "different texts", "a repetition"))?;
    cursor.finish()?;
    Ok(interner)
}

pub(super) fn encode_audiences(audiences: &Audiences, out: &mut Encoder) {
    out.count(audiences.count());
    for audience in audiences.values() {
        match audience.as_ref() {
            Audience::Everyone => out.byte(0),
            Audience::Members => out.byte(1),
            Audience::Principals(principals) => {
                out.byte(2);
                out.count(principals.len());
                principals.iter().for_each(|principal| out.text(principal));
            }
        }
    }
}

pub(super) fn decode_audiences(mut cursor: Cursor<'_>) -> Result<Audiences, SnapshotError> {
    let count = cursor.count()?;
    let mut audiences = Vec::new();
    for _ in 0..count {
        audiences.push(match cursor.byte()? {
            0 => Audience::Everyone,
            1 => Audience::Members,
            2 => {
                let count = cursor.count()?;
                let principals = (0..count).map(|_| cursor.text().map(str::to_string));
                Audience::Principals(principals.collect::<Result<BTreeSet<_>, _>>()?)
            }
            other => return Err(cursor.invalid("audience", "0, 1 or 2", other)),
        });
    }
    let audiences = Audiences::from_values(audiences).ok_or_else(|| {
        cursor.invalid("audiences", "everyone, members, nobody, then different ones", "others")
    })?;
    cursor.finish()?;
    Ok(audiences)
}
