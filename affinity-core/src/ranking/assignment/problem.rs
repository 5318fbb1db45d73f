//! What is to be assigned, and what came out.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::certificate::Certificate;
use super::error::{AssignmentError, Side};
use super::network::{Cost, Network, Row, Scale};
use super::{shortest_path, stable};
use crate::graph::Key;

/// Units in a score of 1.0: scores are multiples of 2^-40.
pub const SCORE_UNITS: u64 = 1 << 40;
/// Parties of one side.
pub const PARTIES_MAX: usize = 1_000_000;
/// Pairs of a problem.
pub const PAIRS_MAX: usize = 50_000_000;
/// Matches of one party.
pub const CAPACITY_MAX: u32 = 1_000_000;

/// What makes an assignment good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Objective {
    /// The largest sum of scores; whoever is left out costs nothing.
    #[default]
    Total,
    /// The most sources and the most targets that have at least one match, then the largest sum of scores.
    ///
    /// The two never compete: one assignment has both the most sources and the most targets. With capacities of 1
    /// it is a maximum-cardinality matching.
    Coverage,
    /// No two would rather have each other than whom they have.
    ///
    /// Each side prefers higher scores, then smaller keys. Of several such assignments, the one best for sources;
    /// there is only one when both sides see the same scores.
    Stable,
}

/// One who takes part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    /// External key, unique on its side: breaks ties.
    pub key: Key,
    /// The most matches, 1 to [`CAPACITY_MAX`].
    pub capacity: u32,
}

/// Two who may be matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Position among the sources.
    pub source: u32,
    /// Position among the targets.
    pub target: u32,
    /// In units of 2^-40, at most [`SCORE_UNITS`].
    pub score: u64,
}

/// What is to be assigned. Only the keys order anything: positions and the order of pairs do not count.
///
/// ```
/// use affinity_core::assignment::{Objective, Pair, Party, Problem, Watch};
/// let party = |key: &str| Party { key: key.into(), capacity: 1 };
/// let pair = |source, target, score| Pair { source, target, score };
/// let problem = Problem {
///     sources: vec![party("ann"), party("bob")],
///     targets: vec![party("x"), party("y")],
///     pairs: vec![pair(0, 0, 9), pair(0, 1, 8), pair(1, 0, 7)],
///     ..Problem::default()
/// };
/// let solution = problem.solve(Objective::Total, Watch::default())?;
/// assert_eq!((solution.pairs, solution.total), (vec![1, 2], 15)); // ann-y and bob-x: 8 + 7
/// assert_eq!(solution.certificate.map(|proof| proof.gap), Some(0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problem {
    /// One side.
    pub sources: Vec<Party>,
    /// The other.
    pub targets: Vec<Party>,
    /// All that may be matched, each at most once.
    pub pairs: Vec<Pair>,
    /// For [`Objective::Stable`]: what each pair is worth to its target, one per pair; empty when the same.
    pub target_scores: Vec<u64>,
    /// Source and target of pairs that must be in.
    pub locked: Vec<(u32, u32)>,
    /// Source and target of pairs that must not.
    pub forbidden: Vec<(u32, u32)>,
    /// Source and target of pairs to keep where the objective does not suffer; of no effect on stable ones. Locking
    /// one of an optimum then changes nothing, but for pairs of score 0, which may come and go.
    pub previous: Vec<(u32, u32)>,
}

/// How a caller follows a solver and ends it.
#[derive(Clone, Copy)]
pub struct Watch<'a> {
    /// Asked now and then whether to stop.
    pub cancelled: &'a (dyn Fn() -> bool + Sync),
    /// Told how many of how many sources are done, ascending.
    pub progress: &'a (dyn Fn(usize, usize) + Sync),
}

impl Default for Watch<'_> {
    fn default() -> Self {
        Self { cancelled: &|| false, progress: &|_, _| () }
    }
}

