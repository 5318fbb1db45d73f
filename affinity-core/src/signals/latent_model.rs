//! The fitted numbers behind `latent`: who is hard to please, who pleases, and which attributes go together.
//!
//! Source: iteratively reweighted least squares with a ridge (Lee & Silvapulle, "Ridge estimation in logistic
//! regression", Communications in Statistics 17(1), 1988), each step solved by conjugate gradients (Hestenes &
//! Stiefel, 1952); ridges by cross-validated likelihood (Stone, "Cross-validatory choice and assessment of
//! statistical predictions", Journal of the Royal Statistical Society B 36, 1974).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::latent_terms::{CellOf, Compares, LatentTerm};
use crate::exact::count_of;
use crate::graph::{AttributeId, Cell, Condition, Graph, Key, KindId, NodeId, RelationId, Sight, Timestamp};

/// Newton steps at most.
const NEWTON_STEPS_MAX: usize = 8;
/// The largest change of an effect, in log-odds, that ends the steps.
const STEP_MIN: f64 = 1e-7;
/// Conjugate directions of a step at most.
const DIRECTIONS_MAX: usize = 64;
/// Inverse variance of the baseline: keeps it finite where all decisions are alike.
const BASELINE_RIDGE: f64 = 0.01;
/// Inverse variances that are tried, and the one of the terms while those of the nodes are.
const RIDGES: [f64; 10] = [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 51.2, 204.8];
const RIDGE_START: f64 = 12.8;
/// Parts that decisions are held out in.
const FOLD_COUNT: usize = 5;
/// Decisions that the ridges are chosen on at most, those of the smallest keys.
const VALIDATED_MAX: usize = 20_000;

/// What a latent model looks at.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LatentRequest {
    /// Of the model: what it looks at by the schema's names, which survive a change of ids.
    pub(crate) name: String,
    pub(crate) relation: RelationId,
    /// The edge attribute that holds the decision; the weight when `None`.
    pub(crate) value: Option<AttributeId>,
    /// The value that is a full yes.
    pub(crate) scale: f64,
    pub(crate) conditions: Vec<Condition>,
    /// Inverse variance of all effects; `None` is chosen by cross-validation.
    pub(crate) ridge: Option<f64>,
    pub(crate) from: KindId,
    pub(crate) to: KindId,
    pub(crate) terms: Vec<LatentTerm>,
}

/// Effects in log-odds; those of nodes are deviations around 0, which a node without decisions has.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct LatentModel {
    /// Decisions that it was fitted to.
    pub(crate) decisions: usize,
    pub(crate) baseline: f64,
    selectivity: BTreeMap<Key, f64>,
    attractiveness: BTreeMap<Key, f64>,
    pub(crate) terms: Vec<FittedTerm>,
}

/// Mean and standard deviation over the decisions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Moments {
    mean: f64,
    /// 0 where all are alike.
    deviation: f64,
}

/// How a term counts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct FittedTerm {
    /// Of the first and the second factor, and of their product.
    moments: [Moments; 3],
    /// Log-odds per standard deviation.
    effect: f64,
}

/// `1 / (1 + exp(-log_odds))`.
pub(super) fn logistic(log_odds: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-log_odds))
}

impl Moments {
    fn of(values: &[f64]) -> Self {
        let count = count_of(values.len()).max(1.0);
        let mean = values.iter().sum::<f64>() / count;
        let variance = values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / count;
        Self { mean, deviation: libm::sqrt(variance) }
    }

    /// In standard deviations from the mean; 0 where all were alike.
    fn standardize(self, value: f64) -> f64 {
        if self.deviation > 0.0 { (value - self.mean) / self.deviation } else { 0.0 }
    }
}

impl FittedTerm {
    /// What the term adds to the log-odds; 0 where an attribute is absent.
    pub(super) fn log_odds(&self, term: &LatentTerm, source: CellOf<'_>, target: CellOf<'_>) -> f64 {
        self.standardized(&term.compares, source, target) * self.effect
    }

