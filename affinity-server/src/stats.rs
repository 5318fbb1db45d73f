//! The command `stats`: where every byte of a platform's engine is.

use affinity_core::SizeRow;

use crate::config::Config;
use crate::database::Database;
use crate::hosting::parts_to_read;
use crate::matchers::MatchersError;
use crate::platform::Platform;
use crate::projection::LiveEngine;

/// Of which platform, and how to print it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatsOptions {
    /// The platform's name.
    pub platform: String,
    /// As JSON instead of a table.
    pub json: bool,
}

/// Prints the table that `options` ask for, of the engine as the database has it now: its snapshot and the changes
/// since, where there is one that fits.
///
/// # Errors
/// When the platform is unknown or the database fails.
pub async fn stats(config: &Config, options: &StatsOptions) -> anyhow::Result<()> {
    let platforms = Platform::of_data_dir(&config.data_dir)?;
    let known = platforms.iter().map(|platform| platform.name().to_string()).collect();
    let platform = platforms.into_iter().find(|platform| platform.name() == options.platform);
    let unknown = || MatchersError::UnknownPlatform { got: options.platform.clone(), allowed: known };
    let platform = platform.ok_or_else(unknown)?;
    let database = Database::start(&config.database).await?;
    let engine = async {
        database.migrate().await?;
        let parts = parts_to_read(config, &platform, database.pool()).await?;
        anyhow::Ok(LiveEngine::read_once(parts).await?)
    };
    let engine = engine.await;
    database.stop().await?;
    let rows = engine?.sizes();
    if options.json {
        println!("{}", serde_json::to_string_pretty(&rows)?);
    } else {
        print!("{}", table(&rows));
    }
    Ok(())
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
    use affinity_core::SizeRow;

    use super::table;

    #[test]
    fn table_ends_with_the_sum_of_its_rows() {
        let row = |of: &str, count, bytes| SizeRow { of: of.to_string(), part: "keys", count, bytes };
        let text = table(&[row("kind Member", 10, 240), row("kind Trend", 0, 16)]);
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[1], ["kind", "Member", "keys", "10", "240", "24.00"]);
        assert_eq!(lines[3], ["all", "256"]);
    }
}
