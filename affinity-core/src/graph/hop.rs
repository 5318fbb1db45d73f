//! One step along a relation, as a viewer sees it: the one place that reads audiences, filters and parallel edges.

use super::adjacency::{Adjacency, Run, Runs};
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
    /// Whether no edge needs a look: hot loops then read runs as they are, where they look at the targets later.
    edges_are_plain: bool,
    /// Whether no target needs a look either.
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
        let edges_are_plain = tests.is_empty() && one_each && (past_audience || adjacency.is_open_to(sight));
        let is_plain = edges_are_plain && targets.is_open_to(sight);
        let parallel = declared.parallel;
        Self {
            graph,
            adjacency,
            targets,
            to,
            parallel,
            tests,
            sight,
            past_audience,
            edges_are_plain,
            is_plain,
        }
    }

    /// Reads edges that are kept apart as one with the sum of their weights, for whoever counts neighbors.
    ///
    /// Their own order is that of their origins' ids, which depend on history.
    pub(crate) fn merged(mut self) -> Self {
        if self.parallel == Parallel::Apart {
            (self.parallel, self.edges_are_plain, self.is_plain) = (Parallel::Sum, false, false);
        }
        self
    }

    /// The kind that the step leads to.
    pub(crate) fn to(&self) -> KindId {
        self.to
    }

    /// The raw runs of a node when no edge has to be looked at, else `None`; targets may be hidden from the viewer.
    #[inline]
    pub(crate) fn unchecked_runs(&self, index: usize) -> Option<Runs<'a>> {
        self.edges_are_plain.then(|| self.adjacency.runs(index))
    }

    /// Whether neither edges nor targets have to be looked at: [`Hop::visit`] then gives them as they are stored.
    pub(crate) fn is_plain(&self) -> bool {
        self.is_plain
    }

    /// Edges of a node that the viewer sees; a look at each only where some may be hidden.
    pub(crate) fn visible_degree(&self, index: usize) -> usize {
        if self.is_plain {
            return self.adjacency.degree(index);
        }
        let mut degree = 0;
        self.visit(index, &mut |_| degree += 1);
        degree
    }

    /// The targets of [`Hop::visit`], for those who need no more: weights and times are not read.
    // hot
    #[inline]
    pub(crate) fn visit_targets(&self, index: usize, mut visit: impl FnMut(NodeId)) {
        if self.is_plain {
            let targets = self.adjacency.runs(index).flat_map(Run::targets);
            targets.for_each(|target| visit(NodeId::from_raw(*target)));
        } else {
            self.visit(index, &mut |step| visit(step.target));
        }
    }

    /// Calls `visit` for each edge of the node at `index` that the viewer may read and whose target he may read.
    ///
    /// Targets come in ascending order; parallel edges are merged as the relation says.
    pub(crate) fn visit(&self, index: usize, visit: &mut dyn FnMut(Step)) {
        if self.is_plain {
            for run in self.adjacency.runs(index) {
                for (position, target) in run.targets().iter().enumerate() {
                    let (weight, time) = (run.weight(position), run.time(position));
                    visit(Step { target: NodeId::from_raw(*target), weight, time });
                }
            }
            return;
        }
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
                let next =
                    Held { step, origin: run.origin(position), sum_units: units(f64::from(step.weight)) };
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
            Parallel::Sum => Held {
                step: Step { time, ..next.step },
                sum_units: before.sum_units + next.sum_units,
                ..next
            },
            Parallel::Max => Held {
                step: Step { weight: before.step.weight.max(next.step.weight), time, ..next.step },
                ..next
            },
            _ => {
                let name = |id: u32| self.graph.terms().get(id);
                let by_time = next.step.time.cmp(&before.step.time);
                if by_time.then_with(|| name(next.origin).cmp(name(before.origin))).is_gt() {
                    next
                } else {
                    before
                }
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
        self.tests.iter().all(|test| test.accepts(&run.test_cell(position, test)))
    }
}

impl Run<'_> {
    /// The cell of an edge that a condition looks at.
    pub(crate) fn test_cell(self, position: usize, test: &Test) -> Cell {
        match test.place {
            Place::Attribute(attribute) => self.cell(position, attribute),
            Place::Weight => Cell::Number(f64::from(self.weight(position))),
            Place::At => match self.time(position) {
                0 => Cell::Absent,
                seconds => Cell::Time(i64::from(seconds) * 1_000_000),
            },
        }
    }
}
