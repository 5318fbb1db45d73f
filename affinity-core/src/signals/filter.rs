//! `filter`: what nodes with the same past did (collaborative filtering), by a fitted model.
//!
//! Source: local EASE, RP3-beta and graph filtering as `filtering/` describes them, each with its paper.

use serde::Deserialize;
use toml::Spanned;

use super::accumulator::{Accumulator, Scratch};
use super::context::Context;
use super::evidence::{Evidence, EvidenceList};
use super::filter_model::{BoundFilter, FilterParams, FilterRequest};
use super::models::ModelRequest;
use super::resolve::{MatcherError, Name, Resolve};
use super::shortlist::{Expansion, Shortlist};
use super::signal::{Reading, Signal};
use crate::exact::count_of;
use crate::filtering::{Factors, LocalEaseParams, LowPassParams, RANK_MAX, RowScale, Rp3Params, WEIGHT_BITS};
use crate::graph::{NodeId, Step};

/// Items of the source that are looked at: the strongest, then the newest.
pub const FILTER_ITEMS_MAX: usize = 4_096;
/// What an item counts is a multiple of 2^-10.
const ITEM_BITS: u32 = 10;
/// The most that an item counts, in these units: 64.
const ITEM_UNITS_MAX: f64 = 65_536.0;
/// Fractional bits of sums over rows: integers, so that no order of summation and no removed term changes the rest.
const SUM_BITS: u32 = ITEM_BITS + WEIGHT_BITS;
/// Neighbors of a model at most.
const NEIGHBORS_MAX: usize = 2_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Model {
    LocalEase,
    Rp3,
    LowPass,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FilterToml {
    relation: Name,
    #[serde(default)]
    reversed: bool,
    model: Spanned<Model>,
    /// Whether an edge counts its weight instead of 1, in the fit and in the query.
    #[serde(default)]
    weighted: bool,
    /// The score is divided by the number of the source's items to this power.
    source_power: Option<Spanned<f64>>,
    neighbors: Option<Spanned<usize>>,
    ridge: Option<Spanned<f64>>,
    relative_ridge: Option<Spanned<f64>>,
    user_power: Option<Spanned<f64>>,
    item_power: Option<Spanned<f64>>,
    alpha: Option<Spanned<f64>>,
    beta: Option<Spanned<f64>>,
    /// Rows are divided by the past item's popularity to this power instead of by their sums.
    past_power: Option<Spanned<f64>>,
    rank: Option<Spanned<usize>>,
    linear: Option<Spanned<f64>>,
    ideal: Option<Spanned<f64>>,
    exponent: Option<Spanned<f64>>,
    sharpening: Option<Spanned<f64>>,
}

/// What the source's past says for a candidate: the sum over its items of a model's weights.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    request: FilterRequest,
    source_power: f64,
}

impl FilterToml {
    pub(crate) fn resolve(self, resolve: &Resolve<'_>) -> Result<Filter, MatcherError> {
        let (relation, leads_to) = resolve.step("relation", &self.relation, self.reversed, resolve.from)?;
        if leads_to != resolve.to {
            let kind = &resolve.schema.kinds()[resolve.to.index()].name;
            let expected = format!("a relation that leads to {kind}");
            return Err(resolve.out_of_range("relation", &self.relation, &expected));
        }
        let request = FilterRequest {
            relation,
            reversed: self.reversed,
            weighted: self.weighted,
            params: self.params(resolve)?,
        };
        let source_power = number(resolve, ("source_power", 2.0), self.source_power.as_ref(), 0.0)?;
        Ok(Filter { request, source_power })
    }

