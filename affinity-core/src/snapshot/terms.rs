//! Terms and audiences, in the order of their ids.

use std::collections::BTreeSet;

use super::cursor::Cursor;
use super::data::{Data, decode_index, encode_index, encode_lists, list_arrays};
use super::encoder::Encoder;
use super::error::SnapshotError;
use crate::graph::{Audience, Audiences, TEXTS_PER_PAGE, Texts};

pub(super) fn encode_terms(terms: &Texts, out: &mut Encoder) {
    out.count(terms.count());
    encode_index(terms.index(), out);
    terms.pages().for_each(|page| encode_lists(page, out));
}

/// The arrays of the pages, in the order of their lengths.
pub(super) fn term_arrays(terms: &Texts) -> impl Iterator<Item = &[u8]> {
    terms.pages().flat_map(list_arrays)
}

pub(super) fn decode_terms(
    mut cursor: Cursor<'_>,
    mut index: Data<'_>,
    mut data: Data<'_>,
) -> Result<Texts, SnapshotError> {
    let count = cursor.count()?;
    let found = decode_index(count, &mut cursor, &mut index)?;
    index.finish()?;
    let mut pages = Vec::new();
    for first in (0..count).step_by(TEXTS_PER_PAGE) {
        let page = data.take_texts(&mut cursor)?;
        let expected = TEXTS_PER_PAGE.min(count - first);
        if !(0..expected).all(|text| page.get(text).is_some()) || page.ends().len() != expected {
            return Err(data.invalid(
                "texts of a page",
                "as many as are left, at most 64",
                page.ends().len(),
            ));
        }
        pages.push(page);
    }
    data.finish()?;
    // Term 0 stands for "no origin".
    if pages.first().and_then(|page| page.text(0)) != Some("") {
        return Err(cursor.invalid("first term", "an empty text", "another"));
    }
    cursor.finish()?;
    Ok(Texts::from_parts(pages, found, count))
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