/// Who is matched with whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Solution {
    /// Positions among the pairs of the problem, ascending by key of the source, then of the target.
    pub pairs: Vec<usize>,
    /// Sum of the scores, in units of 2^-40.
    pub total: u64,
    /// Sources that have a match.
    pub sources_matched: usize,
    /// Targets that have a match.
    pub targets_matched: usize,
    /// Pairs that were matched before.
    pub kept: usize,
    /// Proof that nothing is better; absent for stable ones.
    pub certificate: Option<Certificate>,
}

/// One side in the order of its keys.
struct Ranks {
    /// Position in that order by position in the problem.
    of: Vec<u32>,
    /// What is left of each capacity, in the order of keys.
    left: Vec<u32>,
}

impl Problem {
    /// The best assignment by `objective`, exactly; among several, the one that keeps most previous pairs.
    ///
    /// Up to O(matches * pairs * log), mostly far less: a match usually touches few others.
    ///
    /// # Errors
    /// [`AssignmentError`] naming what does not fit, or when `watch` cancels.
    pub fn solve(&self, objective: Objective, watch: Watch<'_>) -> Result<Solution, AssignmentError> {
        let (mut sources, mut targets) = self.checked()?;
        let locked = self.take_locks(&mut sources, &mut targets)?;
        let scale = self.scale(objective, &sources, &targets);
        // Sums of four terms, the largest that the search makes, must fit.
        let fits = scale.largest().checked_mul(8).is_some_and(|sum| i64::try_from(sum).is_ok());
        if fits {
            self.solve_in::<i64>(objective, scale, &sources, &targets, &locked, watch)
        } else {
            self.solve_in::<i128>(objective, scale, &sources, &targets, &locked, watch)
        }
    }

    fn solve_in<C: Cost>(
        &self,
        objective: Objective,
        scale: Scale,
        sources: &Ranks,
        targets: &Ranks,
        locked: &HashSet<(u32, u32)>,
        watch: Watch<'_>,
    ) -> Result<Solution, AssignmentError> {
        let (mut network, locked) = self.network::<C>(scale, sources, targets, locked)?;
        let (mut chosen, prices) = match objective {
            Objective::Stable => (stable::solve(&network, &self.target_scores, watch)?, None),
            Objective::Total | Objective::Coverage => {
                let (chosen, prices) = shortest_path::solve(&mut network, watch)?;
                (chosen, Some(prices))
            }
        };
        let locked_total = locked.iter().map(|position| self.pairs[*position].score).sum();
        let certificate =
            prices.map(|prices| Certificate::new(&network, scale, &chosen, locked_total, prices));
        chosen.extend(locked);
        Ok(self.solution(chosen, sources, targets, certificate))
    }

    /// Both sides by key, after everything that needs no look at single pairs.
    fn checked(&self) -> Result<(Ranks, Ranks), AssignmentError> {
        let at_most = |what, got, max| {
            if got > max { Err(AssignmentError::TooMany { what, got, max }) } else { Ok(()) }
        };
        at_most("sources", self.sources.len(), PARTIES_MAX)?;
        at_most("targets", self.targets.len(), PARTIES_MAX)?;
        at_most("pairs", self.pairs.len(), PAIRS_MAX)?;
        let (got, expected) = (self.target_scores.len(), self.pairs.len());
        if got != 0 && got != expected {
            return Err(AssignmentError::TargetScoreCount { got, expected });
        }
        let ranks = (Ranks::new(Side::Source, &self.sources)?, Ranks::new(Side::Target, &self.targets)?);
        let pairs = self.pairs.iter().map(|pair| (pair.source, pair.target));
        let named = self.locked.iter().chain(&self.forbidden).chain(&self.previous).copied();
        for (source, target) in pairs.chain(named) {
            for (side, got, count) in
                [(Side::Source, source, self.sources.len()), (Side::Target, target, self.targets.len())]
            {
                if got as usize >= count {
                    return Err(AssignmentError::NoSuchParty { side, got, count });
                }
            }
        }
        let scores = self.pairs.iter().map(|pair| pair.score);
        let too_high = scores.chain(self.target_scores.iter().copied()).position(|score| score > SCORE_UNITS);
        if let Some(position) = too_high {
            let pair = self.pairs[position % self.pairs.len()];
            let got = self.target_scores.get(position.wrapping_sub(expected)).copied();
            let (source, target) = self.keys((pair.source, pair.target));
            return Err(AssignmentError::Score { source, target, got: got.unwrap_or(pair.score) });
        }
        Ok(ranks)
    }

