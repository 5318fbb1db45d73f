//! The ledger beside the engine's snapshot.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::ProjectionError;
use super::entry::Anchor;
use super::ledger::Ledger;
use super::ledger_code::{Reader, decode_given};

/// First bytes of a ledger file; the digits are the version of the format.
const MAGIC: &[u8; 8] = b"AFLEDG01";
const DIGEST_BYTES: usize = 32;

/// A ledger with what it depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LedgerFile {
    /// The engine version it belongs to.
    pub(super) position: String,
    /// Of the database, views, schema and model that it was made with: under others it means nothing.
    pub(super) origin: String,
    /// The matchers, with their versions, that the engine's statistics were fitted for.
    pub(super) matchers: String,
    pub(super) ledger: Ledger,
}

impl LedgerFile {
    /// Writes the file and moves it into place, so that a reader finds the old one or the new one, whole.
    ///
    /// # Errors
    /// [`ProjectionError::File`] when the system refuses.
    pub(super) fn write(&self, path: &Path) -> Result<(), ProjectionError> {
        let file_error = |source| ProjectionError::File { path: path.to_path_buf(), source };
        let folder = path.parent().unwrap_or(Path::new("."));
        let file = tempfile::NamedTempFile::new_in(folder).map_err(file_error)?;
        let mut writer = Digesting { inner: BufWriter::new(file), hasher: Sha256::new() };
        self.write_to(&mut writer).map_err(file_error)?;
        let digest = writer.hasher.finalize();
        writer.inner.write_all(&digest).map_err(file_error)?;
        let file = writer.inner.into_inner().map_err(|error| file_error(error.into_error()))?;
        file.as_file().sync_all().map_err(file_error)?;
        file.persist(path).map_err(|error| file_error(error.error))?;
        Ok(())
    }

    fn write_to(&self, writer: &mut impl Write) -> io::Result<()> {
        writer.write_all(MAGIC)?;
        write_piece(writer, self.position.as_bytes())?;
        write_piece(writer, self.origin.as_bytes())?;
        write_piece(writer, self.matchers.as_bytes())?;
        for (table, id, encoded) in self.ledger.encoded() {
            write_piece(writer, table.as_bytes())?;
            writer.write_all(id.as_bytes())?;
            write_piece(writer, encoded)?;
        }
        Ok(())
    }

    /// Reads a file; everything in it is validated.
    ///
    /// # Errors
    /// [`ProjectionError::File`] when it cannot be read, [`ProjectionError::Damaged`] when it is not as written.
    pub(super) fn read(path: &Path) -> Result<Self, ProjectionError> {
        let bytes = std::fs::read(path)
            .map_err(|source| ProjectionError::File { path: path.to_path_buf(), source })?;
        let damaged = |reason| ProjectionError::Damaged { path: path.to_path_buf(), reason };
        let body_bytes = bytes.len().checked_sub(DIGEST_BYTES).ok_or_else(|| damaged("too short"))?;
        let (body, digest) = bytes.split_at(body_bytes);
        if Sha256::digest(body).as_slice() != digest {
            return Err(damaged("the checksum differs"));
        }
        let mut reader = Reader { bytes: body };
        if reader.take(MAGIC.len()) != Some(MAGIC.as_slice()) {
            return Err(damaged("another format"));
        }
        read_body(reader).ok_or_else(|| damaged("the contents make no sense"))
    }
}

fn read_body(mut reader: Reader<'_>) -> Option<LedgerFile> {
    let position = reader.take_text()?.to_string();
    let origin = reader.take_text()?.to_string();
    let matchers = reader.take_text()?.to_string();
    let mut ledger = Ledger::default();
    while !reader.bytes.is_empty() {
        let table = reader.take_text()?.to_string();
        let id = Uuid::from_bytes(reader.take_array()?);
        let encoded = reader.take_piece()?;
        decode_given(encoded, id)?;
        ledger.insert_encoded(&Anchor { table, id }, encoded.into());
    }
    Some(LedgerFile { position, origin, matchers, ledger })
}

fn write_piece(writer: &mut impl Write, piece: &[u8]) -> io::Result<()> {
    writer.write_all(&u64::try_from(piece.len()).unwrap_or(u64::MAX).to_le_bytes())?;
    writer.write_all(piece)
}

/// Hashes what passes through.
struct Digesting<W> {
    inner: W,
    hasher: Sha256,
}

impl<W: Write> Write for Digesting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use affinity_core::{Key, KindId};
    use uuid::Uuid;

    use super::LedgerFile;
    use crate::projection::ProjectionError;
    use crate::projection::entry::{Anchor, Entry, Fingerprint, Given};
    use crate::projection::ledger::Ledger;

    fn sample() -> LedgerFile {
        let mut ledger = Ledger::default();
        for id in 0..20_u128 {
            let anchor = Anchor { table: format!("table_{}", id % 3), id: Uuid::from_u128(id) };
            let entry =
                Entry::Node { kind: KindId::from_index(1).unwrap(), key: Key::from(format!("node {id}")) };
            ledger.replace(&anchor, &[Given { entry, fingerprint: Fingerprint::of([b"says".as_slice()]) }]);
        }
        LedgerFile {
            position: "100:105:101,103".to_string(),
            origin: "here".to_string(),
            matchers: "m 1".to_string(),
            ledger,
        }
    }

    #[test]
    fn file_reads_back_equal() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        sample().write(&path).unwrap();
        assert_eq!(LedgerFile::read(&path).unwrap(), sample());
    }

    #[test]
    fn every_flipped_byte_and_every_cut_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        sample().write(&path).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        for position in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[position] ^= 0x10;
            for damaged in [&flipped[..], &bytes[..position]] {
                std::fs::write(&path, damaged).unwrap();
                let error = LedgerFile::read(&path).unwrap_err();
                assert!(matches!(error, ProjectionError::Damaged { .. }), "byte {position}: {error:?}");
            }
        }
    }
}