    fn params(&self, resolve: &Resolve<'_>) -> Result<FilterParams, MatcherError> {
        let model = *self.model.get_ref();
        let fields = [
            ("ridge", &self.ridge, Model::LocalEase),
            ("relative_ridge", &self.relative_ridge, Model::LocalEase),
            ("user_power", &self.user_power, Model::LocalEase),
            ("item_power", &self.item_power, Model::LocalEase),
            ("alpha", &self.alpha, Model::Rp3),
            ("beta", &self.beta, Model::Rp3),
            ("past_power", &self.past_power, Model::Rp3),
            ("linear", &self.linear, Model::LowPass),
            ("ideal", &self.ideal, Model::LowPass),
            ("exponent", &self.exponent, Model::LowPass),
            ("sharpening", &self.sharpening, Model::LowPass),
        ];
        let stray = fields.into_iter().find(|(_, given, of)| given.is_some() && *of != model);
        if let Some((field, Some(given), _)) = stray {
            return Err(resolve.out_of_range(field, given, "a field of the signal's model"));
        }
        if let Some(rank) = self.rank.as_ref().filter(|_| model != Model::LowPass) {
            return Err(resolve.out_of_range("rank", rank, "a field of the signal's model"));
        }
        let up_to = |field, max: usize, given: &Option<Spanned<usize>>, default| match given {
            Some(given) if *given.get_ref() == 0 || *given.get_ref() > max => {
                Err(resolve.out_of_range(field, given, &format!("1 to {max}")))
            }
            given => Ok(given.as_ref().map_or(default, |given| *given.get_ref())),
        };
        let neighbors = |default| up_to("neighbors", NEIGHBORS_MAX, &self.neighbors, default);
        let number = |field, given: &Option<_>, default| number(resolve, field, given.as_ref(), default);
        Ok(match model {
            Model::LocalEase => {
                let standard = LocalEaseParams::STANDARD;
                // Whoever gives one ridge means only that one.
                let relative = if self.ridge.is_some() { 0.0 } else { standard.relative_ridge };
                let params = LocalEaseParams {
                    neighbors: neighbors(standard.neighbors)?,
                    ridge: number(("ridge", 1e9), &self.ridge, standard.ridge)?,
                    relative_ridge: number(("relative_ridge", 1e6), &self.relative_ridge, relative)?,
                    user_power: number(("user_power", 2.0), &self.user_power, standard.user_power)?,
                    item_power: number(("item_power", 2.0), &self.item_power, standard.item_power)?,
                };
                if params.ridge + params.relative_ridge <= 0.0 {
                    let at = Spanned::new(self.model.span(), 0.0);
                    return Err(resolve.out_of_range("ridge", &at, "a ridge above 0"));
                }
                FilterParams::LocalEase(params)
            }
            Model::Rp3 => FilterParams::Rp3(Rp3Params {
                neighbors: neighbors(Rp3Params::STANDARD.neighbors)?,
                alpha: number(("alpha", 4.0), &self.alpha, Rp3Params::STANDARD.alpha)?,
                beta: number(("beta", 4.0), &self.beta, Rp3Params::STANDARD.beta)?,
                rows: match &self.past_power {
                    None => RowScale::Sum,
                    given => RowScale::Popularity(number(("past_power", 4.0), given, 0.0)?),
                },
            }),
            Model::LowPass => FilterParams::LowPass(LowPassParams {
                neighbors: neighbors(LowPassParams::STANDARD.neighbors)?,
                rank: up_to("rank", RANK_MAX, &self.rank, LowPassParams::STANDARD.rank)?,
                linear: number(("linear", 100.0), &self.linear, LowPassParams::STANDARD.linear)?,
                ideal: number(("ideal", 100.0), &self.ideal, LowPassParams::STANDARD.ideal)?,
                exponent: number(("exponent", 2.0), &self.exponent, LowPassParams::STANDARD.exponent)?,
                sharpening: number(
                    ("sharpening", 10.0),
                    &self.sharpening,
                    LowPassParams::STANDARD.sharpening,
                )?,
            }),
        })
    }
}

