//! Successive shortest augmenting paths with potentials: the exact optimum and prices that prove it.
//!
//! Source: Edmonds & Karp, "Theoretical improvements in algorithmic efficiency for network flow problems",
//! JACM 19(2), 1972; Jonker & Volgenant, "A shortest augmenting path algorithm for dense and sparse linear
//! assignment problems", Computing 38, 1987. Capacities and free ends are ours.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::error::AssignmentError;
use super::network::{Cost, Network};
use super::problem::Watch;

/// Searches between two looks at the caller's token.
const WATCH_EVERY: usize = 64;

/// Prices by party: `source + target >= worth` for every pair left out, at most `worth` for every pair taken.
pub(super) struct Prices<C> {
    pub(super) sources: Vec<C>,
    pub(super) targets: Vec<C>,
}

/// The best pairs, as positions in the problem, and the prices that prove it.
pub(super) fn solve<C: Cost>(
    network: &mut Network<C>,
    watch: Watch<'_>,
) -> Result<(Vec<usize>, Prices<C>), AssignmentError> {
    let mut flow = Flow::new(network);
    let source_count = flow.taken.len();
    for source in 0..source_count {
        if source.is_multiple_of(WATCH_EVERY) {
            if (watch.cancelled)() {
                return Err(AssignmentError::Cancelled);
            }
            (watch.progress)(source, source_count);
            flow.price_min = flow.prices.targets.iter().min().copied().unwrap_or_default();
        }
        flow.saturate(source);
    }
    (watch.progress)(source_count, source_count);
    let users = flow.users.iter().flatten();
    let chosen = users.map(|user| flow.network.edge(user.edge as usize).pair as usize).collect();
    Ok((chosen, flow.prices))
}

/// A source that has a target.
#[derive(Clone, Copy)]
struct User {
    source: u32,
    edge: u32,
}

/// Where a path ends.
#[derive(Clone, Copy)]
enum End {
    /// Nothing is worth more than leaving the seat empty.
    Empty,
    /// A target takes one more.
    Target(usize),
    /// A source gives one up.
    Source(usize),
}

/// What a search knows about the parties of one side.
struct Reached<C> {
    distance: Vec<C>,
    /// The search that reached it last.
    search: Vec<u32>,
    list: Vec<u32>,
}

impl<C: Cost> Reached<C> {
    fn new(count: usize) -> Self {
        Self { distance: vec![C::default(); count], search: vec![0; count], list: Vec::new() }
    }

    /// Whether `distance` is the shortest yet; remembers it if so.
    #[inline]
    fn improves(&mut self, search: u32, party: usize, distance: C) -> bool {
        if self.search[party] != search {
            self.search[party] = search;
            self.list.extend(u32::try_from(party));
        } else if self.distance[party] <= distance {
            return false;
        }
        self.distance[party] = distance;
        true
    }
}

struct Flow<'n, C> {
    network: &'n mut Network<C>,
    prices: Prices<C>,
    /// No target's price is below it.
    price_min: C,
    /// Matches by source.
    taken: Vec<u32>,
    /// Who has a target, by target.
    users: Vec<Vec<User>>,
    is_used: Vec<bool>,
    /// Counts up; names what `sources` and `targets` hold.
    search: u32,
    sources: Reached<C>,
    targets: Reached<C>,
    /// The edge by which a search reached a target, with its source.
    into_target: Vec<User>,
    /// The edge in use that a search would take from a source.
    out_of_source: Vec<u32>,
    /// Parties to look at, nearest first, ties by key: sources, then targets.
    heap: BinaryHeap<Reverse<(C, u32)>>,
}

impl<'n, C: Cost> Flow<'n, C> {
    fn new(network: &'n mut Network<C>) -> Self {
        let (source_count, target_count) = (network.sources.capacity.len(), network.targets.capacity.len());
        // A target that nobody has is priced so that its first match is worth exactly what it adds.
        let free = |target| C::default() - network.targets.gain(target, 0).unwrap_or_default();
        let targets: Vec<C> = (0..target_count).map(free).collect();
        Self {
            price_min: targets.iter().min().copied().unwrap_or_default(),
            prices: Prices { sources: vec![C::default(); source_count], targets },
            taken: vec![0; source_count],
            users: vec![Vec::new(); target_count],
            is_used: vec![false; network.edge_count()],
            search: 0,
            sources: Reached::new(source_count),
            targets: Reached::new(target_count),
            into_target: vec![User { source: 0, edge: 0 }; target_count],
            out_of_source: vec![0; source_count],
            heap: BinaryHeap::new(),
            network,
        }
    }