    fn standardized(&self, compares: &Compares, source: CellOf<'_>, target: CellOf<'_>) -> f64 {
        let [first, second, product] = self.moments;
        match compares.factors(source, target) {
            None => 0.0,
            Some((value, None)) => first.standardize(value),
            Some((own, Some(their))) => {
                product.standardize(first.standardize(own) * second.standardize(their))
            }
        }
    }
}

impl LatentModel {
    pub(super) fn selectivity(&self, source: &Key) -> f64 {
        self.selectivity.get(source).copied().unwrap_or(0.0)
    }

    pub(super) fn attractiveness(&self, target: &Key) -> f64 {
        self.attractiveness.get(target).copied().unwrap_or(0.0)
    }

    /// Fits to the decisions that every member may read.
    ///
    /// O(steps * (decisions * terms + nodes)); all sums run in the order of keys.
    pub(super) fn fit(graph: &Graph, request: &LatentRequest, sight: Sight<'_>) -> Self {
        let decisions = decisions(graph, request, sight);
        let (sources, targets) = (
            Places::new(graph, request.from, decisions.iter().map(|one| one.source)),
            Places::new(graph, request.to, decisions.iter().map(|one| one.target)),
        );
        let cells = |kind: KindId, node: NodeId| move |attribute| graph.nodes(kind).cell(node, attribute);
        let mut terms: Vec<FittedTerm> = Vec::with_capacity(request.terms.len());
        for term in &request.terms {
            let factors = decisions.iter().filter_map(|one| {
                term.compares.factors(&cells(request.from, one.source), &cells(request.to, one.target))
            });
            terms.push(FittedTerm { moments: moments(&factors.collect::<Vec<_>>()), effect: 0.0 });
        }
        let rows = decisions.iter().map(|one| {
            let (source, target) = (cells(request.from, one.source), cells(request.to, one.target));
            let both = terms.iter().zip(&request.terms);
            Row {
                source: sources.place(one.source),
                target: targets.place(one.target),
                label: one.label,
                features: both
                    .map(|(fitted, term)| fitted.standardized(&term.compares, &source, &target))
                    .collect(),
            }
        });
        let sizes = [1, sources.keys.len(), targets.keys.len(), terms.len()];
        let fit = Fit { rows: rows.collect(), sizes };
        let effects = fit.solve(request.ridge);
        let (baseline, rest) = effects.split_at(1);
        let (selectivity, rest) = rest.split_at(sizes[1]);
        let (attractiveness, slopes) = rest.split_at(sizes[2]);
        for (term, slope) in terms.iter_mut().zip(slopes) {
            term.effect = *slope;
        }
        Self {
            decisions: decisions.len(),
            baseline: baseline[0],
            selectivity: sources.keys.into_iter().zip(selectivity.iter().copied()).collect(),
            attractiveness: targets.keys.into_iter().zip(attractiveness.iter().copied()).collect(),
            terms,
        }
    }
}

fn moments(factors: &[(f64, Option<f64>)]) -> [Moments; 3] {
    let first = Moments::of(&factors.iter().map(|(first, _)| *first).collect::<Vec<_>>());
    let second: Vec<f64> = factors.iter().filter_map(|(_, second)| *second).collect();
    let of_second = Moments::of(&second);
    let standardized = factors.iter().zip(&second);
    let products = standardized
        .map(|((first_value, _), value)| first.standardize(*first_value) * of_second.standardize(*value));
    [first, of_second, Moments::of(&products.collect::<Vec<_>>())]
}

/// One known decision.
struct Decision {
    source: NodeId,
    target: NodeId,
    /// In [0, 1].
    label: f64,
}

