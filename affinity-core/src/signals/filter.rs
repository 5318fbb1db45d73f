//! `filter`: what nodes with the same past did (collaborative filtering), by a fitted model.
//!
//! Source: local EASE, RP3-beta and graph filtering as `filtering/` describes them, propagation over similar content
//! as `neighbors.rs` does, each with its paper.

use compact_str::format_compact;

use super::accumulator::{Accumulator, Scratch};
use super::context::Context;
use super::evidence::{Evidence, EvidenceList};
use super::filter_model::{BoundFilter, FilterParams, FilterRequest};
use super::models::ModelRequest;
use super::neighbors::{Likeness, PropagationParams};
use super::shortlist::{Expansion, Shortlist};
use super::signal::{Reading, Signal};
use crate::exact::count_of;
use crate::filtering::{Digits, Factors, WEIGHT_BITS, factor_product};
use crate::graph::{NodeId, Step};

/// Items of the source that are looked at: the strongest, then the newest.
pub const FILTER_ITEMS_MAX: usize = 4_096;
/// What an item counts is a multiple of 2^-10.
const ITEM_BITS: u32 = 10;
/// The most that an item counts, in these units: 64.
const ITEM_UNITS_MAX: f64 = 65_536.0;
/// Fractional bits of sums over rows: integers, so that no order of summation and no removed term changes the rest.
const SUM_BITS: u32 = ITEM_BITS + WEIGHT_BITS;

/// What the source's past says for a candidate: the sum over its items of a model's weights.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    pub(super) request: FilterRequest,
    pub(super) source_power: f64,
}

impl Filter {
    pub(crate) fn model_requests(&self) -> Vec<ModelRequest> {
        // Term counts come first: propagation is fitted with them.
        let counts = match self.request.params {
            FilterParams::Propagation(PropagationParams { likeness: Likeness::Terms(space), .. }) => {
                Some(ModelRequest::Terms { space })
            }
            _ => None,
        };
        counts.into_iter().chain([ModelRequest::Filter(self.request.clone())]).collect()
    }

    /// The source's items that the model knows, the strongest and newest when there are too many.
    fn items<'q>(&self, context: &Context<'_>, bound: &'q BoundFilter) -> (Vec<Item<'q>>, bool) {
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
            says: bound.model.rows.row(*row as usize),
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
struct Item<'q> {
    node: NodeId,
    row: usize,
    /// What it says for other items: their rows, rising, and weights.
    says: (&'q [u32], &'q [i32]),
    /// What it counts.
    units: i64,
}

struct FilterReading<'q> {
    signal: &'q Filter,
    context: Context<'q>,
    bound: Option<&'q BoundFilter>,
    items: Vec<Item<'q>>,
    /// By row of the model, in units of 2^-34; sums may be negative.
    sums: Accumulator,
    /// The sum of the items' left factors.
    left: Digits,
    is_cut: bool,
}

impl Signal for Filter {
    fn read<'q>(&'q self, context: Context<'q>, scratch: &mut Scratch) -> Box<dyn Reading + 'q> {
        let bound = context.filters.get(context.graph, &self.request);
        let mut sums = scratch.take(bound.map_or(0, BoundFilter::row_count));
        let (items, is_cut) = bound.map(|bound| self.items(&context, bound)).unwrap_or_default();
        let mut left = Digits::default();
        if let Some(bound) = bound {
            for item in &items {
                let (targets, weights) = item.says;
                sums.add_products(targets, weights, item.units);
            }
            if let Some(factors) = &bound.model.factors {
                left = Digits::new(left_sum(factors, &items));
            }
        }
        Box::new(FilterReading { signal: self, context, bound, items, sums, left, is_cut })
    }
}

