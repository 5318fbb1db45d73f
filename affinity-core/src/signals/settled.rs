//! Mass that a walk has not passed on, where it would be in the long run.
//!
//! Source: a walk on an undirected graph settles in proportion to what the edges of a place weigh (Lovász, "Random
//! walks on graphs: a survey", 1993), on the two sides of a bipartite one by turns. Personalized PageRank is linear
//! in where it starts, and a settled start stays settled.

use super::accumulator::Accumulator;
use super::context::Context;
use super::terrain::{Side, Terrain, part_of_unit, probability_of};
use crate::exact::value_of;
use crate::graph::{KindId, NodeId};

/// The share of what was left over that each place gets, in proportion to what its edges weigh.
pub(super) struct Settled {
    /// By kind; `None` where the walk cannot come.
    sides: Vec<Option<Side>>,
    /// Mass for an edge weight of 1, on the first side and on the second.
    factors: [f64; 2],
}

impl Settled {
    /// Spreads the residuals of a walk with this restart probability. O(nodes); O(edges) where their weights differ.
    pub(super) fn new(
        context: &Context<'_>,
        terrain: &Terrain<'_>,
        residuals: &Accumulator,
        restart: f64,
    ) -> Self {
        let sides = terrain.sides(context.source.kind);
        let (mut masses, mut weights) = ([0_u64; 2], [0_u64; 2]);
        for (position, side) in sides.iter().enumerate() {
            let (Some(side), Some(kind)) = (side, KindId::from_index(position)) else { continue };
            terrain.for_each_of(kind, residuals, &mut |_, mass| masses[side.index()] += mass);
            terrain.for_each_weight(context, kind, |_, units| weights[side.index()] += units);
        }
        let mass = |side: usize| probability_of(masses[side]);
        let is_alternating = sides.contains(&Some(Side::Second));
        let settled = |side: usize| {
            if is_alternating {
                // Of a settled start, 1 / (2 - restart) is on its own side in the end.
                (mass(side) + (1.0 - restart) * mass(1 - side)) / (2.0 - restart)
            } else {
                mass(side)
            }
        };
        let factor = |side: usize| {
            let weight = value_of(weights[side]);
            if weight > 0.0 { settled(side) / weight } else { 0.0 }
        };
        Self { factors: [factor(0), factor(1)], sides }
    }

    /// What a node of a kind gets whose edges weigh so many units.
    pub(super) fn mass(&self, kind: KindId, weight_units: u64) -> u64 {
        let factor = self.sides[kind.index()].map_or(0.0, |side| self.factors[side.index()]);
        part_of_unit(value_of(weight_units) * factor)
    }

    /// The same, of a place.
    pub(super) fn mass_at(&self, terrain: &Terrain<'_>, kind: KindId, place: NodeId) -> u64 {
        self.mass(kind, terrain.weight_units(place, &mut Vec::new()))
    }
}
