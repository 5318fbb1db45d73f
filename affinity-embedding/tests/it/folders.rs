//! The models of the tests, and broken copies of them.

use affinity_embedding::SentenceEncoder;
use std::path::PathBuf;

/// Of this crate's `tests/models`.
pub(crate) fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/models").join(name)
}

pub(crate) fn open(name: &str) -> SentenceEncoder {
    SentenceEncoder::open(path(name)).unwrap()
}

/// A copy of tiny-32 that a test may change.
pub(crate) fn copy() -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(path("tiny-32")).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    copy
}