/// The sum of the items' left factors; exact.
fn left_sum(factors: &Factors, items: &[Item<'_>]) -> Vec<i64> {
    let mut sums = vec![0; factors.width];
    // Items that count the same are summed first: without products, and in 32 bits, which 2^12 factors of 14 bits fit.
    for same in items.chunk_by(|one, next| one.units == next.units) {
        let mut factor_sums = vec![0_i32; factors.width];
        for item in same {
            for (sum, factor) in factor_sums.iter_mut().zip(factors.left(item.row)) {
                *sum += i32::from(*factor);
            }
        }
        for (sum, factor_sum) in sums.iter_mut().zip(factor_sums) {
            *sum += same[0].units * i64::from(factor_sum);
        }
    }
    sums
}

/// The unit of sums over rows.
const SUM_UNIT: f64 = 1.0 / (1_u64 << SUM_BITS) as f64;

/// A whole number as a double; exact, since scores stay far below 2^53 units.
#[expect(clippy::cast_precision_loss, reason = "scores stay far below 2^53 units")]
fn whole(units: i64) -> f64 {
    units as f64
}

/// The value of a sum over rows and of a product with the row's right factors: both exact, and so is their sum.
fn value(factors: Option<&Factors>, row: usize, sum: i64, product: impl FnOnce(&[i16]) -> i64) -> f64 {
    let linear = whole(sum) * SUM_UNIT;
    factors.map_or(linear, |factors| {
        let bits = ITEM_BITS.cast_signed() + factors.product_bits(row);
        linear + libm::ldexp(whole(product(factors.right(row))), -bits)
    })
}

impl FilterReading<'_> {
    /// What each item of the source says for the items of these rows, where it says anything: its place and how much.
    ///
    /// Item by item: what one says for all of them lies together.
    fn shares(&self, bound: &BoundFilter, rows: &[Option<u32>]) -> Vec<Vec<(usize, f64)>> {
        let factors = bound.model.factors.as_ref();
        let mut shares = vec![Vec::new(); rows.len()];
        for (place, item) in self.items.iter().enumerate() {
            let (targets, weights) = item.says;
            let left = factors.map(|factors| factors.left(item.row));
            for (shares, row) in shares.iter_mut().zip(rows) {
                let Some(row) = *row else { continue };
                let weight = targets.binary_search(&row).map_or(0, |found| weights[found]);
                if weight == 0 && left.is_none() {
                    continue;
                }
                let share = value(factors, row as usize, item.units * i64::from(weight), |right| {
                    left.map_or(0, |left| item.units * factor_product(left, right))
                });
                if share != 0.0 {
                    shares.push((place, share));
                }
            }
        }
        shares
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
                    *raw = value(factors, row as usize, sum, |right| self.left.product(right)).max(0.0);
                }
            }
        }
    }

    fn evidence(&self, candidate: NodeId, limit: usize) -> EvidenceList {
        self.evidence_of_each(&[candidate], limit).pop().unwrap_or_default()
    }

    fn evidence_of_each(&self, candidates: &[NodeId], limit: usize) -> Vec<EvidenceList> {
        let Some(bound) = self.bound else { return vec![EvidenceList::default(); candidates.len()] };
        let rows: Vec<Option<u32>> = candidates.iter().map(|candidate| bound.row(*candidate)).collect();
        let FilterRequest { relation, reversed, params, .. } = &self.signal.request;
        let name = &self.context.graph.schema().relations()[relation.index()].name;
        let step = format_compact!("{}{name}", if *reversed { "<" } else { "" });
        let relations = vec![step, params.model().into()];
        let source = self.context.source_ref();
        // Rows are in the order of keys.
        let order = |a: &(usize, f64), b: &(usize, f64)| {
            b.1.abs().total_cmp(&a.1.abs()).then(self.items[a.0].row.cmp(&self.items[b.0].row))
        };
        let list = |(candidate, mut shares): (&NodeId, Vec<(usize, f64)>)| {
            let left_out = shares.len().saturating_sub(limit);
            if left_out > 0 {
                shares.select_nth_unstable_by(limit, order);
                shares.truncate(limit);
            }
            shares.sort_unstable_by(order);
            let target = self.context.target(*candidate);
            let path = |place: usize| {
                vec![source.clone(), self.context.target(self.items[place].node), target.clone()]
            };
            let items = shares.iter().map(|(place, share)| Evidence::Path {
                path: path(*place),
                relations: relations.clone(),
                strength: *share,
            });
            EvidenceList { items: items.collect(), left_out }
        };
        candidates.iter().zip(self.shares(bound, &rows)).map(list).collect()
    }

    fn release(self: Box<Self>, scratch: &mut Scratch) {
        scratch.give(self.sums);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use crate::graph::{Audience, NodeId, Sight};
    use crate::signals::{Context, Evidence, Reading, Scratch, Source};
    use crate::{
        AdHocSource, Change, EdgeKey, EdgeRecord, Engine, Key, Link, Matcher, NodeRecord, Query, Schema,
        Timestamp, Viewer,
    };

    const SCHEMA: &str = "name = 'tiny'\n[kinds.User]\n[kinds.Item]\n[relations.LIKES]\nfrom = 'User'\nto = 'Item'\nweighted = true";
    const MODELS: [&str; 4] = [
        "model = 'local_ease', ridge = 0.5, neighbors = 3, weighted = true",
        "model = 'rp3'",
        "model = 'rp3', past_power = 0.5, neighbors = 4",
        "model = 'low_pass', rank = 3, source_power = 0.5",
    ];

    fn matcher(model: &str) -> Matcher {
        let text = format!(
            "name = 'm'\nfrom = 'User'\nto = 'Item'\ncandidates = [{{ signal = 'past', cap = 3 }}]
             signals = [{{ name = 'past', weight = 1, full = 4.0, filter = {{ relation = 'LIKES', {model} }} }}]"
        );
        Matcher::from_toml(&text, "m.toml", &Schema::from_toml(SCHEMA).unwrap()).unwrap()
    }

    fn node(kind: &str, key: String, audience: Audience) -> Change {
        Change::PutNode {
            kind: kind.into(),
            key: key.into(),
            record: NodeRecord { audience, ..NodeRecord::default() },
        }
    }

    fn edge(user: usize, item: usize) -> EdgeKey {
        EdgeKey {
            relation: "LIKES".into(),
            source: format!("u{user}").into(),
            target: format!("i{item}").into(),
            origin: None,
        }
    }

    fn like(user: usize, item: usize, weight: f32) -> Change {
        Change::PutEdge { edge: edge(user, item), record: EdgeRecord { weight, ..EdgeRecord::default() } }
    }

    fn everyone(users: usize, items: usize) -> impl Iterator<Item = Change> {
        let users = (0..users).map(|user| node("User", format!("u{user}"), Audience::Everyone));
        users.chain((0..items).map(|item| node("Item", format!("i{item}"), Audience::Everyone)))
    }

    fn build(model: &str, changes: impl IntoIterator<Item = Change>) -> Engine {
        let builder = Engine::builder(Schema::from_toml(SCHEMA).unwrap()).matcher(matcher(model));
        builder.apply(changes).unwrap().build().unwrap()
    }

    /// What a user's reading gives.
    fn read<T>(
        engine: &Engine,
        user: &str,
        ask: impl FnOnce(&dyn Reading, &dyn Fn(&str) -> Option<NodeId>) -> T,
    ) -> T {
        let matcher = &engine.matchers["m"];
        let user = engine.graph.nodes(matcher.from).find(&Key::from(user)).unwrap();
        let source = Source::of_node(&engine.graph, matcher.from, user);
        let context = Context {
            graph: &engine.graph,
            spaces: &engine.spaces,
            models: &engine.models,
            term_weights: &engine.term_weights,
            filters: &engine.filters,
            source: &source,
            sight: Sight::new(&Viewer::Anonymous, engine.graph.audiences()),
            as_of: Timestamp::default(),
            to: matcher.to,
            only: None,
            cancelled: &|| false,
        };
        let reading = matcher.signals[0].signal.read(context, &mut Scratch::default());
        ask(reading.as_ref(), &|key| engine.graph.nodes(matcher.to).find(&Key::from(key)))
    }

    /// The raw value of an item, and what each past item says for it.
    fn raw_and_shares(engine: &Engine, user: &str, item: &str) -> (f64, Vec<(String, f64)>) {
        read(engine, user, |reading, find| {
            let Some(item) = find(item) else { return (f64::NAN, Vec::new()) };
            let mut raw = [f64::NAN];
            reading.measure(&[item], &mut raw);
            let list = reading.evidence(item, usize::MAX);
            let share = |evidence: &Evidence| match evidence {
                Evidence::Path { path, strength, .. } => (path[1].id.to_string(), *strength),
                other => panic!("{other:?}"),
            };
            (raw[0], list.items.iter().map(share).collect())
        })
    }

    fn likes() -> impl Strategy<Value = BTreeSet<(usize, usize)>> {
        proptest::collection::btree_set((0_usize..7, 0_usize..8), 4..30)
    }

    fn weight_of(user: usize, item: usize) -> f32 {
        [0.25, 0.5, 1.0, 1.3][(user * 3 + item) % 4]
    }

    fn with_likes(likes: &BTreeSet<(usize, usize)>) -> Vec<Change> {
        let edges = likes.iter().map(|(user, item)| like(*user, *item, weight_of(*user, *item)));
        everyone(7, 8).chain(edges).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn evidence_sums_to_the_raw_score_and_says_what_removal_changes(likes in likes(), model in 0_usize..3) {
            let engine = build(MODELS[model], with_likes(&likes));
            let (user, item) = *likes.first().unwrap();
            let removed = engine.update([Change::RemoveEdge { edge: edge(user, item) }]).unwrap();
            for candidate in 0..8 {
                let (user, candidate) = (format!("u{user}"), format!("i{candidate}"));
                let (raw, shares) = raw_and_shares(&engine, &user, &candidate);
                let sum: f64 = shares.iter().map(|(_, share)| share).sum();
                prop_assert_eq!(if raw.is_nan() { 0.0 } else { raw }, sum.max(0.0));
                let (raw_after, shares_after) = raw_and_shares(&removed, &user, &candidate);
                let sum_after: f64 = shares_after.iter().map(|(_, share)| share).sum();
                prop_assert_eq!(if raw_after.is_nan() { 0.0 } else { raw_after }, sum_after.max(0.0));
                let of_it = shares.iter().find(|(name, _)| *name == format!("i{item}"));
                prop_assert_eq!(sum - of_it.map_or(0.0, |(_, share)| *share), sum_after);
            }
        }

        #[test]
        fn low_pass_evidence_sums_to_the_raw_score(likes in likes()) {
            let engine = build(MODELS[3], with_likes(&likes));
            for candidate in 0..8 {
                let (raw, shares) = raw_and_shares(&engine, "u0", &format!("i{candidate}"));
                let sum: f64 = shares.iter().map(|(_, share)| share).sum();
                prop_assert_eq!(if raw.is_nan() { 0.0 } else { raw }, sum.max(0.0));
            }
        }

        #[test]
        fn models_do_not_depend_on_the_order_of_loading(likes in likes(), model in 0_usize..4) {
            let mut changes = with_likes(&likes);
            let engine = build(MODELS[model], changes.clone());
            changes.reverse();
            let reversed = build(MODELS[model], changes);
            prop_assert_eq!(engine.models(), reversed.models());
            for user in 0..7 {
                let query = Query::new("m", format!("u{user}"));
                prop_assert_eq!(engine.recommend(&query).unwrap(), reversed.recommend(&query).unwrap());
            }
        }

        #[test]
        fn expansion_finds_the_best_by_brute_force(likes in likes(), model in 0_usize..3) {
            let engine = build(MODELS[model], with_likes(&likes));
            let mut all: Vec<(f64, String)> = (0..8)
                .map(|item| format!("i{item}"))
                .map(|item| (raw_and_shares(&engine, "u1", &item).0, item))
                .filter(|(raw, _)| *raw > 0.0)
                .collect();
            all.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
            all.truncate(3);
            let mut expected: Vec<String> = all.into_iter().map(|(_, item)| item).collect();
            expected.sort();
            let found = read(&engine, "u1", |reading, _| reading.expand(3, &|_| true).candidates);
            let nodes = engine.graph.nodes(engine.matchers["m"].to);
            let mut found: Vec<String> = found.into_iter().map(|node| nodes.key(node).to_string()).collect();
            found.sort();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn refitting_what_changed_equals_refitting_all(
            likes in likes(),
            added in proptest::collection::vec((0_usize..9, 0_usize..10), 0..3),
            hidden in 0_usize..16,
            model in 0_usize..4,
        ) {
            let engine = build(MODELS[model], with_likes(&likes));
            let (user, item) = *likes.last().unwrap();
            let mut changes = vec![Change::RemoveEdge { edge: edge(user, item) }];
            changes.extend(everyone(9, 10));
            changes.extend(added.iter().map(|(user, item)| like(*user, *item, 0.7)));
            changes.push(node("Item", format!("i{hidden}"), Audience::Principals(BTreeSet::new())));
            let updated = engine.update(changes).unwrap();
            let (part, whole) = (updated.refit_changed(&engine), updated.refit());
            prop_assert_eq!(part.models(), whole.models());
            prop_assert_eq!(part.models().version(), whole.models().version());
        }

        #[test]
        fn snapshots_keep_models(likes in likes(), model in 0_usize..4) {
            let engine = build(MODELS[model], with_likes(&likes));
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("engine.affinity");
            engine.save(&path).unwrap();
            let opened = Engine::open(&path, Schema::from_toml(SCHEMA).unwrap(), [matcher(MODELS[model])]).unwrap();
            prop_assert_eq!(opened.models(), engine.models());
            prop_assert_eq!(opened.models().version(), engine.models().version());
            let ask = |engine: &Engine| engine.recommend(&Query::new("m", "u1")).unwrap().matches;
            prop_assert_eq!(ask(&opened), ask(&engine));
        }
    }

    fn small() -> Engine {
        let likes = [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2), (2, 1), (2, 2), (3, 0)];
        build(MODELS[1], with_likes(&BTreeSet::from(likes)))
    }

    #[test]
    fn negative_weights_are_clipped_only_in_the_sum() {
        // b follows a, and c comes with b but without a: a speaks against c, b for it.
        let likes =
            [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1), (3, 1), (3, 2), (4, 1), (4, 2), (5, 0), (5, 2)];
        let changes = everyone(6, 3).chain(likes.map(|(user, item)| like(user, item, 1.0)));
        let engine = build("model = 'local_ease', ridge = 0.1, user_power = 0.0", changes);
        let (raw, shares) = raw_and_shares(&engine, "u0", "i2");
        assert!(shares.iter().any(|(_, share)| *share < 0.0), "{shares:?}");
        assert_eq!(raw, shares.iter().map(|(_, share)| share).sum::<f64>().max(0.0));
    }

    #[test]
    fn new_nodes_and_described_sources_score_without_a_refit() {
        let engine = small();
        let new = [node("User", "u9".into(), Audience::Everyone), like(9, 0, 1.0), like(9, 2, 1.0)];
        let updated = engine.update(new).unwrap();
        let of_node = updated.recommend(&Query::new("m", "u9")).unwrap();
        assert_eq!(of_node.header.models_version, engine.models().version());
        let link = |key: &str| Link {
            relation: "LIKES".into(),
            reversed: false,
            key: key.into(),
            weight: 1.0,
            at: None,
        };
        let links = ["i0", "i2"].map(link);
        let described = AdHocSource { links: links.into(), ..AdHocSource::default() };
        let of_links = engine.recommend(&Query::ad_hoc("m", described)).unwrap();
        let scores = |answer: &crate::Answer| {
            answer.matches.iter().map(|found| (found.id.clone(), found.score)).collect::<Vec<_>>()
        };
        assert!(!of_node.matches.is_empty());
        assert_eq!(scores(&of_node), scores(&of_links));
    }

    #[test]
    fn items_hidden_from_the_viewer_contribute_nothing() {
        let engine = small();
        let secret = Audience::Principals(BTreeSet::from(["team".to_string()]));
        let hidden = engine.update([node("Item", "i0".into(), secret)]).unwrap();
        let (_, shares) = raw_and_shares(&engine, "u0", "i2");
        let (raw, shares_hidden) = raw_and_shares(&hidden, "u0", "i2");
        assert_eq!(shares.len(), 2);
        assert_eq!(shares_hidden.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["i1"]);
        assert_eq!(raw, shares_hidden[0].1);
        assert_ne!(hidden.refit().models(), engine.models(), "nor does a fit count them");
    }

    #[test]
    fn a_field_of_another_model_is_refused() {
        let text = "name = 'm'\nfrom = 'User'\nto = 'Item'\ncandidates = [{ signal = 'past', cap = 3 }]\nsignals = [{ name = 'past', weight = 1, filter = { relation = 'LIKES', model = 'rp3', rank = 3 } }]";
        let error = Matcher::from_toml(text, "m.toml", &Schema::from_toml(SCHEMA).unwrap()).unwrap_err();
        assert!(matches!(error, crate::MatcherError::OutOfRange { line: 5, field: "rank", .. }), "{error:?}");
    }
}
