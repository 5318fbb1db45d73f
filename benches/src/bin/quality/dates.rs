//! `dates`: who wants to meet whom again, in the format of speed-dating.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use affinity_core::evaluation::{BootstrapParams, bootstrap};
use affinity_core::{
    AttributeType, Change, Engine, Key, Matcher, QueryError, Schema, Scratch, Unobserved, Value,
};

use crate::changes::{key, put_edge, put_node};
use crate::cost::cpu_seconds;
use crate::dataset_name;
use crate::error::QualityError;
use crate::progress::Progress;
use crate::protocol::{Asking, Judged, count, time};
use crate::read::{DateData, Meeting};
use crate::result::DatasetResult;

const MATCHER: &str = "dates";
/// Matches of a ranking: more than anybody met.
const K: usize = 100;
/// The attribute that tells the sides of a meeting apart.
const SIDE: &str = "gender";

/// Fits to the known half of each split, ranks everyone's other meetings by what both want, and judges.
///
/// # Errors
/// [`QualityError`] when the folder cannot be read.
pub(crate) fn run(folder: &Path) -> Result<Vec<DatasetResult>, QualityError> {
    let data = DateData::read(folder)?;
    let two_sided = include_str!("matchers/dates.toml");
    // The same without the way back.
    let mut one_sided: toml::Table = two_sided.parse()?;
    one_sided.remove("reciprocal");
    let sides = [("", two_sided.to_string()), (", one-sided", one_sided.to_string())];
    sides
        .into_iter()
        .map(|(name, matcher)| {
            let mut result = judge(&data, &matcher)?;
            result.dataset = dataset_name(folder) + name;
            Ok(result)
        })
        .collect()
}

/// What a split's engine said, by pair: of those on the first side of each meeting, and of all.
#[derive(Default)]
struct Ranked {
    /// Best first: the scores of one side of each meeting, and its place among the meetings.
    pairs: Vec<(f64, usize)>,
    /// By person, whether the first is a match; of those who have one.
    first: BTreeMap<u32, f64>,
}

fn judge(data: &DateData, matcher: &str) -> Result<DatasetResult, QualityError> {
    let schema = Schema::from_toml(include_str!("matchers/dates_schema.toml"))?;
    let matcher = Matcher::from_toml(matcher, "dates.toml", &schema)?;
    let asking = Asking { matcher: MATCHER, k: K, weights: BTreeMap::new() };
    let progress = Progress::steps("Splits", data.split_count);
    let (mut splits, mut latency) = (Vec::new(), None);
    let (mut fit_cpu_s, mut ranked, mut spent) = (0.0, 0, 0.0);
    for split in 0..data.split_count {
        let began = cpu_seconds();
        let builder = Engine::builder(schema.clone()).matcher(matcher.clone());
        let engine = builder.apply(changes(data, split, &schema))?.build()?;
        fit_cpu_s += cpu_seconds() - began;
        let start = std::time::Instant::now();
        splits.push(rank(data, split, &engine, &asking)?);
        spent += start.elapsed().as_secs_f64();
        ranked += data.people.len();
        if latency.is_none() {
            let everyone = data.people.keys();
            let everyone: Vec<Judged> =
                everyone.map(|person| Judged { source: key(*person), wanted: HashSet::new() }).collect();
            latency = Some(time(&engine, &asking, &everyone)?);
        }
        progress.advance();
    }
    progress.finish();
    let mut result = DatasetResult::fitted(String::new(), fit_cpu_s)
        .timed(count(ranked) / f64::max(spent, f64::MIN_POSITIVE), latency)
        .parameter("splits", data.split_count);
    let params = BootstrapParams::STANDARD;
    let precision = |drawn: &[u32]| {
        vec![mean(splits.iter().map(|ranked| average_precision(&ranked.pairs, &data.meetings, drawn)))]
    };
    result.add("match_ap", bootstrap(data.meetings.len(), &params, precision)[0]);
    let places: HashMap<u32, usize> = data.people.keys().copied().zip(0..).collect();
    let first = |drawn: &[u32]| vec![mean(splits.iter().map(|ranked| mean_of_first(ranked, &places, drawn)))];
    result.add("precision@1", bootstrap(data.people.len(), &params, first)[0]);
    Ok(result)
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let values: Vec<f64> = values.collect();
    values.iter().sum::<f64>() / count(values.len())
}

