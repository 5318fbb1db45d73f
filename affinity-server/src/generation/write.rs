//! Rows -> CSV, in chunks that any number of threads compute and one writer puts in order.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::rc::Rc;

use rayon::iter::{IntoParallelIterator, ParallelIterator};

use super::error::GenerationError;
use super::row::{Row, Run};
use super::world::{Rows, Table, World};
use crate::catalog::LoadScript;

/// Rows without a parent that one task computes, children included.
const CHUNK_ROWS: i64 = 512;
/// Chunks computed before they are written: bounds the memory, and keeps a few dozen threads busy.
const CHUNKS_AT_ONCE: usize = 32;

impl World {
    /// Writes the rows of `table` in a world of `population` members as CSV with a header line, as
    /// PostgreSQL's COPY reads it (an empty field is null).
    ///
    /// The bytes depend on the arguments alone. Memory does not grow with the number of rows.
    ///
    /// # Errors
    /// For an unknown table, a population too small, a cell that cannot be computed, or a failing writer.
    pub fn write_csv(
        &self,
        table: &str,
        population: u64,
        seed: u64,
        out: &mut impl Write,
    ) -> Result<(), GenerationError> {
        let run = Run::new(self, population, seed)?;
        run.write_csv(self.table(table)?, out)
    }

    /// Writes one CSV file per table into `folder`, and `load.sql`, which loads them with psql.
    ///
    /// `progress` is called with the name of each table before it is written.
    ///
    /// # Errors
    /// As [`World::write_csv`].
    pub fn write_folder(
        &self,
        folder: &Path,
        population: u64,
        seed: u64,
        mut progress: impl FnMut(&str),
    ) -> Result<(), GenerationError> {
        std::fs::create_dir_all(folder)?;
        let run = Run::new(self, population, seed)?;
        let mut script = LoadScript::new(&self.schema);
        for table in self.tables.iter().filter(|table| !table.written.is_empty()) {
            progress(&table.name);
            let mut file = BufWriter::new(File::create(folder.join(format!("{}.csv", table.name)))?);
            run.write_csv(table, &mut file)?;
            file.flush()?;
            script.add_table(&table.name, &table.columns().collect::<Vec<&str>>());
        }
        std::fs::write(folder.join("load.sql"), script.finish())?;
        Ok(())
    }
}

impl Table {
    /// The names of the written columns, in the order of the CSV fields.
    pub(super) fn columns(&self) -> impl Iterator<Item = &str> {
        self.written.iter().map(|cell| self.cells[*cell].name.as_str())
    }
}

impl Run<'_> {
    pub(super) fn write_csv(&self, table: &Table, out: &mut impl Write) -> Result<(), GenerationError> {
        let header = table.columns().collect::<Vec<&str>>().join(",");
        writeln!(out, "{header}")?;
        let mut lineage = vec![table];
        while let Some(Rows::Each { parent, .. }) = lineage.last().map(|table| &table.rows) {
            lineage.push(&self.world.tables[*parent]);
        }
        lineage.reverse();
        let root_rows = self.counts[lineage[0].position];
        let starts: Vec<i64> = (0..root_rows).step_by(usize::try_from(CHUNK_ROWS).unwrap_or(1)).collect();
        for group in starts.chunks(CHUNKS_AT_ONCE) {
            let chunk = |start: &i64| {
                let mut text = String::new();
                for index in *start..(start + CHUNK_ROWS).min(root_rows) {
                    write_rows(&Row::root(self, lineage[0], index), &lineage[1..], &mut text)?;
                }
                Ok(text)
            };
            let texts: Vec<Result<String, GenerationError>> = group.into_par_iter().map(chunk).collect();
            for text in texts {
                out.write_all(text?.as_bytes())?;
            }
        }
        Ok(())
    }
}

/// Appends `row`, or its descendants at the end of `lineage`, as CSV lines.
fn write_rows<'r>(row: &Rc<Row<'r>>, lineage: &[&'r Table], out: &mut String) -> Result<(), GenerationError> {
    if !row.exists()? {
        return Ok(());
    }
    if let Some((child, rest)) = lineage.split_first() {
        let Rows::Each { items, .. } = &child.rows else { return Ok(()) };
        for (index, item) in (0_i64..).zip(row.children(&child.name, items)?.iter()) {
            write_rows(&Row::child(child, Rc::clone(row), index, Some(item.clone())), rest, out)?;
        }
        return Ok(());
    }
    for (position, cell) in row.table.written.iter().enumerate() {
        if position > 0 {
            out.push(',');
        }
        let value = row.cell(*cell)?;
        value.write_csv(out).map_err(|problem| row.failure(&row.table.cells[*cell].name, problem))?;
    }
    out.push('\n');
    Ok(())
}
