//! Rows -> CSV, in chunks that any number of threads compute and one writer puts in order.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::rc::Rc;

use rayon::iter::{IntoParallelIterator, ParallelIterator};

use super::error::{Failure, GenerationError};
use super::row::{Row, Run};
use super::world::{Rows, Table, World};
use crate::catalog::LoadScript;

/// Rows without a parent that one task computes, with all their descendants.
const CHUNK_ROWS: i64 = 256;
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
        let table = self.table(table)?;
        Run::new(self, population, seed)?.write_csv(&[table], &mut [out])
    }

    /// Writes one CSV file per table into `folder`, and `load.sql`, which loads them with psql.
    ///
    /// # Errors
    /// As [`World::write_csv`].
    pub fn write_folder(&self, folder: &Path, population: u64, seed: u64) -> Result<(), GenerationError> {
        std::fs::create_dir_all(folder)?;
        let tables: Vec<&Table> = self.written_tables().collect();
        let mut script = LoadScript::new(&self.schema);
        let mut files = Vec::with_capacity(tables.len());
        for table in &tables {
            files.push(BufWriter::new(File::create(folder.join(format!("{}.csv", table.name)))?));
            script.add_table(&table.name, &table.columns().collect::<Vec<&str>>());
        }
        Run::new(self, population, seed)?.write_csv(&tables, &mut files)?;
        files.iter_mut().try_for_each(Write::flush)?;
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

/// The tables to write, and the way to them from the tables without a parent.
struct Selection {
    /// By table: its place among the outputs.
    output: Vec<Option<usize>>,
    /// By table: the child tables that are written, or lead to such.
    children: Vec<Vec<usize>>,
    roots: Vec<usize>,
}

impl Selection {
    fn new(world: &World, tables: &[&Table]) -> Self {
        let none = world.tables.iter().map(|_| None);
        let mut selection = Self {
            output: none.collect(),
            children: vec![Vec::new(); world.tables.len()],
            roots: Vec::new(),
        };
        for (output, table) in tables.iter().enumerate() {
            selection.output[table.position] = Some(output);
            selection.reach(world, table);
        }
        selection
    }

    fn reach(&mut self, world: &World, table: &Table) {
        let (siblings, parent) = match &table.rows {
            Rows::Count(_) => (&mut self.roots, None),
            Rows::Each { parent, .. } => (&mut self.children[*parent], Some(*parent)),
        };
        if !siblings.contains(&table.position) {
            siblings.push(table.position);
            if let Some(parent) = parent {
                self.reach(world, &world.tables[parent]);
            }
        }
    }
}

impl Run<'_> {
    /// Writes `tables` to `outs`, in one pass over each table without a parent, so that what several tables
    /// need of one row is computed once.
    pub(super) fn write_csv(
        &self,
        tables: &[&Table],
        outs: &mut [impl Write],
    ) -> Result<(), GenerationError> {
        for (table, out) in tables.iter().zip(outs.iter_mut()) {
            writeln!(out, "{}", table.columns().collect::<Vec<&str>>().join(","))?;
        }
        let selection = Selection::new(self.world, tables);
        for root in &selection.roots {
            let row_count = self.counts[*root];
            let starts: Vec<i64> = (0..row_count).step_by(usize::try_from(CHUNK_ROWS).unwrap_or(1)).collect();
            for group in starts.chunks(CHUNKS_AT_ONCE) {
                let chunk = |start: &i64| {
                    let mut texts = vec![String::new(); tables.len()];
                    for index in *start..(start + CHUNK_ROWS).min(row_count) {
                        let row = Row::root(self, &self.world.tables[*root], index);
                        write_rows(&row, &selection, &mut texts)?;
                    }
                    Ok(texts)
                };
                let chunks: Vec<Result<Vec<String>, Failure>> = group.into_par_iter().map(chunk).collect();
                for texts in chunks {
                    for (text, out) in texts?.iter().zip(outs.iter_mut()) {
                        out.write_all(text.as_bytes())?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Appends `row` and its descendants, where they are selected, as CSV lines to the texts of their tables.
fn write_rows<'r>(row: &Rc<Row<'r>>, selection: &Selection, texts: &mut [String]) -> Result<(), Failure> {
    if !row.exists()? {
        return Ok(());
    }
    if let Some(output) = selection.output[row.table.position] {
        write_line(row, &mut texts[output])?;
    }
    for child in &selection.children[row.table.position] {
        let child = &row.run.world.tables[*child];
        let Rows::Each { items, .. } = &child.rows else { continue };
        for (index, item) in (0_i64..).zip(row.children(&child.name, items)?.iter()) {
            let row = Row::child(child, Rc::clone(row), index, Some(item.clone()));
            write_rows(&row, selection, texts)?;
        }
    }
    Ok(())
}

fn write_line(row: &Rc<Row<'_>>, out: &mut String) -> Result<(), Failure> {
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
