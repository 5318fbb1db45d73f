use std::path::Path;

use super::error::ReadError;
use super::lines::Lines;

/// A link of one type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) edge_type: String,
    pub(crate) ends: (String, String),
}

/// A link that is there or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LabeledLink {
    pub(crate) link: Link,
    pub(crate) is_there: bool,
}

/// Links of several types between nodes of one kind, in GATNE's format: `train.txt` with `type a b` and
/// `test.txt` with `type a b 0|1`. Nothing is learned, so a `valid.txt` is not read.
#[derive(Clone, Debug)]
pub(crate) struct LinkData {
    pub(crate) train: Vec<Link>,
    pub(crate) test: Vec<LabeledLink>,
}

impl LinkData {
    /// Reads a folder.
    ///
    /// # Errors
    /// [`ReadError`] naming file and line.
    pub(crate) fn read(folder: &Path) -> Result<Self, ReadError> {
        let mut train = Vec::new();
        let mut lines = Lines::open(&folder.join("train.txt"))?;
        while let Some(line) = lines.next_line()? {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.as_slice() {
                [] => {}
                [edge_type, a, b] => train.push(link(edge_type, a, b)),
                _ => return Err(lines.wrong("an edge type and two nodes")),
            }
        }
        if train.is_empty() {
            return Err(ReadError::Empty { path: folder.join("train.txt"), what: "links" });
        }
        Ok(Self { train, test: read_labeled(&folder.join("test.txt"))? })
    }
}

fn link(edge_type: &str, a: &str, b: &str) -> Link {
    Link { edge_type: edge_type.to_string(), ends: (a.to_string(), b.to_string()) }
}

fn read_labeled(path: &Path) -> Result<Vec<LabeledLink>, ReadError> {
    let mut labeled = Vec::new();
    let mut lines = Lines::open(path)?;
    while let Some(line) = lines.next_line()? {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [] => {}
            [edge_type, a, b, label @ ("0" | "1")] => {
                labeled.push(LabeledLink { link: link(edge_type, a, b), is_there: *label == "1" });
            }
            _ => return Err(lines.wrong("an edge type, two nodes, and 0 or 1")),
        }
    }
    Ok(labeled)
}
