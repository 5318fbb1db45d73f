//! A generated world -> an empty database, in one transaction.

use std::fs::File;
use std::io::{self, BufWriter, Seek};
use std::sync::Arc;

use sqlx::{Connection, PgConnection};

use super::error::GenerationError;
use super::row::Run;
use super::world::{Table, World};
use crate::catalog::CopyStatement;

/// How far a load has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadProgress {
    /// The table that was filled last.
    pub table: String,
    /// Rows of that table.
    pub table_rows: u64,
    /// Tables filled so far.
    pub tables_done: usize,
    /// Tables in all.
    pub table_count: usize,
}

impl World {
    /// Fills the database with a world of `population` members; returns the number of rows.
    ///
    /// All rows appear in one transaction, in their final states, with triggers quiet: an engine built before
    /// has to be built again. The connection's user is a superuser or owns the tables, which it then locks. Needs room
    /// for the rows in the folder for temporary files. Calls `progress` after each table.
    ///
    /// # Errors
    /// [`GenerationError::NotEmpty`] when a table of the world has rows; otherwise whatever stops the rows.
    pub async fn load_into(
        self: &Arc<Self>,
        connection: &mut PgConnection,
        population: u64,
        seed: u64,
        mut progress: impl FnMut(LoadProgress),
    ) -> Result<u64, GenerationError> {
        let mut transaction = connection.begin().await?;
        let mut statements = Vec::new();
        for table in self.written_tables() {
            let columns: Vec<&str> = table.columns().collect();
            let statement =
                CopyStatement::prepare(&mut transaction, &self.schema, &table.name, &columns).await?;
            if statement.is_filled(&mut transaction).await? {
                let (schema, table) = (self.schema.clone(), table.name.clone());
                return Err(GenerationError::NotEmpty { schema, table });
            }
            statements.push(statement);
        }
        let world = Arc::clone(self);
        let computed = tokio::task::spawn_blocking(move || world.write_spool(population, seed));
        let files = computed.await.map_err(io::Error::other)??;
        let names: Vec<String> = self.written_tables().map(|table| table.name.clone()).collect();
        // The rows are final states, which state machines would refuse as first ones.
        sqlx::query("SELECT affinity.suspend_rules($1::text, $2::text[]::name[])")
            .bind(&self.schema)
            .bind(&names)
            .execute(&mut *transaction)
            .await?;
        let mut row_count = 0;
        let table_count = statements.len();
        for (done, ((table, statement), file)) in
            self.written_tables().zip(&statements).zip(files).enumerate()
        {
            let mut copy = transaction.copy_in_raw(&statement.sql()).await?;
            copy.read_from(tokio::fs::File::from_std(file)).await?;
            let table_rows = copy.finish().await?;
            row_count += table_rows;
            progress(LoadProgress {
                table: table.name.clone(),
                table_rows,
                tables_done: done + 1,
                table_count,
            });
        }
        sqlx::query("SELECT affinity.resume_rules($1::text, $2::text[]::name[])")
            .bind(&self.schema)
            .bind(&names)
            .execute(&mut *transaction)
            .await?;
        for statement in &statements {
            statement.analyze(&mut transaction).await?;
        }
        transaction.commit().await?;
        Ok(row_count)
    }

    /// A temporary file per table, at its start, gone when it is closed: COPY takes one table at a time, while
    /// rows are cheapest made together with those that they depend on.
    fn write_spool(&self, population: u64, seed: u64) -> Result<Vec<File>, GenerationError> {
        let tables: Vec<&Table> = self.written_tables().collect();
        let files = tables.iter().map(|_| tempfile::tempfile().map(BufWriter::new));
        let mut files = files.collect::<io::Result<Vec<BufWriter<File>>>>()?;
        Run::new(self, population, seed)?.write_csv(&tables, &mut files)?;
        let rewound = files.into_iter().map(|file| {
            let mut file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.rewind()?;
            Ok(file)
        });
        Ok(rewound.collect::<io::Result<Vec<File>>>()?)
    }
}