/// All that the viewer may read, sorted by keys and label.
fn decisions(graph: &Graph, request: &LatentRequest, sight: Sight<'_>) -> Vec<Decision> {
    let attributes = &graph.schema().relations()[request.relation.index()].attributes;
    let conditions = request.conditions.iter();
    let tests: Vec<_> = conditions
        .map(|condition| condition.compile(graph, attributes, &|_| Cell::Absent, Timestamp::default()))
        .collect();
    let (sources, targets) = (graph.nodes(request.from), graph.nodes(request.to));
    let adjacency = graph.adjacency(request.relation, false);
    let mut decisions = Vec::new();
    for source in (0..sources.node_count()).filter_map(NodeId::from_index) {
        if !sight.sees(sources.audience(source)) {
            continue;
        }
        for run in adjacency.runs(source.index()) {
            for (position, target) in run.targets().iter().enumerate() {
                let target = NodeId::from_raw(*target);
                let is_seen = sight.sees(run.audience(position)) && sight.sees(targets.audience(target));
                if !is_seen || !tests.iter().all(|test| test.accepts(&run.test_cell(position, test))) {
                    continue;
                }
                let value = match request.value.map(|value| run.cell(position, value.index())) {
                    None => f64::from(run.weight(position)),
                    Some(Cell::Number(number)) => number,
                    Some(_) => continue,
                };
                let label = (value / request.scale).clamp(0.0, 1.0);
                decisions.push(Decision { source, target, label });
            }
        }
    }
    decisions.sort_by(|a, b| {
        let by_source = sources.key(a.source).cmp(sources.key(b.source));
        by_source
            .then_with(|| targets.key(a.target).cmp(targets.key(b.target)))
            .then_with(|| a.label.total_cmp(&b.label))
    });
    decisions
}

/// Nodes in the order of their keys.
struct Places {
    keys: Vec<Key>,
    by_node: BTreeMap<NodeId, usize>,
}

impl Places {
    fn new(graph: &Graph, kind: KindId, nodes: impl Iterator<Item = NodeId>) -> Self {
        let by_key: BTreeMap<&Key, NodeId> = nodes.map(|node| (graph.nodes(kind).key(node), node)).collect();
        Self {
            by_node: by_key.values().enumerate().map(|(place, node)| (*node, place)).collect(),
            keys: by_key.into_keys().cloned().collect(),
        }
    }

    fn place(&self, node: NodeId) -> usize {
        self.by_node.get(&node).copied().unwrap_or(0) // every node of a decision has one
    }
}

/// One decision as numbers.
#[derive(Clone)]
struct Row {
    source: usize,
    target: usize,
    label: f64,
    features: Vec<f64>,
}

/// A regression; its effects are the baseline, the sources', the targets' and the terms', back to back.
struct Fit {
    rows: Vec<Row>,
    /// How many effects of each of the four sorts there are.
    sizes: [usize; 4],
}

impl Fit {
    /// The effects that maximize the penalized likelihood.
    fn solve(&self, ridge: Option<f64>) -> Vec<f64> {
        let ridges = match ridge {
            Some(ridge) => [BASELINE_RIDGE, ridge, ridge, ridge],
            None => self.cross_validated(),
        };
        self.newton(&ridges)
    }

    /// The ridges under which decisions that were held out are likeliest: first of the nodes, then of the terms.
    fn cross_validated(&self) -> [f64; 4] {
        // A part tells enough, and comes with all that its sources decided.
        let rows = &self.rows[..self.rows.len().min(VALIDATED_MAX)];
        let mut ridges = [BASELINE_RIDGE, RIDGE_START, RIDGE_START, RIDGE_START];
        for sorts in [1..3, 3..4] {
            let mut best = (f64::INFINITY, ridges);
            for ridge in RIDGES {
                let mut tried = ridges;
                tried[sorts.clone()].fill(ridge);
                let loss: f64 = (0..FOLD_COUNT).map(|fold| self.held_out_loss(rows, fold, &tried)).sum();
                if loss < best.0 {
                    best = (loss, tried);
                }
            }
            ridges = best.1;
        }
        ridges
    }

