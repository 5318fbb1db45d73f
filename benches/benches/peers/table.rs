//! The one table of all families: Markdown for people, JSON for programs.

use std::fmt::Write;
use std::path::Path;

use serde_json::{Value, json};

use crate::rounds::Measured;

/// Whether more or less of a unit is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Better {
    /// Queries per second, bandwidth.
    More,
    /// Seconds, bytes.
    Less,
}

/// Affinity beside one peer in one case.
pub(crate) struct Row {
    /// Named like a path: `area/operation/dataset/variant`.
    pub(crate) case: String,
    /// Name and version.
    pub(crate) peer: String,
    pub(crate) unit: &'static str,
    pub(crate) better: Better,
    pub(crate) ours: Option<Measured>,
    /// `None` when the peer could not be had or cannot do it; `note` says why.
    pub(crate) theirs: Option<Measured>,
    /// The ratio that the issue asks for.
    pub(crate) goal: Option<f64>,
    pub(crate) note: String,
}

impl Row {
    /// Above 1 when Affinity is ahead.
    fn ratio(&self) -> Option<f64> {
        let (ours, theirs) = (self.ours?.median, self.theirs?.median);
        Some(if self.better == Better::More { ours / theirs } else { theirs / ours })
    }
}

/// All rows in the order in which they were measured.
#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<Row>,
}

impl Table {
    pub(crate) fn push(&mut self, row: Row) {
        eprintln!("{}", markdown_line(&row).trim_end()); // a run takes long: show each number when it is there
        self.rows.push(row);
    }

    pub(crate) fn markdown(&self) -> String {
        let mut text = String::from(
            "| case | peer | unit | Affinity | peer | ratio | goal | note |\n|---|---|---|---|---|---|---|---|\n",
        );
        self.rows.iter().for_each(|row| text.push_str(&markdown_line(row)));
        text
    }

    /// Writes `peers.md` and `peers.json` into `folder`.
    pub(crate) fn write(&self, folder: &Path) {
        let row = |row: &Row| -> Value {
            let median = |measured: Option<Measured>| measured.map(|measured| measured.median);
            let spread = |measured: Option<Measured>| measured.map(|m| [m.least, m.greatest]);
            json!({
                "case": row.case, "peer": row.peer, "unit": row.unit, "ours": median(row.ours),
                "theirs": median(row.theirs), "ratio": row.ratio(), "goal": row.goal, "note": row.note,
                "ours_spread": spread(row.ours), "theirs_spread": spread(row.theirs),
            })
        };
        let rows: Vec<Value> = self.rows.iter().map(row).collect();
        std::fs::write(folder.join("peers.json"), serde_json::to_string_pretty(&rows).unwrap()).unwrap();
        std::fs::write(folder.join("peers.md"), self.markdown()).unwrap();
    }
}

fn markdown_line(row: &Row) -> String {
    let number = |value: f64| match value.abs() {
        0.0..10.0 => format!("{value:.3}"),
        10.0..1_000.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    };
    let measured = |measured: Option<Measured>| match measured {
        None => "-".to_string(),
        Some(Measured { median, least, greatest }) if least == greatest => number(median),
        Some(m) => format!("{} ({} to {})", number(m.median), number(m.least), number(m.greatest)),
    };
    let ratio = |ratio: Option<f64>| ratio.map_or("-".to_string(), |ratio| format!("{ratio:.2}"));
    let mut line = String::new();
    let _ = writeln!(
        line,
        "| {} | {} | {} | {} | {} | {} | {} | {} |",
        row.case,
        row.peer,
        row.unit,
        measured(row.ours),
        measured(row.theirs),
        ratio(row.ratio()),
        ratio(row.goal),
        row.note,
    );
    line
}
