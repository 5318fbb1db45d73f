//! A generated world -> an empty database, in one transaction.

use std::io::{self, Write};
use std::sync::Arc;

use sqlx::{Connection, PgConnection};
use tokio::sync::mpsc;

use super::error::GenerationError;
use super::row::Run;
use super::world::World;
use crate::catalog::CopyStatement;

/// Bytes gathered before they travel to the database.
const PACKET_BYTES: usize = 256 * 1024;
/// Packets computed ahead of the database.
const PACKETS_AHEAD: usize = 8;

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
    /// has to be built again. Needs a superuser's connection, and calls `progress` after each table.
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
        for table in self.tables.iter().filter(|table| !table.written.is_empty()) {
            let columns: Vec<&str> = table.columns().collect();
            let statement =
                CopyStatement::prepare(&mut transaction, &self.schema, &table.name, &columns).await?;
            if statement.is_filled(&mut transaction).await? {
                let (schema, table) = (self.schema.clone(), table.name.clone());
                return Err(GenerationError::NotEmpty { schema, table });
            }
            statements.push((table.position, statement));
        }
        // The rows are final states, which state machines would refuse as first ones.
        sqlx::raw_sql("SET LOCAL session_replication_role = replica").execute(&mut *transaction).await?;
        let (sender, mut parts) = mpsc::channel(PACKETS_AHEAD);
        let world = Arc::clone(self);
        let positions: Vec<usize> = statements.iter().map(|(position, _)| *position).collect();
        let writer = tokio::task::spawn_blocking(move || world.send(population, seed, &positions, &sender));
        let mut row_count = 0;
        for (done, (position, statement)) in statements.iter().enumerate() {
            let Some(table_rows) = copy_table(&mut transaction, statement, &mut parts).await? else { break };
            row_count += table_rows;
            let table = self.tables[*position].name.clone();
            progress(LoadProgress {
                table,
                table_rows,
                tables_done: done + 1,
                table_count: statements.len(),
            });
        }
        writer.await.map_err(|source| GenerationError::Write { source: io::Error::other(source) })??;
        for (_, statement) in &statements {
            statement.analyze(&mut transaction).await?;
        }
        transaction.commit().await?;
        Ok(row_count)
    }

    /// Computes the tables at `positions` and sends them, one after the other.
    fn send(
        &self,
        population: u64,
        seed: u64,
        positions: &[usize],
        sender: &mpsc::Sender<Part>,
    ) -> Result<(), GenerationError> {
        let run = Run::new(self, population, seed)?;
        for position in positions {
            let mut out = PacketWriter { packet: Vec::with_capacity(PACKET_BYTES), sender };
            run.write_csv(&self.tables[*position], &mut out)?;
            out.flush()?;
            sender.blocking_send(Part::TableEnd).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        }
        Ok(())
    }
}

/// What the computing thread sends.
enum Part {
    Packet(Vec<u8>),
    TableEnd,
}

/// Copies one table; `None` when the sender gave up before its end.
async fn copy_table(
    connection: &mut PgConnection,
    statement: &CopyStatement,
    parts: &mut mpsc::Receiver<Part>,
) -> Result<Option<u64>, GenerationError> {
    let mut copy = connection.copy_in_raw(&statement.sql()).await?;
    loop {
        match parts.recv().await {
            Some(Part::Packet(packet)) => {
                copy.send(packet).await?;
            }
            Some(Part::TableEnd) => return Ok(Some(copy.finish().await?)),
            None => {
                copy.abort("the rows could not be computed").await?;
                return Ok(None);
            }
        }
    }
}

/// Hands what is written to a channel in packets; for use outside of the async threads.
struct PacketWriter<'s> {
    packet: Vec<u8>,
    sender: &'s mpsc::Sender<Part>,
}

impl Write for PacketWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.packet.extend_from_slice(bytes);
        if self.packet.len() >= PACKET_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let packet = std::mem::replace(&mut self.packet, Vec::with_capacity(PACKET_BYTES));
        self.sender.blocking_send(Part::Packet(packet)).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}
