//! The command `stats`: where every byte of a platform's engine is, or how much of what is nearest its indexes find.

use affinity_core::{RecallRow, SizeRow};

use crate::config::Config;
use crate::hosting::engine_once;
use crate::matchers::platform_named;

/// Of which platform, and how to print it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatsOptions {
    /// The platform's name.
    pub platform: String,
    /// As JSON instead of a table.
    pub json: bool,
    /// The recall of the indexes of vectors instead of bytes.
    pub recall: bool,
}

/// Vectors of each space whose neighbors are looked for, and how many of those.
const RECALL_QUERIES: usize = 200;
const RECALL_LIMIT: usize = 10;

/// Prints the table that `options` ask for, of the engine as the database has it now: its snapshot and the changes
/// since, where there is one that fits.
///
/// # Errors
/// When the platform is unknown or the database fails.
pub async fn stats(config: &Config, options: &StatsOptions) -> anyhow::Result<()> {
    let platform = platform_named(config, &options.platform)?;
    let engine = engine_once(config, &platform).await?;
    let (json, text) = if options.recall {
        let rows = engine.recalls(RECALL_QUERIES, RECALL_LIMIT);
        (serde_json::to_string_pretty(&rows)?, recall_table(&rows))
    } else {
        let rows = engine.sizes();
        (serde_json::to_string_pretty(&rows)?, table(&rows))
    };
    if options.json {
        println!("{json}");
    } else {
        print!("{text}");
    }
    Ok(())
}

/// One line a space.
fn recall_table(rows: &[RecallRow]) -> String {
    let width = rows.iter().map(|row| row.space.len()).max().unwrap_or(0).max("space".len());
    let mut text = format!(
        "{:<width$}  {:>10}  {:<6} {:>8} {:>6} {:>10} {:>10}\n",
        "space", "vectors", "codes", "queries", "beam", "recall@10", "compared"
    );
    for RecallRow { space, vector_count, codes, query_count, beam_width, recall, compared } in rows {
        text += &match query_count {
            0 => format!("{space:<width$}  {vector_count:>10}  no index: every search is exact\n"),
            _ => format!(
                "{space:<width$}  {vector_count:>10}  {codes:<6} {query_count:>8} {beam_width:>6} {recall:>10.4} \
                 {compared:>10.1}\n"
            ),
        };
    }
    text
}

/// One line a row, and a last one with the sum.
fn table(rows: &[SizeRow]) -> String {
    let width = rows.iter().map(|row| row.of.len()).max().unwrap_or(0);
    let mut text =
        format!("{:<width$}  {:<28} {:>12} {:>15} {:>9}\n", "of", "part", "count", "bytes", "each");
    for SizeRow { of, part, count, bytes } in rows {
        let each = *bytes as f64 / (*count).max(1) as f64;
        text += &format!("{of:<width$}  {part:<28} {count:>12} {bytes:>15} {each:>9.2}\n");
    }
    let total: usize = rows.iter().map(|row| row.bytes).sum();
    text + &format!("{:<width$}  {:<28} {:>12} {total:>15}\n", "all", "", "")
}

#[cfg(test)]
mod tests {
    use affinity_core::{RecallRow, SizeRow};

    use super::{recall_table, table};

    #[test]
    fn recall_says_where_there_is_no_index() {
        let row = |space: &str, query_count| RecallRow {
            space: space.to_string(),
            vector_count: 30_000,
            codes: "u8",
            query_count,
            beam_width: 106,
            recall: 0.9876,
            compared: 1_234.5,
        };
        let text = recall_table(&[row("profile", 200), row("skill", 0)]);
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[1], ["profile", "30000", "u8", "200", "106", "0.9876", "1234.5"]);
        assert_eq!(lines[2], ["skill", "30000", "no", "index:", "every", "search", "is", "exact"]);
    }

    #[test]
    fn table_ends_with_the_sum_of_its_rows() {
        let row = |of: &str, count, bytes| SizeRow { of: of.to_string(), part: "keys", count, bytes };
        let text = table(&[row("kind Member", 10, 240), row("kind Trend", 0, 16)]);
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[1], ["kind", "Member", "keys", "10", "240", "24.00"]);
        assert_eq!(lines[3], ["all", "256"]);
    }
}