/// The number given, or the default; from 0 to `max`.
fn number(
    resolve: &Resolve<'_>,
    (field, max): (&'static str, f64),
    given: Option<&Spanned<f64>>,
    default: f64,
) -> Result<f64, MatcherError> {
    match given {
        Some(given) if !(0.0..=max).contains(given.get_ref()) => {
            Err(resolve.out_of_range(field, given, &format!("a number from 0 to {max}")))
        }
        given => Ok(given.map_or(default, |given| *given.get_ref())),
    }
}

impl Filter {
    pub(crate) fn model_requests(&self) -> Vec<ModelRequest> {
        vec![ModelRequest::Filter(self.request.clone())]
    }

    /// The source's items that the model knows, the strongest and newest when there are too many.
    fn items(&self, context: &Context<'_>, bound: &BoundFilter) -> (Vec<Item>, bool) {
        let FilterRequest { relation, reversed, weighted, .. } = self.request;
        let hop = context.hop(relation, reversed, &[], false).merged();
        let weigh = |step: &Step| if weighted { f64::from(step.weight) } else { 1.0 };
        let mut steps: Vec<(Step, u32)> = context
            .source
            .steps(relation, reversed, &hop)
            .into_iter()
            .filter(|step| weigh(step) > 0.0)
            .filter_map(|step| Some((step, bound.row(step.target)?)))
            .collect();
        let is_cut = steps.len() > FILTER_ITEMS_MAX;
        if is_cut {
            // Rows are in the order of keys.
            steps.sort_unstable_by(|(a, a_row), (b, b_row)| {
                weigh(b).total_cmp(&weigh(a)).then(b.time.cmp(&a.time)).then(a_row.cmp(b_row))
            });
            steps.truncate(FILTER_ITEMS_MAX);
        }
        let share = libm::pow(count_of(steps.len().max(1)), -self.source_power);
        let item = |(step, row): &(Step, u32)| Item {
            node: step.target,
            row: *row as usize,
            units: item_units(weigh(step) * share),
        };
        (steps.iter().map(item).collect(), is_cut)
    }
}

/// What an item counts in units of 2^-10, at least one.
#[expect(clippy::cast_possible_truncation, reason = "clamped first")]
fn item_units(value: f64) -> i64 {
    (value * f64::from(1 << ITEM_BITS)).round().clamp(1.0, ITEM_UNITS_MAX) as i64
}

/// An item of the source.
struct Item {
    node: NodeId,
    row: usize,
    /// What it counts.
    units: i64,
}

struct FilterReading<'q> {
    signal: &'q Filter,
    context: Context<'q>,
    bound: Option<&'q BoundFilter>,
    items: Vec<Item>,
    /// By row of the model, in units of 2^-34; sums may be negative.
    sums: Accumulator,
    /// The sum of the items' left factors.
    left: Vec<i64>,
    is_cut: bool,
}

impl Signal for Filter {
    fn read<'q>(&'q self, context: Context<'q>, scratch: &mut Scratch) -> Box<dyn Reading + 'q> {
        let bound = context.filters.get(context.graph, &self.request);
        let mut sums = scratch.take(bound.map_or(0, BoundFilter::row_count));
        let (items, is_cut) = bound.map(|bound| self.items(&context, bound)).unwrap_or_default();
        let mut left = Vec::new();
        if let Some(bound) = bound {
            for item in &items {
                let (targets, weights) = bound.model.rows.row(item.row);
                sums.add_products(targets, weights, item.units);
            }
            if let Some(factors) = &bound.model.factors {
                left.resize(factors.width, 0);
                for item in &items {
                    for (sum, factor) in left.iter_mut().zip(factors.left(item.row)) {
                        *sum += item.units * i64::from(*factor);
                    }
                }
            }
        }
        Box::new(FilterReading { signal: self, context, bound, items, sums, left, is_cut })
    }
}

/// Sum of products; exact, as the bounds of `filtering` keep it below 2^63.
// hot
fn product(left: &[i64], right: &[i16]) -> i64 {
    left.iter().zip(right).fold(0, |sum, (left, right)| sum.wrapping_add(left * i64::from(*right)))
}