    /// Gives a source that has nothing yet as many matches as are worth it.
    fn saturate(&mut self, source: usize) {
        let empty = |gain| C::default() - gain;
        // One that locks have filled needs a price too, so that nobody else's pairs with it look worth it.
        let mut price = empty(self.network.sources.gain(source, 0).unwrap_or_default());
        let mut nth = 0;
        while let Some(edge) = self.network.nth_best(source, nth) {
            if edge.worth - self.price_min <= price {
                break;
            }
            price = price.max(edge.worth - self.prices.targets[edge.target as usize]);
            nth += 1;
        }
        self.prices.sources[source] = price;
        while let Some(gain) = self.network.sources.gain(source, self.taken[source]) {
            if self.prices.sources[source] <= empty(gain) {
                break;
            }
            let (end, distance) = self.shortest_path(source, self.prices.sources[source] + gain);
            self.reprice(distance);
            match end {
                End::Empty => break,
                _ => self.augment(source, end),
            }
        }
    }

    /// The nearest end of a path from `start`, and how far it is; `give_up` is the distance of an empty seat.
    fn shortest_path(&mut self, start: usize, give_up: C) -> (End, C) {
        self.search += 1;
        self.heap.clear();
        self.sources.list.clear();
        self.targets.list.clear();
        let (search, source_count) = (self.search, self.taken.len());
        let (mut end, mut nearest) = (End::Empty, give_up);
        self.sources.improves(search, start, C::default());
        self.scan(start, C::default(), &mut end, &mut nearest);
        while let Some(Reverse((distance, party))) = self.heap.pop() {
            if distance >= nearest {
                break;
            }
            let party = party as usize;
            if party < source_count {
                if self.sources.distance[party] == distance {
                    self.scan(party, distance, &mut end, &mut nearest);
                }
                continue;
            }
            let target = party - source_count;
            if self.targets.distance[target] != distance {
                continue;
            }
            for place in 0..self.users[target].len() {
                let user = self.users[target][place];
                let source = user.source as usize;
                let worth = self.network.edge(user.edge as usize).worth;
                let reduced = worth - self.prices.sources[source] - self.prices.targets[target];
                let there = distance + reduced;
                if there >= nearest || !self.sources.improves(search, source, there) {
                    continue;
                }
                self.out_of_source[source] = user.edge;
                self.heap.push(Reverse((there, user.source)));
                let loss = self.network.sources.loss(source, self.taken[source]);
                let dropped = there + self.prices.sources[source] + loss;
                if dropped < nearest {
                    (end, nearest) = (End::Source(source), dropped);
                }
            }
        }
        (end, nearest)
    }

    /// Looks at the edges of a source that are not in use, as long as one could still be nearer.
    fn scan(&mut self, source: usize, distance: C, end: &mut End, nearest: &mut C) {
        let source_count = self.taken.len();
        let base = distance + self.prices.sources[source];
        let row = self.network.row_start(source);
        let mut nth = 0;
        while let Some(edge) = self.network.nth_best(source, nth) {
            let at = base - edge.worth;
            if at + self.price_min >= *nearest {
                return;
            }
            let target = edge.target as usize;
            let there = at + self.prices.targets[target];
            let used = self.is_used[row + nth];
            if there < *nearest && !used && self.targets.improves(self.search, target, there) {
                let user = (u32::try_from(source), u32::try_from(row + nth));
                if let (Ok(source), Ok(edge)) = user {
                    self.into_target[target] = User { source, edge };
                }
                self.heap.extend(u32::try_from(source_count + target).map(|party| Reverse((there, party))));
                let matches = u32::try_from(self.users[target].len()).unwrap_or(u32::MAX);
                if let Some(gain) = self.network.targets.gain(target, matches) {
                    let taken = there - self.prices.targets[target] - gain;
                    if taken < *nearest {
                        (*end, *nearest) = (End::Target(target), taken);
                    }
                }
            }
            nth += 1;
        }
    }

    /// Moves the prices of everyone nearer than the end, so that the path to it costs nothing.
    fn reprice(&mut self, nearest: C) {
        for source in &self.sources.list {
            let source = *source as usize;
            if self.sources.distance[source] < nearest {
                self.prices.sources[source] -= nearest - self.sources.distance[source];
            }
        }
        for target in &self.targets.list {
            let target = *target as usize;
            if self.targets.distance[target] < nearest {
                self.prices.targets[target] += nearest - self.targets.distance[target];
            }
        }
    }

    /// Swaps the edges along the path that the last search found.
    fn augment(&mut self, start: usize, end: End) {
        self.taken[start] += 1;
        let mut target = match end {
            End::Empty => return,
            End::Target(target) => target,
            End::Source(source) => {
                self.taken[source] -= 1;
                self.leave(source)
            }
        };
        loop {
            let user = self.into_target[target];
            self.users[target].push(user);
            self.is_used[user.edge as usize] = true;
            let source = user.source as usize;
            if source == start {
                return;
            }
            target = self.leave(source);
        }
    }

    /// Takes the target by which the search reached `source` away from it.
    fn leave(&mut self, source: usize) -> usize {
        let edge = self.out_of_source[source];
        let target = self.network.edge(edge as usize).target as usize;
        self.users[target].retain(|user| user.edge != edge);
        self.is_used[edge as usize] = false;
        target
    }
}
