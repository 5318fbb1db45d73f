use std::fmt::Write as _;

use affinity_core::evaluation::report::{Cell, Report};
use affinity_core::evaluation::{Interval, Summary};

use super::evaluate::EvaluateOptions;
use super::past::Past;

/// Writes the report as HTML that opens offline, and prints it as JSON or what of it fits a screen.
///
/// # Errors
/// When the file cannot be written.
pub(super) fn deliver(report: &Report, text: &str, options: &EvaluateOptions) -> anyhow::Result<()> {
    let out = &options.out;
    std::fs::write(out, report.to_html()).map_err(|source| {
        anyhow::Error::new(source).context(format!("\"{}\" cannot be written", out.display()))
    })?;
    if options.json {
        println!("{}", serde_json::to_string(report)?);
    } else {
        println!("{}\n", report.title);
        report.facts.iter().for_each(|fact| println!("{fact}"));
        println!("\n{text}\nThe whole report with pictures: {}", out.display());
    }
    Ok(())
}

/// The measures most asked for, one system a line.
pub(super) fn screen(summary: &Summary) -> String {
    let k = summary.k;
    let head = ["", &format!("NDCG@{k}"), &format!("recall@{k}"), "MRR", "lead"].map(str::to_string);
    let number = |interval: Interval| Cell::Number(interval).text();
    let rows = summary.systems.iter().enumerate().map(|(place, system)| {
        let lead = if place == 0 { String::new() } else { number(system.lead) };
        [
            system.name.clone(),
            number(system.ndcg),
            number(system.recall),
            number(system.reciprocal_rank),
            lead,
        ]
    });
    let rows: Vec<[String; 5]> = [head].into_iter().chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 5] = std::array::from_fn(width);
    let mut text = String::new();
    for row in &rows {
        let cells: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "{}", cells.join("  ").trim_end());
    }
    text
}

/// What of the past cannot be had back, for whoever reads the numbers.
pub(super) fn not_replayed(past: &Past) -> String {
    let list = |names: Vec<&str>| if names.is_empty() { "none".to_string() } else { names.join(", ") };
    let relations = past.schema.relations().iter();
    let untimed = relations.filter(|of| !of.timed || past.replay.recomputed.contains(&of.name));
    format!(
        "As they are now, since nothing says how they were: texts, attributes that are not left out, and the edges \
         {}. Left out, since only the newest value is kept: {}.",
        list(untimed.map(|of| of.name.as_str()).collect()),
        list(past.replay.without_history.iter().map(String::as_str).collect()),
    )
}