    fn keys(&self, (source, target): (u32, u32)) -> (Key, Key) {
        (self.sources[source as usize].key.clone(), self.targets[target as usize].key.clone())
    }

    /// Takes the capacities that locked pairs need; the locks are found among the pairs later.
    fn take_locks(
        &self,
        sources: &mut Ranks,
        targets: &mut Ranks,
    ) -> Result<HashSet<(u32, u32)>, AssignmentError> {
        let forbidden: HashSet<(u32, u32)> = self.forbidden.iter().copied().collect();
        let mut locked = self.locked.clone();
        locked.sort_unstable_by_key(|(source, target)| (sources.rank(*source), targets.rank(*target)));
        locked.dedup();
        for pair in &locked {
            let (source, target) = self.keys(*pair);
            if forbidden.contains(pair) {
                return Err(AssignmentError::LockForbidden { source, target });
            }
            for (side, ranks, party, capacity) in [
                (Side::Source, &mut *sources, pair.0, self.sources[pair.0 as usize].capacity),
                (Side::Target, &mut *targets, pair.1, self.targets[pair.1 as usize].capacity),
            ] {
                let rank = ranks.rank(party);
                match ranks.left[rank].checked_sub(1) {
                    Some(left) => ranks.left[rank] = left,
                    None => return Err(AssignmentError::LockOverCapacity { source, target, side, capacity }),
                }
            }
        }
        Ok(locked.into_iter().collect())
    }

    /// How coverage, score and pairs kept become one integer.
    fn scale(&self, objective: Objective, sources: &Ranks, targets: &Ranks) -> Scale {
        let seats = |side: &Ranks| side.left.iter().map(|left| i128::from(*left)).sum::<i128>();
        let best = self.pairs.iter().map(|pair| pair.score).max().unwrap_or(0);
        let counts = |objective| !matches!(objective, Objective::Stable);
        let kept_max = if counts(objective) { self.previous.len() } else { 0 };
        let matches_max = seats(sources).min(seats(targets)).min(self.pairs.len() as i128);
        Scale::new(best, kept_max, matches_max, objective == Objective::Coverage)
    }