/// `units * 2^-bits`, exact below 2^53 units.
#[expect(clippy::cast_precision_loss, reason = "scores stay far below 2^53 units")]
fn scaled(units: i64, bits: i32) -> f64 {
    libm::ldexp(units as f64, -bits)
}

impl FilterReading<'_> {
    /// The value of a sum over rows and of a product with factors: both exact, and so is their sum.
    fn value(factors: Option<&Factors>, row: usize, sum: i64, left: &[i64]) -> f64 {
        let linear = scaled(sum, SUM_BITS.cast_signed());
        factors.map_or(linear, |factors| {
            let bits = ITEM_BITS.cast_signed() + factors.product_bits(row);
            linear + scaled(product(left, factors.right(row)), bits)
        })
    }

    /// What one item of the source says for the item of a row.
    fn share(&self, bound: &BoundFilter, item: &Item, row: u32) -> f64 {
        let weight = bound.model.rows.weight(item.row, row).unwrap_or(0);
        let factors = bound.model.factors.as_ref();
        let left: Vec<i64> = factors.map_or_else(Vec::new, |factors| {
            factors.left(item.row).iter().map(|factor| item.units * i64::from(*factor)).collect()
        });
        Self::value(factors, row as usize, item.units * i64::from(weight), &left)
    }
}

impl Reading for FilterReading<'_> {
    /// By the sums over rows alone: factors say something for every item, and are left to `measure`.
    fn expand(&self, cap: usize, allows: &dyn Fn(NodeId) -> bool) -> Expansion {
        let mut shortlist = Shortlist::new(cap, self.context.graph.nodes(self.context.to), allows);
        if let Some(bound) = self.bound {
            shortlist.offer_positive(&self.sums, |row| bound.node(row));
        }
        let mut expansion = shortlist.finish();
        expansion.is_cut |= self.is_cut;
        expansion
    }

    /// Contributions may be negative: they are summed first, and only a sum below 0 counts as 0.
    fn measure(&self, candidates: &[NodeId], raw: &mut [f64]) {
        let Some(bound) = self.bound.filter(|_| !self.items.is_empty()) else { return };
        let factors = bound.model.factors.as_ref();
        for (candidate, raw) in candidates.iter().zip(raw) {
            if let Some(row) = bound.row(*candidate) {
                let sum = self.sums.signed(row as usize);
                if sum != 0 || factors.is_some() {
                    *raw = Self::value(factors, row as usize, sum, &self.left).max(0.0);
                }
            }
        }
    }

    fn evidence(&self, candidate: NodeId, limit: usize) -> EvidenceList {
        let row = self.bound.and_then(|bound| Some((bound, bound.row(candidate)?)));
        let Some((bound, row)) = row else { return EvidenceList::default() };
        let shares = self.items.iter().map(|item| (item, self.share(bound, item, row)));
        let mut shares: Vec<(&Item, f64)> = shares.filter(|(_, share)| *share != 0.0).collect();
        // Rows are in the order of keys.
        shares.sort_unstable_by(|a, b| b.1.abs().total_cmp(&a.1.abs()).then(a.0.row.cmp(&b.0.row)));
        let FilterRequest { relation, reversed, params, .. } = &self.signal.request;
        let name = &self.context.graph.schema().relations()[relation.index()].name;
        let step = format!("{}{name}", if *reversed { "<" } else { "" });
        let items = shares.iter().take(limit).map(|(item, share)| Evidence::Path {
            path: vec![
                self.context.source_ref(),
                self.context.target(item.node),
                self.context.target(candidate),
            ],
            relations: vec![step.clone(), params.model().to_string()],
            strength: *share,
        });
        EvidenceList { items: items.collect(), left_out: shares.len().saturating_sub(limit) }
    }

    fn release(self: Box<Self>, scratch: &mut Scratch) {
        scratch.give(self.sums);
    }
}
