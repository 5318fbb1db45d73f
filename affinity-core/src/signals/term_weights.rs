//! How much each term of a space tells: inverse document frequencies, and texts as vectors of unit length.
//!
//! Source: Spärck Jones, "A statistical interpretation of term specificity", Journal of Documentation 28(1), 1972;
//! smoothed as if one more node had every term.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::models::Models;
use crate::exact::units;
use crate::graph::{Graph, NodeId, TermSpaceId};

/// How many nodes of a space have each term: what is fitted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct TermCounts {
    /// Nodes with terms.
    pub(crate) node_count: u32,
    pub(crate) by_term: BTreeMap<String, u32>,
}

impl TermCounts {
    /// `ln((1 + n) / (1 + n_t))`, where `n_t` of the n nodes have the term: 0 when all have it; 1 while n is 0.
    fn idf(&self, term: &str) -> f64 {
        if self.node_count == 0 {
            return 1.0;
        }
        let count = self.by_term.get(term).copied().unwrap_or(0).min(self.node_count);
        libm::log((1.0 + f64::from(self.node_count)) / (1.0 + f64::from(count)))
    }
}

/// Inverse document frequencies by term id, for each space of terms that a model was fitted for.
#[derive(Clone, Debug, Default)]
pub(crate) struct TermWeights(Arc<[Vec<f64>]>);

impl TermWeights {
    /// The same for a later version of a graph, which may know more terms.
    pub(crate) fn extended(&self, graph: &Graph, models: &Models) -> Self {
        let (spaces, count) = (graph.schema().term_spaces(), graph.terms().count());
        if self.0.len() == spaces.len() && self.0.iter().all(|known| known.is_empty() || known.len() == count)
        {
            return self.clone();
        }
        let extend = |(position, space): (usize, &crate::graph::TermSpaceSpec)| {
            let Some(model) = models.terms(&space.name) else { return Vec::new() };
            let mut known = self.0.get(position).cloned().unwrap_or_default();
            known.extend(graph.terms().values().skip(known.len()).map(|term| model.idf(term)));
            known
        };
        Self(spaces.iter().enumerate().map(extend).collect())
    }

    /// Memory in use.
    pub(crate) fn size_bytes(&self) -> usize {
        self.0.iter().map(|weights| size_of::<Vec<f64>>() + weights.capacity() * size_of::<f64>()).sum()
    }

    /// Those of one space only, from its counts.
    pub(super) fn of_space(graph: &Graph, space: TermSpaceId, counts: Option<&TermCounts>) -> Self {
        let mut weights = vec![Vec::new(); graph.schema().term_spaces().len()];
        if let Some(counts) = counts {
            weights[space.index()] = graph.terms().values().map(|term| counts.idf(term)).collect();
        }
        Self(weights.into())
    }

    /// The terms of a node as a vector of unit length, whoever may read them: term ids and components.
    ///
    /// A component is `1 + ln(w)` of the term's weight w, or w itself below 1, times the inverse document frequency,
    /// divided by the length. Empty for a node without terms.
    pub(crate) fn unit_vector(
        &self,
        graph: &Graph,
        space: TermSpaceId,
        node: NodeId,
        vector: &mut Vec<(u32, f64)>,
    ) {
        let idf = &self.0[space.index()];
        let component = |(term, weight): (u32, f32)| {
            (term, frequency(weight) * idf.get(term as usize).copied().unwrap_or(1.0))
        };
        vector.clear();
        vector.extend(graph.term_table(space).terms(node).map(component));
        scale_to_unit(vector);
    }
}

/// Repetition counts less and less.
fn frequency(weight: f32) -> f64 {
    let weight = f64::from(weight);
    if weight > 1.0 { 1.0 + libm::log(weight) } else { weight }
}

/// Divides components, which are not negative, by their common length; the order of the terms changes no bit.
pub(crate) fn scale_to_unit(vector: &mut [(u32, f64)]) {
    let most = vector.iter().map(|(_, component)| *component).fold(0.0, f64::max);
    if most > 0.0 {
        // Squares of parts of the largest are in [0, 1], and their integers add up the same in any order.
        let square = |component: f64| units((component / most) * (component / most) * SQUARE_SCALE);
        let sum: u64 = vector.iter().map(|(_, component)| square(*component)).sum();
        let length = most * (crate::exact::value_of(sum) / SQUARE_SCALE).sqrt();
        vector.iter_mut().for_each(|(_, component)| *component /= length);
    }
}

/// Squares are summed in units of 2^-24 divided by this.
const SQUARE_SCALE: f64 = 32_768.0;