    /// The pairs by source, without locked and forbidden ones; and the positions of the locked ones.
    fn network<C: Cost>(
        &self,
        scale: Scale,
        sources: &Ranks,
        targets: &Ranks,
        locked: &HashSet<(u32, u32)>,
    ) -> Result<(Network<C>, Vec<usize>), AssignmentError> {
        let forbidden: HashSet<(u32, u32)> = self.forbidden.iter().copied().collect();
        let previous: HashSet<(u32, u32)> = self.previous.iter().copied().collect();
        let (mut found, mut out) = (Vec::new(), vec![false; self.pairs.len()]);
        if !locked.is_empty() || !forbidden.is_empty() {
            for (position, pair) in self.pairs.iter().enumerate() {
                let named = (pair.source, pair.target);
                let is_locked = locked.contains(&named);
                if is_locked {
                    found.push(position);
                }
                out[position] = is_locked || forbidden.contains(&named);
            }
        }
        let missing = || {
            let there: HashSet<(u32, u32)> =
                found.iter().map(|at: &usize| (self.pairs[*at].source, self.pairs[*at].target)).collect();
            let lacking = self.locked.iter().filter(|pair| !there.contains(pair));
            lacking.min_by_key(|(source, target)| (sources.rank(*source), targets.rank(*target)))
        };
        if let Some(pair) = missing() {
            let (source, target) = self.keys(*pair);
            return Err(AssignmentError::LockNotCandidate { source, target });
        }
        let has_previous = !previous.is_empty();
        let rows = self.pairs.iter().enumerate().map(|(position, pair)| {
            let kept = has_previous && previous.contains(&(pair.source, pair.target));
            Row {
                is_out: out[position],
                source: sources.rank(pair.source),
                target: targets.of[pair.target as usize],
                worth: C::of(scale.worth(pair.score, kept)),
            }
        });
        let bonus = |ranks: &Ranks, parties: &[Party]| {
            let mut bonus = vec![C::of(scale.bonus()); parties.len()];
            for (position, party) in parties.iter().enumerate() {
                let rank = ranks.of[position] as usize;
                if ranks.left[rank] < party.capacity {
                    bonus[rank] = C::default(); // matched already, by a lock
                }
            }
            bonus
        };
        let sides = [
            (sources.left.clone(), bonus(sources, &self.sources)),
            (targets.left.clone(), bonus(targets, &self.targets)),
        ];
        let network = Network::new(rows, self.pairs.len(), sides);
        if let Some(position) = network.repeated_pair() {
            let pair = self.pairs[position];
            let (source, target) = self.keys((pair.source, pair.target));
            return Err(AssignmentError::RepeatedPair { source, target });
        }
        Ok((network, found))
    }

    fn solution(
        &self,
        mut chosen: Vec<usize>,
        sources: &Ranks,
        targets: &Ranks,
        certificate: Option<Certificate>,
    ) -> Solution {
        let pair = |position: usize| self.pairs[position];
        chosen.sort_unstable_by_key(|position| {
            (sources.rank(pair(*position).source), targets.rank(pair(*position).target))
        });
        let matched = |party: &dyn Fn(Pair) -> u32| {
            chosen.iter().map(|position| party(pair(*position))).collect::<HashSet<u32>>().len()
        };
        let previous: HashSet<(u32, u32)> = self.previous.iter().copied().collect();
        let is_kept =
            |position: &&usize| previous.contains(&(pair(**position).source, pair(**position).target));
        Solution {
            total: chosen.iter().map(|position| pair(*position).score).sum(),
            sources_matched: matched(&|pair| pair.source),
            targets_matched: matched(&|pair| pair.target),
            kept: chosen.iter().filter(is_kept).count(),
            pairs: chosen,
            certificate,
        }
    }
}

impl Ranks {
    fn new(side: Side, parties: &[Party]) -> Result<Self, AssignmentError> {
        let mut order: Vec<u32> = (0_u32..).take(parties.len()).collect();
        order.sort_unstable_by(|a, b| parties[*a as usize].key.cmp(&parties[*b as usize].key));
        let mut of = vec![0; parties.len()];
        for (rank, position) in (0_u32..).zip(&order) {
            of[*position as usize] = rank;
        }
        let party = |position: &u32| &parties[*position as usize];
        if let Some(twice) = order.windows(2).find(|two| party(&two[0]).key == party(&two[1]).key) {
            return Err(AssignmentError::RepeatedKey { side, key: party(&twice[0]).key.clone() });
        }
        let fits = |party: &&Party| !(1..=CAPACITY_MAX).contains(&party.capacity);
        if let Some(wrong) = parties.iter().find(fits) {
            let (key, got, max) = (wrong.key.clone(), wrong.capacity, CAPACITY_MAX);
            return Err(AssignmentError::Capacity { side, key, got, max });
        }
        Ok(Self { left: order.iter().map(|position| party(position).capacity).collect(), of })
    }

    fn rank(&self, position: u32) -> usize {
        self.of[position as usize] as usize
    }
}
