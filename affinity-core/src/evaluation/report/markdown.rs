//! A report as Markdown.

use super::content::{Cell, Report, Section};
use crate::evaluation::Interval;

impl Report {
    /// Markdown with a table for every section.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let mut text = format!("# {}\n", plain(&self.title));
        for fact in &self.facts {
            text.push_str(&format!("\n{}\n", plain(fact)));
        }
        for section in &self.sections {
            text.push_str(&section.to_markdown());
        }
        text
    }
}

impl Section {
    fn to_markdown(&self) -> String {
        let number = |value: f64| Cell::Number(Interval::exactly(value));
        match self {
            Self::Bars(bars) => {
                let row = |bar: &super::Bar| {
                    let reference = bar.reference.map_or(Cell::Text(String::new()), number);
                    vec![Cell::Text(bar.label.clone()), Cell::Number(bar.value), reference]
                };
                let rows: Vec<_> = bars.bars.iter().map(row).collect();
                table(&bars.title, &bars.note, &["", "value", "reference"], &rows)
            }
            Self::Curve(curve) => {
                let row = |bin: &crate::evaluation::ReliabilityBin| {
                    vec![number(bin.forecast), Cell::Number(bin.observed), Cell::Count(bin.count)]
                };
                let rows: Vec<_> = curve.reliability.bins.iter().map(row).collect();
                table(&curve.title, &curve.note, &["forecast", "observed", "count"], &rows)
            }
            Self::Table(of) => {
                let columns: Vec<&str> = of.columns.iter().map(String::as_str).collect();
                table(&of.title, &of.note, &columns, &of.rows)
            }
        }
    }
}

fn table(title: &str, note: &str, columns: &[&str], rows: &[Vec<Cell>]) -> String {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let note = if note.is_empty() { String::new() } else { format!("{}\n\n", plain(note)) };
    let head = line(columns.iter().map(|name| plain(name).replace('|', "\\|")).collect());
    let rule = line(columns.iter().map(|_| "---".to_string()).collect());
    let body: String = rows
        .iter()
        .map(|row| line(row.iter().map(|cell| plain(&cell.text()).replace('|', "\\|")).collect()))
        .collect();
    format!("\n## {}\n\n{note}{head}{rule}{body}", plain(title))
}

/// On one line, and without HTML, which Markdown would let through.
fn plain(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('&', "&amp;").replace('<', "&lt;")
}
