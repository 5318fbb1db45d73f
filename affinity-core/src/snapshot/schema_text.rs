//! A schema as text, one declaration a line: equal texts are equal schemas.

use std::fmt::Write;

use super::error::SnapshotError;
use crate::graph::{Attributes, Parallel, Schema};
use crate::vector::{Codes, SpaceParams};

/// The text form that snapshots keep; names are quoted and escaped, so a declaration is always one line.
pub(super) fn schema_text(schema: &Schema) -> String {
    let mut text = String::new();
    let mut line = |words: String| {
        text.push_str(&words);
        text.push('\n');
    };
    line(format!("schema {:?} title {:?}", schema.name(), schema.title()));
    let kind_name = |kind: crate::graph::KindId| &schema.kinds()[kind.index()].name;
    for kind in schema.kinds() {
        let label = kind.label.map_or(String::new(), |label| kind.attributes.name(label).to_string());
        line(format!("kind {:?} label {label:?} attributes{}", kind.name, attributes(&kind.attributes)));
    }
    for relation in schema.relations() {
        let mut words = format!(
            "relation {:?} from {:?} to {:?}",
            relation.name,
            kind_name(relation.from),
            kind_name(relation.to)
        );
        for (holds, word) in [
            (relation.weighted, "weighted"),
            (relation.timed, "timed"),
            (relation.compact, "compact"),
            (relation.symmetric, "symmetric"),
        ] {
            if holds {
                words.push(' ');
                words.push_str(word);
            }
        }
        let parallel = match relation.parallel {
            Parallel::Single => "single",
            Parallel::Sum => "sum",
            Parallel::Max => "max",
            Parallel::Newest => "newest",
            Parallel::Apart => "apart",
        };
        line(format!("{words} parallel {parallel} attributes{}", attributes(&relation.attributes)));
    }
    for space in schema.spaces() {
        let mut words =
            format!("space {:?} of {:?} dimension {}", space.name, kind_name(space.kind), space.dimension);
        if space.exact_max != SpaceParams::EXACT_MAX {
            let _ = write!(words, " exact {}", space.exact_max);
        }
        if space.codes != Codes::None {
            let _ = write!(words, " codes {}", space.codes.name());
        }
        line(words);
    }
    for space in schema.term_spaces() {
        line(format!("terms {:?} of {:?}", space.name, kind_name(space.kind)));
    }
    text
}

fn attributes(attributes: &Attributes) -> String {
    let mut words = String::new();
    for (name, of) in attributes.entries() {
        // Writing to a string cannot fail.
        let _ = write!(words, " {name:?} {of}");
    }
    words
}

/// Compares the schema in a file with the one given.
pub(super) fn check_same(given: &Schema, found: &[u8]) -> Result<(), SnapshotError> {
    let given = schema_text(given);
    if given.as_bytes() == found {
        return Ok(());
    }
    let found = String::from_utf8_lossy(found);
    let (mut expected, mut got) = (given.lines(), found.lines());
    let mut line = 1;
    loop {
        match (expected.next(), got.next()) {
            (Some(expected), Some(got)) if expected == got => line += 1,
            (expected, got) => {
                let text = |line: Option<&str>| line.unwrap_or_default().to_string();
                return Err(SnapshotError::SchemaDiffers { line, expected: text(expected), got: text(got) });
            }
        }
    }
}
