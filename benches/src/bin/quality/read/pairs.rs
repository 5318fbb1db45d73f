use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::error::ReadError;
use super::lines::Lines;

/// Papers with what they are about, and pairs of people who later wrote together for the first time: the format of
/// dblp-coauthor. What was held out is already left out.
#[derive(Clone, Debug)]
pub(crate) struct PairData {
    /// Training papers by author; all authors, also those without.
    pub(crate) papers: BTreeMap<u32, BTreeSet<u32>>,
    /// By training paper.
    pub(crate) conferences: BTreeMap<u32, BTreeSet<u32>>,
    /// By training paper.
    pub(crate) terms: BTreeMap<u32, BTreeSet<u32>>,
    /// Who is ranked.
    pub(crate) candidates: BTreeSet<u32>,
    /// With whom somebody is to be found; both ways.
    pub(crate) wanted: BTreeMap<u32, BTreeSet<u32>>,
}

impl PairData {
    /// Reads a folder: `paper_author`, `paper_conf`, `paper_term` (may be missing), `test_papers`, `test_pairs`,
    /// `candidates`, each `.txt` or `.txt.gz`, with two ids a line or one.
    ///
    /// # Errors
    /// [`ReadError`] naming file and line.
    pub(crate) fn read(folder: &Path) -> Result<Self, ReadError> {
        let held_out = ids(&folder.join("test_papers.txt"))?;
        let mut papers: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
        for (paper, author) in pairs(&folder.join("paper_author.txt"))? {
            let of_author = papers.entry(author).or_default();
            if !held_out.contains(&paper) {
                of_author.insert(paper);
            }
        }
        if papers.values().all(BTreeSet::is_empty) {
            return Err(ReadError::Empty { path: folder.join("paper_author.txt"), what: "training papers" });
        }
        let about = |name: &str| -> Result<BTreeMap<u32, BTreeSet<u32>>, ReadError> {
            let path = folder.join(name);
            let mut about: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
            let found = if Lines::exist(&path) { pairs(&path)? } else { Vec::new() };
            for (paper, of) in found.into_iter().filter(|(paper, _)| !held_out.contains(paper)) {
                about.entry(paper).or_default().insert(of);
            }
            Ok(about)
        };
        let mut wanted: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
        for (a, b) in pairs(&folder.join("test_pairs.txt"))? {
            wanted.entry(a).or_default().insert(b);
            wanted.entry(b).or_default().insert(a);
        }
        wanted.retain(|author, _| papers.contains_key(author));
        if wanted.is_empty() {
            return Err(ReadError::Empty {
                path: folder.join("test_pairs.txt"),
                what: "pairs of known people",
            });
        }
        Ok(Self {
            conferences: about("paper_conf.txt")?,
            terms: about("paper_term.txt")?,
            candidates: ids(&folder.join("candidates.txt"))?,
            papers,
            wanted,
        })
    }
}

fn pairs(path: &Path) -> Result<Vec<(u32, u32)>, ReadError> {
    const LINE: &str = "two numbers";
    let (mut pairs, mut lines) = (Vec::new(), Lines::open(path)?);
    while let Some(numbers) = lines.next_numbers(LINE)? {
        match numbers.as_slice() {
            [] => {}
            [a, b] => pairs.push((*a, *b)),
            _ => return Err(lines.wrong(LINE)),
        }
    }
    Ok(pairs)
}

fn ids(path: &Path) -> Result<BTreeSet<u32>, ReadError> {
    const LINE: &str = "one number";
    let (mut ids, mut lines) = (BTreeSet::new(), Lines::open(path)?);
    while let Some(numbers) = lines.next_numbers(LINE)? {
        match numbers.as_slice() {
            [] => {}
            [id] => drop(ids.insert(*id)),
            _ => return Err(lines.wrong(LINE)),
        }
    }
    Ok(ids)
}