    /// Minus the logarithm of the likelihood of one row in [`FOLD_COUNT`], by a fit to the others.
    fn held_out_loss(&self, rows: &[Row], fold: usize, ridges: &[f64; 4]) -> f64 {
        let is_held_out = |place: &usize| place % FOLD_COUNT == fold; // rows are sorted: some of each source
        let pick = |held_out: bool| -> Vec<Row> {
            let chosen = rows.iter().enumerate().filter(|(place, _)| is_held_out(place) == held_out);
            chosen.map(|(_, row)| row.clone()).collect()
        };
        let effects = Self { rows: pick(false), sizes: self.sizes }.newton(ridges);
        let none = vec![0.0; effects.len()];
        Self { rows: pick(true), sizes: self.sizes }.loss(&effects, &none)
    }

    /// The row's three single effects, and where those of the terms begin.
    fn places(&self, row: &Row) -> ([usize; 3], usize) {
        let [first, sources, targets, _] = self.sizes;
        ([0, first + row.source, first + sources + row.target], first + sources + targets)
    }

    fn log_odds(&self, row: &Row, effects: &[f64]) -> f64 {
        let (single, terms) = self.places(row);
        let slopes = effects[terms..].iter().zip(&row.features).map(|(slope, feature)| slope * feature);
        single.iter().map(|place| effects[*place]).sum::<f64>() + slopes.sum::<f64>()
    }

    /// `sum[effect] += amount * feature` for each effect of the row.
    fn scatter(&self, row: &Row, amount: f64, sum: &mut [f64], feature: impl Fn(f64) -> f64) {
        let (single, terms) = self.places(row);
        for place in single {
            sum[place] += amount;
        }
        for (sum, value) in sum[terms..].iter_mut().zip(&row.features) {
            *sum += amount * feature(*value);
        }
    }

    /// What each effect's ridge is.
    fn penalties(&self, ridges: &[f64; 4]) -> Vec<f64> {
        self.sizes.iter().zip(ridges).flat_map(|(size, ridge)| std::iter::repeat_n(*ridge, *size)).collect()
    }

    fn diagonal(&self, effects: &[f64], ridges: &[f64; 4]) -> Vec<f64> {
        let mut diagonal = self.penalties(ridges);
        for row in &self.rows {
            let p = logistic(self.log_odds(row, effects));
            self.scatter(row, p * (1.0 - p), &mut diagonal, |value| value * value);
        }
        diagonal
    }

    /// Minus the logarithm of the penalized likelihood.
    fn loss(&self, effects: &[f64], penalties: &[f64]) -> f64 {
        let mut loss = 0.0;
        for row in &self.rows {
            // log(1 + e^x) - label x, without overflow.
            let x = self.log_odds(row, effects);
            loss += x.max(0.0) + libm::log1p(libm::exp(-x.abs())) - row.label * x;
        }
        loss + effects.iter().zip(penalties).map(|(effect, ridge)| 0.5 * ridge * effect * effect).sum::<f64>()
    }

    /// Newton steps to the maximum for given ridges, each halved until it helps.
    fn newton(&self, ridges: &[f64; 4]) -> Vec<f64> {
        let penalties = self.penalties(ridges);
        let mut effects = vec![0.0; penalties.len()];
        let mut loss = self.loss(&effects, &penalties);
        for _ in 0..NEWTON_STEPS_MAX {
            let mut slope: Vec<f64> =
                effects.iter().zip(&penalties).map(|(effect, ridge)| -ridge * effect).collect();
            let mut curvatures = Vec::with_capacity(self.rows.len());
            for row in &self.rows {
                let p = logistic(self.log_odds(row, &effects));
                self.scatter(row, row.label - p, &mut slope, |value| value);
                curvatures.push(p * (1.0 - p));
            }
            let diagonal = self.diagonal(&effects, ridges);
            let step = self.step(&slope, &curvatures, &penalties, &diagonal);
            let mut length = 1.0;
            let (next, next_loss) = loop {
                let next: Vec<f64> =
                    effects.iter().zip(&step).map(|(effect, step)| effect + length * step).collect();
                let next_loss = self.loss(&next, &penalties);
                if next_loss <= loss || length < 1e-3 {
                    break (next, next_loss);
                }
                length *= 0.5;
            };
            if next_loss > loss {
                break; // as near as rounding lets it
            }
            (effects, loss) = (next, next_loss);
            if step.iter().all(|step| step.abs() * length < STEP_MIN) {
                break;
            }
        }
        effects
    }

