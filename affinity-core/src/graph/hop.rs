//! One step along a relation, as a viewer sees it: the one place that reads audiences, filters and parallel edges.

use super::adjacency::{Adjacency, Run};
use super::column::Cell;
use super::condition::{Place, Test};
use super::data::Graph;
use super::key::{KindId, NodeId, RelationId};
use super::node_table::NodeTable;
use super::schema::Parallel;
use super::terms::{EVERYONE, Sight};
use crate::exact::{narrow, units, value_of};

/// An edge as a step reads it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Step {
    pub(crate) target: NodeId,
    pub(crate) weight: f32,
    /// Seconds since 1970; 0 is unknown.
    pub(crate) time: u32,
}

/// Parallel edges merged so far; sums are kept in units, so that their order does not count.
#[derive(Clone, Copy)]
struct Held {
    step: Step,
    origin: u32,
    sum_units: u64,
}

/// One relation in one direction, with what an edge must satisfy and who is looking.
#[derive(Clone, Debug)]
pub(crate) struct Hop<'a> {
    graph: &'a Graph,
    adjacency: &'a Adjacency,
    targets: &'a NodeTable,
    to: KindId,
    parallel: Parallel,
    tests: Vec<Test>,
    sight: Sight<'a>,
    /// Whether edges for nobody but their owner take part: inputs given for matching only.
    past_audience: bool,
    /// Whether no edge and no target needs a look: the hot loops then read runs as they are.
    is_plain: bool,
}

impl<'a> Hop<'a> {
    pub(crate) fn new(
        graph: &'a Graph,
        relation: RelationId,
        reversed: bool,
        tests: Vec<Test>,
        sight: Sight<'a>,
        past_audience: bool,
    ) -> Self {
        let declared = &graph.schema().relations()[relation.index()];
        let adjacency = graph.adjacency(relation, reversed);
        let to = if reversed { declared.from } else { declared.to };
        let targets = graph.nodes(to);
        // A sum is never plain: rounding it once or per edge must not depend on who else is hidden.
        let one_each = matches!(declared.parallel, Parallel::Single | Parallel::Apart);
        let is_plain = tests.is_empty() && one_each && (past_audience || adjacency.is_open()) && targets.is_open();
        Self { graph, adjacency, targets, to, parallel: declared.parallel, tests, sight, past_audience, is_plain }
    }

    /// The kind that the step leads to.
    pub(crate) fn to(&self) -> KindId {
        self.to
    }

    pub(crate) fn graph(&self) -> &'a Graph {
        self.graph
    }

    /// The raw runs of a node when nothing has to be looked at edge by edge, else `None`.
    #[inline]
    pub(crate) fn plain_runs(&self, index: usize) -> Option<impl Iterator<Item = Run<'a>>> {
        self.is_plain.then(|| self.adjacency.runs(index))
    }

    /// Calls `visit` for each edge of the node at `index` that the viewer may read and whose target he may read.
    ///
    /// Targets come in ascending order; parallel edges are merged as the relation says.
    pub(crate) fn visit(&self, index: usize, visit: &mut dyn FnMut(Step)) {
        let mut held: Option<Held> = None;
        for run in self.adjacency.runs(index) {
            for (position, target) in run.targets().iter().enumerate() {
                if !self.passes(run, position, *target) {
                    continue;
                }
                let step = Step {
                    target: NodeId::from_raw(*target),
                    weight: run.weight(position),
                    time: run.time(position),
                };
                if matches!(self.parallel, Parallel::Single | Parallel::Apart) {
                    visit(step);
                    continue;
                }
                let next = Held { step, origin: run.origin(position), sum_units: units(f64::from(step.weight)) };
                held = Some(match held.take() {
                    Some(before) if before.step.target == step.target => self.merge(before, next),
                    before => {
                        if let Some(before) = before {
                            visit(self.finish(&before));
                        }
                        next
                    }
                });
            }
        }
        if let Some(last) = held {
            visit(self.finish(&last));
        }
    }

    fn merge(&self, before: Held, next: Held) -> Held {
        let time = before.step.time.max(next.step.time);
        match self.parallel {
            Parallel::Sum => {
                Held { step: Step { time, ..next.step }, sum_units: before.sum_units + next.sum_units, ..next }
            }
            Parallel::Max => Held { step: Step { weight: before.step.weight.max(next.step.weight), time, ..next.step }, ..next },
            _ => {
                let name = |id: u32| self.graph.terms().get(id);
                let by_time = next.step.time.cmp(&before.step.time);
                if by_time.then_with(|| name(next.origin).cmp(name(before.origin))).is_gt() { next } else { before }
            }
        }
    }

    fn finish(&self, held: &Held) -> Step {
        match self.parallel {
            Parallel::Sum => Step { weight: narrow(value_of(held.sum_units)), ..held.step },
            _ => held.step,
        }
    }

    fn passes(&self, run: Run<'_>, position: usize, target: u32) -> bool {
        let audience = run.audience(position);
        if !(self.past_audience || self.sight.sees(audience)) {
            return false;
        }
        let node_audience = self.targets.audience(NodeId::from_raw(target));
        if node_audience != EVERYONE && !self.sight.sees(node_audience) {
            return false;
        }
        self.tests.iter().all(|test| {
            test.accepts(&match test.place {
                Place::Attribute(attribute) => run.cell(position, attribute),
                Place::Weight => Cell::Number(f64::from(run.weight(position))),
                Place::At => match run.time(position) {
                    0 => Cell::Absent,
                    seconds => Cell::Time(i64::from(seconds) * 1_000_000),
                },
            })
        })
    }
}
