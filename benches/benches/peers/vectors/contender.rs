//! What is measured of everyone alike.

use super::data::Data;

/// Links of a node per level, twice as many on level 0: the same for all.
pub(crate) const LINKS_MAX: usize = 16;
/// The beam of a build: the same for all.
pub(crate) const BUILD_BEAM: usize = 128;
/// Beams that are tried, each a quarter wider than the one before.
const BEAM_FIRST: usize = 10;
const BEAM_LAST: usize = 4_000;

/// A search of all queries.
pub(crate) struct Ran {
    /// Of processor time per query.
    pub(crate) seconds: f64,
    /// The share of the nearest that were found.
    pub(crate) recall: f64,
}

/// What to search for.
#[derive(Clone, Copy)]
pub(crate) struct Ask<'a> {
    pub(crate) limit: usize,
    /// The paper's `ef`.
    pub(crate) beam: usize,
    /// The nearest of each query, at least `limit`.
    pub(crate) truth: &'a [Vec<usize>],
    /// In percent of nodes, by [`is_allowed`].
    pub(crate) allowed: u64,
}

/// Whether a node is among the `percent` of 100 that are allowed.
pub(crate) fn is_allowed(node: usize, percent: u64) -> bool {
    super::data::Random(node as u64 ^ 0x5eed).next() % 100 < percent
}

/// An index under measurement.
pub(crate) trait Contender {
    fn name(&self) -> String;

    /// Builds the index on one thread; the seconds of processor time that it took.
    fn build(&mut self, data: &Data) -> Result<f64, String>;

    /// Bytes per vector, as far as the contender tells.
    fn bytes_per_vector(&mut self, data: &Data) -> Option<f64>;

    /// Searches for every query, one after the other on one thread.
    fn search(&mut self, data: &Data, ask: Ask<'_>) -> Result<Ran, String>;
}

/// The share of `truth` in `found`, over all queries.
pub(crate) fn recall(found: &[Vec<usize>], ask: Ask<'_>) -> f64 {
    let hits = |(found, truth): (&Vec<usize>, &Vec<usize>)| {
        truth.iter().take(ask.limit).filter(|node| found.contains(node)).count()
    };
    let wanted: usize = ask.truth.iter().map(|truth| truth.len().min(ask.limit)).sum();
    found.iter().zip(ask.truth).map(hits).sum::<usize>() as f64 / wanted as f64
}

/// The narrowest beam that reaches a recall, and the recall; `None` when none does.
pub(crate) fn beam_for(
    contender: &mut dyn Contender,
    data: &Data,
    ask: Ask<'_>,
    recall: f64,
) -> Result<Option<(usize, f64)>, String> {
    let first = BEAM_FIRST.max(ask.limit);
    let next = |beam: &usize| Some(beam + beam / 4).filter(|beam| *beam <= BEAM_LAST);
    let beams: Vec<usize> = std::iter::successors(Some(first), next).collect();
    let (mut low, mut high, mut best) = (0, beams.len(), None);
    while low < high {
        let middle = low.midpoint(high);
        let ran = contender.search(data, Ask { beam: beams[middle], ..ask })?;
        if ran.recall >= recall {
            (high, best) = (middle, Some((beams[middle], ran.recall)));
        } else {
            low = middle + 1;
        }
    }
    Ok(best)
}
