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
            let statement = CopyStatement::prepare(&mut transaction, &self.schema, &table.name, &columns).await?;
            if statement.is_filled(&mut transaction).await? {
                let (schema, table) = (self.schema.clone(), table.name.clone());
                return Err(GenerationError::NotEmpty { schema, table });
            }
            statements.push((table.position, statement));
        }
        // The rows are final states, which state machines would refuse as first ones.
        sqlx::raw_sql("SET LOCAL session_replication_role = replica").execute(&mut *transaction).await?;
        let mut row_count = 0;
        for (done, (position, statement)) in statements.iter().enumerate() {
            let table_rows = self.copy_table(&mut transaction, *position, statement, (population, seed)).await?;
            row_count += table_rows;
            let table = self.tables[*position].name.clone();
            progress(LoadProgress { table, table_rows, tables_done: done + 1, table_count: statements.len() });
        }
        for (_, statement) in &statements {
            statement.analyze(&mut transaction).await?;
        }
        transaction.commit().await?;
        Ok(row_count)
    }

    async fn copy_table(
        self: &Arc<Self>,
        connection: &mut PgConnection,
        position: usize,
        statement: &CopyStatement,
        (population, seed): (u64, u64),
    ) -> Result<u64, GenerationError> {
        let (sender, mut packets) = mpsc::channel(PACKETS_AHEAD);
        let world = Arc::clone(self);
        let writer = tokio::task::spawn_blocking(move || {
            let run = Run::new(&world, population, seed)?;
            let mut out = PacketWriter { packet: Vec::with_capacity(PACKET_BYTES), sender };
            run.write_csv(&world.tables[position], &mut out)?;
            Ok::<(), GenerationError>(out.flush()?)
        });
        let mut copy = connection.copy_in_raw(&statement.sql()).await?;
        let mut sent = Ok(());
        while let Some(packet) = packets.recv().await {
            if let Err(source) = copy.send(packet).await {
                sent = Err(source);
                break;
            }
        }
        // A writer that still runs fails at its next packet, once nobody receives any.
        drop(packets);
        let written = writer.await.map_err(|source| GenerationError::Write { source: io::Error::other(source) })?;
        match (sent, written) {
            (Ok(()), Ok(())) => Ok(copy.finish().await?),
            (Err(source), _) => Err(source.into()),
            (Ok(()), Err(error)) => {
                copy.abort("the rows could not be generated").await?;
                Err(error)
            }
        }
    }
}

/// Hands what is written to a channel in packets; for use outside of the async threads.
struct PacketWriter {
    packet: Vec<u8>,
    sender: mpsc::Sender<Vec<u8>>,
}

impl Write for PacketWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.packet.extend_from_slice(bytes);
        if self.packet.len() >= PACKET_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let packet = std::mem::replace(&mut self.packet, Vec::with_capacity(PACKET_BYTES));
        self.sender.blocking_send(packet).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}