    /// Solves `(X' W X + ridges) step = slope` by conjugate gradients, preconditioned with the diagonal.
    fn step(&self, slope: &[f64], curvatures: &[f64], penalties: &[f64], diagonal: &[f64]) -> Vec<f64> {
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let precondition = |residual: &[f64]| -> Vec<f64> {
            residual.iter().zip(diagonal).map(|(residual, diagonal)| residual / diagonal).collect()
        };
        let mut step = vec![0.0; slope.len()];
        let mut residual = slope.to_vec();
        let mut scaled = precondition(&residual);
        let mut direction = scaled.clone();
        let mut energy = dot(&residual, &scaled);
        let enough = energy * 1e-20;
        for _ in 0..DIRECTIONS_MAX {
            if energy <= enough || energy == 0.0 {
                break;
            }
            let mut bent: Vec<f64> = direction.iter().zip(penalties).map(|(d, ridge)| d * ridge).collect();
            for (row, curvature) in self.rows.iter().zip(curvatures) {
                self.scatter(row, curvature * self.log_odds(row, &direction), &mut bent, |value| value);
            }
            let length = energy / dot(&direction, &bent);
            for ((step, residual), (direction, bent)) in
                step.iter_mut().zip(&mut residual).zip(direction.iter().zip(&bent))
            {
                *step += length * direction;
                *residual -= length * bent;
            }
            scaled = precondition(&residual);
            let next = dot(&residual, &scaled);
            for (direction, scaled) in direction.iter_mut().zip(&scaled) {
                *direction = scaled + next / energy * *direction;
            }
            energy = next;
        }
        step
    }
}

#[cfg(test)]
mod tests {
    use super::{BASELINE_RIDGE, Fit, Row, logistic};

    fn fit() -> Fit {
        let row = |number: usize| {
            let (source, target) = (number / 5, number % 5);
            let feature = crate::exact::count_of((number * 7) % 11) / 5.0 - 1.0;
            let label = f64::from(u8::from((number * number + source).is_multiple_of(3)));
            Row { source, target, label, features: vec![feature, feature * feature - 0.5] }
        };
        Fit { rows: (0..20).map(row).collect(), sizes: [1, 4, 5, 2] }
    }

    /// The penalized likelihood has one maximum: where its slope, written out naively, is 0.
    #[test]
    fn fitted_effects_have_no_slope_left() {
        let (fit, ridge) = (fit(), 0.7);
        let effects = fit.solve(Some(ridge));
        let mut slope: Vec<f64> = effects.iter().map(|effect| -ridge * effect).collect();
        slope[0] = -BASELINE_RIDGE * effects[0];
        for row in &fit.rows {
            let places = [
                (0, 1.0),
                (1 + row.source, 1.0),
                (5 + row.target, 1.0),
                (10, row.features[0]),
                (11, row.features[1]),
            ];
            let log_odds: f64 = places.iter().map(|(place, value)| effects[*place] * value).sum();
            for (place, value) in places {
                slope[place] += (row.label - logistic(log_odds)) * value;
            }
        }
        assert!(slope.iter().all(|slope| slope.abs() < 1e-8), "{slope:?}");
        assert!(effects.iter().any(|effect| effect.abs() > 0.1), "{effects:?}");
    }

    #[test]
    fn alike_decisions_keep_effects_finite() {
        let mut fit = fit();
        fit.rows.iter_mut().for_each(|row| row.label = 1.0);
        let effects = fit.solve(None);
        assert!(effects[0] > 2.0 && effects.iter().all(|effect| effect.is_finite()), "{effects:?}");
    }
}
