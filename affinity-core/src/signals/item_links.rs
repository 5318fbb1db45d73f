//! How near items are by short walks over a relation between them, such as citations.
//!
//! Source: co-citation and bibliographic coupling (Small, Journal of the American Society for Information Science 24,
//! 1973; Kessler, American Documentation 14, 1963) as powers of the symmetric normalization of Zhou et al., "Learning
//! with local and global consistency", NIPS 2003: the sum over k of `c_k N^k` with `N = D^-1/2 A D^-1/2`, where A is 1
//! for items that have an edge in either direction.

use rayon::iter::{IntoParallelIterator, ParallelIterator};

use super::models::ANY_MEMBER;
use super::terrain::{MASS_BITS, part, probability_of};
use crate::exact::count_of;
use crate::graph::{Graph, Hop, NodeId, RelationId, Sight};

/// Steps of a walk between items at most.
pub(super) const LINK_STEPS_MAX: usize = 4;

/// A relation between items and what its walks count by their length: `coefficients[k - 1]` is `c_k`, in [0, 1].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ItemLinks {
    pub(crate) relation: RelationId,
    pub(crate) coefficients: [f64; LINK_STEPS_MAX],
}

impl ItemLinks {
    /// One, two and three steps count alike.
    pub(crate) const COEFFICIENTS: [f64; LINK_STEPS_MAX] = [1.0, 1.0, 1.0, 0.0];

    /// For each of `items`, given in the order of their keys, its nearest ones with a past, with values above 0.
    ///
    /// Masses are integers, so that neither threads nor the order of edges change a bit.
    /// O(items * the edges of what lies within the steps).
    pub(super) fn nearest(
        &self,
        graph: &Graph,
        items: &[NodeId],
        past: &[bool],
        neighbors: usize,
    ) -> Vec<Vec<(NodeId, f64)>> {
        let linked = self.linked(graph, items, past.len());
        let list = |walk: &mut Walk, item: usize| {
            let mut found = walk.from(item, &linked, &self.coefficients);
            found.retain(|(place, _)| *place != item && past[items[*place].index()]);
            // Places are in the order of keys.
            let best = |a: &(usize, f64), b: &(usize, f64)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
            if found.len() > neighbors {
                found.select_nth_unstable_by(neighbors, best);
                found.truncate(neighbors);
            }
            found.into_iter().map(|(place, value)| (items[place], value)).collect()
        };
        (0..items.len()).into_par_iter().map_init(|| Walk::new(items.len()), list).collect()
    }

    /// Places of the items that each item has an edge with, in either direction, each once.
    fn linked(&self, graph: &Graph, items: &[NodeId], node_count: usize) -> Vec<Vec<usize>> {
        let mut place_of = vec![None; node_count];
        for (place, item) in items.iter().enumerate() {
            place_of[item.index()] = Some(place);
        }
        let sight = Sight::new(&ANY_MEMBER, graph.audiences());
        let ways = [false, true];
        let hops = ways.map(|reversed| Hop::new(graph, self.relation, reversed, Vec::new(), sight, false));
        let of_item = |(own, item): (usize, &NodeId)| {
            let mut linked = Vec::new();
            for hop in &hops {
                hop.visit_targets(item.index(), |target| linked.extend(place_of[target.index()]));
            }
            linked.sort_unstable();
            linked.dedup();
            linked.retain(|place| *place != own);
            linked
        };
        items.iter().enumerate().map(of_item).collect()
    }
}

/// Memory of walks, by place; all 0 between two of them.
struct Walk {
    arrived: Vec<u64>,
    sums: Vec<u64>,
}

impl Walk {
    fn new(count: usize) -> Self {
        Self { arrived: vec![0; count], sums: vec![0; count] }
    }

    /// The polynomial's row of an item: places that walks reach, in no particular order, and their values.
    fn from(
        &mut self,
        item: usize,
        linked: &[Vec<usize>],
        coefficients: &[f64; LINK_STEPS_MAX],
    ) -> Vec<(usize, f64)> {
        let (mut at, mut reached) = (vec![(item, 1_u64 << MASS_BITS)], Vec::new());
        let step_count = coefficients.iter().rposition(|coefficient| *coefficient > 0.0).map_or(0, |k| k + 1);
        for coefficient in &coefficients[..step_count] {
            let mut next = Vec::new();
            for (place, mass) in at {
                let given = mass / linked[place].len().max(1) as u64;
                for to in linked[place].iter().filter(|_| given > 0) {
                    if self.arrived[*to] == 0 {
                        next.push((*to, 0));
                    }
                    self.arrived[*to] += given;
                }
            }
            for (place, mass) in &mut next {
                *mass = std::mem::take(&mut self.arrived[*place]);
                let counted = part(*mass, *coefficient);
                if counted > 0 && self.sums[*place] == 0 {
                    reached.push(*place);
                }
                self.sums[*place] += counted;
            }
            at = next;
        }
        // N is P = D^-1 A between roots of degrees.
        let degree = |place: usize| count_of(linked[place].len());
        let value = |place: usize, sum| probability_of(sum) * libm::sqrt(degree(item) / degree(place));
        reached
            .into_iter()
            .map(|place| (place, value(place, std::mem::take(&mut self.sums[place]))))
            .collect()
    }
}