/// The mean, over matches, of the share of matches among the pairs down to it; each pair as often as it was drawn.
fn average_precision(pairs: &[(f64, usize)], meetings: &[Meeting], drawn: &[u32]) -> f64 {
    let (mut seen, mut hits, mut sum) = (0.0, 0.0, 0.0);
    for (_, place) in pairs {
        let times = f64::from(drawn[*place]);
        seen += times;
        if meetings[*place].is_match && times > 0.0 {
            hits += times;
            sum += times * hits / seen;
        }
    }
    sum / hits
}

/// How often the first of those who have a match is one.
fn mean_of_first(ranked: &Ranked, places: &HashMap<u32, usize>, drawn: &[u32]) -> f64 {
    let (mut sum, mut people) = (0.0, 0.0);
    for (person, hit) in &ranked.first {
        let times = f64::from(places.get(person).map_or(0, |place| drawn[*place]));
        (sum, people) = (sum + times * hit, people + times);
    }
    sum / people
}

/// The scores of the meetings that are not known in a split.
fn rank(data: &DateData, split: usize, engine: &Engine, asking: &Asking<'_>) -> Result<Ranked, QueryError> {
    let mut by_person: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (place, meeting) in data.meetings.iter().enumerate().filter(|(_, meeting)| !meeting.is_train[split]) {
        by_person.entry(meeting.from).or_default().push(place);
    }
    let (mut ranked, mut scratch) = (Ranked::default(), Scratch::default());
    for (person, places) in by_person {
        let answer = engine.recommend_with(&asking.query(&key(person)), &mut scratch, &mut Unobserved)?;
        let scores: HashMap<&Key, f64> =
            answer.matches.iter().map(|found| (&found.id, found.score)).collect();
        let meetings = || places.iter().map(|place| (*place, &data.meetings[*place]));
        if meetings().any(|(_, meeting)| meeting.is_match) {
            let is_match =
                |found: &Key| meetings().any(|(_, meeting)| key(meeting.to) == *found && meeting.is_match);
            let hit = answer.matches.first().is_some_and(|found| is_match(&found.id));
            ranked.first.insert(person, if hit { 1.0 } else { 0.0 });
        }
        // Each meeting once: of its two sides, the one that comes second in the data.
        if data.people[&person].get(SIDE) == Some(&1.0) {
            let scored = meetings()
                .map(|(place, meeting)| (scores.get(&key(meeting.to)).copied().unwrap_or(0.0), place));
            ranked.pairs.extend(scored);
        }
    }
    ranked.pairs.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    Ok(ranked)
}

/// People, the decisions that are known in a split, and the other meetings.
fn changes(data: &DateData, split: usize, schema: &Schema) -> Vec<Change> {
    let declared = schema.kinds()[0].attributes.entries();
    let value = |of: &AttributeType, number: f64| match of {
        AttributeType::Category => Value::Category(number.to_string()),
        _ => Value::Number(number),
    };
    let person = |(id, known): (&u32, &BTreeMap<String, f64>)| {
        let attributes =
            declared.iter().filter_map(|(name, of)| Some((name.as_str(), value(of, *known.get(name)?))));
        put_node("Person", *id, attributes)
    };
    let meeting = |meeting: &Meeting| {
        if !meeting.is_train[split] {
            return put_edge("MEETS", meeting.from, meeting.to, 1.0);
        }
        let mut change = put_edge("DECIDED", meeting.from, meeting.to, 1.0);
        if let Change::PutEdge { record, .. } = &mut change {
            let yes = Value::Number(if meeting.says_yes { 1.0 } else { 0.0 });
            record.attributes.insert("yes".to_string(), yes);
        }
        change
    };
    data.people.iter().map(person).chain(data.meetings.iter().map(meeting)).collect()
}
