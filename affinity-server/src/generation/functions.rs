//! The functions of plain values that expressions may call.

use std::cmp::Ordering;

use chrono::{DateTime, NaiveDate, NaiveTime};

use super::error::Problem;
use super::evaluate::Evaluation;
use super::random::{SplitMix64, derive, name_key};
use super::value::{Value, floor};
use super::world::{Function, Vocabulary};

type Called<'r> = Result<Value<'r>, Problem>;

/// Applies `function`; the number of `arguments` was checked when the world was read.
pub(super) fn call<'r>(
    function: Function,
    arguments: &[Value<'r>],
    evaluation: &mut Evaluation<'_, 'r>,
) -> Called<'r> {
    let seed = evaluation.run.seed;
    let stream = &mut evaluation.stream;
    match (function, arguments) {
        (Function::Uuid, _) => Ok(Value::Uuid(uuid(stream))),
        (Function::Hex, [digits]) => hex(digits, stream),
        (Function::Chance, [probability]) => Ok(Value::Bool(stream.unit() < probability.number("chance")?)),
        (Function::Uniform, [low, high]) => {
            let (low, high) = (low.number("uniform")?, high.number("uniform")?);
            Ok(Value::Number(low + (high - low) * stream.unit()))
        }
        (Function::Integer, [low, high]) => {
            let (low, high) = (low.integer("integer")?, high.integer("integer")?);
            let span = u64::try_from(high - low + 1).unwrap_or(1);
            Ok(Value::Integer(low + i64::try_from(stream.below(span)).unwrap_or(0)))
        }
        (Function::Normal, [mean, deviation]) => {
            Ok(Value::Number(mean.number("normal")? + deviation.number("normal")? * stream.normal()))
        }
        (Function::Noise, [deviation, size]) => {
            let deviation = deviation.number("noise")?;
            let numbers = (0..size.integer("noise")?).map(|_| deviation * stream.bell());
            Ok(Value::Vector(numbers.collect()))
        }
        (Function::Pick, [list]) => pick(list, stream),
        (Function::Choose, pairs) => choose(pairs, stream),
        (Function::Some, [list, count]) => some(list, count, stream),
        (Function::Spread, [index, size]) => {
            let (index, size) = (index.integer("spread")?, size.integer("spread")?);
            Ok(Value::Integer(spread(index, size, seed)?))
        }
        (Function::Mirror, [index, round, size]) => {
            let (index, round) = (index.integer("mirror")?, round.integer("mirror")?);
            let size = size.integer("mirror")?;
            Ok(Value::Integer((spread(round, size, seed)? - index).rem_euclid(size.max(1))))
        }
        _ => match arguments {
            [single] => of_one(function, single),
            _ => of_many(function, arguments),
        },
    }
}

fn of_one<'r>(function: Function, value: &Value<'r>) -> Called<'r> {
    let text = |operation| value.as_str().map(str::to_owned).ok_or_else(|| wrong(operation, "a text", value));
    match function {
        Function::Min | Function::Max => extreme(function, &value.items("min, max")?),
        Function::Floor => Ok(Value::Integer(floor(value.number("floor")?))),
        Function::Sigmoid => Ok(Value::Number(sigmoid(value.number("sigmoid")?))),
        Function::Count => Ok(Value::Integer(i64::try_from(value.item_count("count")?).unwrap_or(i64::MAX))),
        Function::Sum => Ok(Value::Number(total(value)?)),
        Function::Mean => {
            let count = value.item_count("mean")?;
            Ok(if count == 0 { Value::Null } else { Value::Number(total(value)? / count as f64) })
        }
        Function::First => Ok(value.items("first")?.first().cloned().unwrap_or(Value::Null)),
        Function::Last => Ok(value.items("last")?.last().cloned().unwrap_or(Value::Null)),
        Function::Range => Ok(Value::List(Value::Integer(value.integer("range")?).items("range")?)),
        Function::Lower => Ok(Value::text(text("lower")?.to_lowercase())),
        Function::Plain => Ok(Value::text(text("plain")?.replace('_', " "))),
        Function::Title => Ok(Value::text(title(&text("title")?.replace('_', " ")))),
        Function::Date => Ok(match value {
            Value::Null => Value::Null,
            _ => Value::Date(value.time("date")?.div_euclid(86_400)),
        }),
        Function::Midnight => {
            let seconds = value.time("midnight")?;
            Ok(Value::Time(seconds - seconds.rem_euclid(86_400)))
        }
        Function::Time => time(&text("time")?),
        _ => of_many(function, std::slice::from_ref(value)),
    }
}

fn of_many<'r>(function: Function, values: &[Value<'r>]) -> Called<'r> {
    match (function, values) {
        (Function::Min | Function::Max, values) => extreme(function, values),
        (Function::Clamp, [value, low, high]) => {
            let above = extreme(Function::Max, &[value.clone(), low.clone()])?;
            extreme(Function::Min, &[above, high.clone()])
        }
        (Function::Round, [Value::Null, _]) => Ok(Value::Null),
        (Function::Round, [value, digits]) => round(value.number("round")?, digits.integer("round")?),
        (Function::Cosine, [left, right]) => {
            Ok(Value::Number(cosine(left.vector("cosine")?, right.vector("cosine")?)))
        }
        (Function::Top, [vector, count]) => top(vector.vector("top")?, count.integer("top")?),
        (Function::Contains, [list, value]) => {
            Ok(Value::Bool(list.items("contains")?.iter().any(|item| item.equals(value))))
        }
        (Function::Overlap, [left, right]) => {
            let (left, right) = (left.items("overlap")?, right.items("overlap")?);
            let shared = left.iter().filter(|item| right.iter().any(|other| other.equals(item))).count();
            Ok(Value::Integer(i64::try_from(shared).unwrap_or(i64::MAX)))
        }
        (Function::Join, [list, separator]) => {
            let separator = separator.as_str().ok_or_else(|| wrong("join", "a text", separator))?;
            let mut joined = String::new();
            for (position, item) in list.items("join")?.iter().enumerate() {
                joined.push_str(if position == 0 { "" } else { separator });
                item.write_plain(&mut joined)?;
            }
            Ok(Value::text(joined))
        }
        (Function::Json, pairs) => json(pairs),
        (Function::Coalesce, values) => {
            Ok(values.iter().find(|value| !matches!(value, Value::Null)).cloned().unwrap_or(Value::Null))
        }
        // The reader of the file checks the number of arguments, so this is a type that does not fit.
        _ => {
            Err(Problem::OutOfRange { operation: "a function", value: format!("{} arguments", values.len()) })
        }
    }
}

fn wrong(operation: &'static str, expected: &'static str, value: &Value<'_>) -> Problem {
    Problem::WrongType { operation, expected, found: value.type_name() }
}

/// Random bytes in the form of a version 4 UUID.
fn uuid(stream: &mut SplitMix64) -> [u8; 16] {
    let bits = (u128::from(stream.next()) << 64) | u128::from(stream.next());
    let versioned = (bits & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    versioned.to_be_bytes()
}

fn hex<'r>(digits: &Value<'r>, stream: &mut SplitMix64) -> Called<'r> {
    let wanted = usize::try_from(digits.integer("hex")?).unwrap_or(0);
    let mut text = String::with_capacity(wanted + 16);
    while text.len() < wanted {
        text.push_str(&format!("{:016x}", stream.next()));
    }
    text.truncate(wanted);
    Ok(Value::text(text))
}

pub(super) fn at<'r>(list: &Value<'r>, index: &Value<'r>) -> Called<'r> {
    let position = index.integer("list[index]")?;
    let out_of_range = || Problem::OutOfRange { operation: "list[index]", value: position.to_string() };
    let position = usize::try_from(position).map_err(|_| out_of_range())?;
    let found = match list {
        Value::Vector(_) | Value::Numbers(_) => {
            list.vector("list[index]")?.get(position).map(|it| Value::Number(*it))
        }
        _ => list.nth(position, "list[index]")?,
    };
    found.ok_or_else(out_of_range)
}

fn pick<'r>(list: &Value<'r>, stream: &mut SplitMix64) -> Called<'r> {
    let position = match list {
        Value::Vocabulary(Vocabulary { cumulative: Some(sums), .. }) => {
            let drawn = stream.unit() * sums.last().copied().unwrap_or(0.0);
            sums.partition_point(|sum| *sum <= drawn)
        }
        _ => usize::try_from(stream.below(list.item_count("pick")? as u64)).unwrap_or(0),
    };
    let empty = || Problem::OutOfRange { operation: "pick", value: "an empty list".to_owned() };
    list.nth(position, "pick")?.ok_or_else(empty)
}

/// One of the even arguments, in proportion to the weight that follows it.
fn choose<'r>(pairs: &[Value<'r>], stream: &mut SplitMix64) -> Called<'r> {
    let weight = |pair: &[Value<'r>]| pair.get(1).map_or(Ok(0.0), |weight| weight.number("choose"));
    let total = pairs.chunks(2).map(weight).sum::<Result<f64, Problem>>()?;
    let mut left = stream.unit() * total;
    for pair in pairs.chunks(2) {
        left -= weight(pair)?;
        if left < 0.0 {
            return Ok(pair[0].clone());
        }
    }
    Err(Problem::OutOfRange { operation: "choose", value: format!("weights that add up to {total}") })
}

/// `count` distinct items in random order, or all there are.
fn some<'r>(list: &Value<'r>, count: &Value<'r>, stream: &mut SplitMix64) -> Called<'r> {
    let mut items = list.items("some")?.to_vec();
    let count = usize::try_from(count.integer("some")?).unwrap_or(0).min(items.len());
    // The first steps of a Fisher-Yates shuffle.
    for position in 0..count {
        let other = stream.below((items.len() - position) as u64);
        items.swap(position, position + usize::try_from(other).unwrap_or(0));
    }
    items.truncate(count);
    Ok(Value::list(items))
}

/// A permutation of `0..size` that sends neighbors far apart: multiplication by a stride near the golden ratio.
fn spread(index: i64, size: i64, seed: u64) -> Result<i64, Problem> {
    // Below 2^31 no product overflows.
    let known_size = u64::try_from(size).ok().filter(|size| (1..1 << 31).contains(size));
    let out_of_range = || Problem::OutOfRange { operation: "spread", value: format!("{index} of {size}") };
    let known_size = known_size.ok_or_else(out_of_range)?;
    let known_index = u64::try_from(index.rem_euclid(size)).map_err(|_| out_of_range())?;
    let coprime = |stride: &u64| greatest_common_divisor(*stride, known_size) == 1;
    let stride = (known_size * 618 / 1000 + 1..).find(coprime).unwrap_or(1);
    let offset = derive(seed, name_key("spread")) % known_size;
    i64::try_from((known_index * stride + offset) % known_size).map_err(|_| out_of_range())
}

fn greatest_common_divisor(mut left: u64, mut right: u64) -> u64 {
    while right != 0 {
        (left, right) = (right, left % right);
    }
    left
}

fn extreme<'r>(function: Function, values: &[Value<'r>]) -> Called<'r> {
    let wanted = if function == Function::Min { Ordering::Less } else { Ordering::Greater };
    let mut best = Value::Null;
    for value in values.iter().filter(|value| !matches!(value, Value::Null)) {
        if matches!(best, Value::Null) {
            best = value.clone();
            continue;
        }
        let order =
            value.compare(&best).ok_or_else(|| wrong("min, max", "values of one ordered type", value))?;
        if order == wanted {
            best = value.clone();
        }
    }
    Ok(best)
}

pub(super) fn sigmoid(value: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-value))
}

/// Cosine of the angle between two vectors of one length; 0 when either has no direction.
pub(super) fn cosine(left: &[f64], right: &[f64]) -> f64 {
    let (mut dot, mut left_square, mut right_square) = (0.0, 0.0, 0.0);
    for (a, b) in left.iter().zip(right) {
        dot += a * b;
        left_square += a * a;
        right_square += b * b;
    }
    let norms: f64 = left_square * right_square;
    if norms > 0.0 { dot / norms.sqrt() } else { 0.0 }
}

fn total(list: &Value<'_>) -> Result<f64, Problem> {
    list.items("sum")?.iter().map(|item| item.number("sum")).sum()
}

/// Half away from zero at `digits` decimals; an integer when there are none.
fn round<'r>(value: f64, digits: i64) -> Called<'r> {
    let scales = [1.0, 10.0, 100.0, 1_000.0, 10_000.0];
    let scale = usize::try_from(digits).ok().and_then(|digits| scales.get(digits));
    let scale = scale.ok_or_else(|| Problem::OutOfRange { operation: "round", value: digits.to_string() })?;
    let scaled = (value * scale).round();
    Ok(if digits == 0 { Value::Integer(floor(scaled)) } else { Value::Number(scaled / scale + 0.0) })
}

/// The places of the largest components, largest first.
fn top<'r>(vector: &[f64], count: i64) -> Called<'r> {
    let mut order: Vec<usize> = (0..vector.len()).collect();
    order.sort_by(|a, b| vector[*b].total_cmp(&vector[*a]).then(a.cmp(b)));
    order.truncate(usize::try_from(count).unwrap_or(0));
    let place = |position: usize| Value::Integer(i64::try_from(position).unwrap_or(i64::MAX));
    Ok(Value::list(order.into_iter().map(place).collect()))
}

fn title(text: &str) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
    };
    text.split(' ').map(capital).collect::<Vec<String>>().join(" ")
}

fn time<'r>(text: &str) -> Called<'r> {
    let day = || NaiveDate::parse_from_str(text, "%Y-%m-%d").ok();
    let seconds = DateTime::parse_from_rfc3339(text).ok().map(|time| time.timestamp());
    let seconds = seconds.or_else(|| Some(day()?.and_time(NaiveTime::MIN).and_utc().timestamp()));
    let out_of_range = || Problem::OutOfRange { operation: "time", value: format!("\"{text}\"") };
    seconds.map(Value::Time).ok_or_else(out_of_range)
}

/// An object of keys and values in turn.
fn json<'r>(pairs: &[Value<'r>]) -> Called<'r> {
    let mut text = String::from("{");
    for (position, pair) in pairs.chunks(2).enumerate() {
        text.push_str(if position == 0 { "" } else { "," });
        for (part, value) in pair.iter().enumerate() {
            text.push_str(if part == 0 { "" } else { ":" });
            value.write_json(&mut text)?;
        }
    }
    text.push('}');
    Ok(Value::Json(text.into()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeSet;

    use super::{cosine, round, spread, top, uuid};
    use crate::generation::random::SplitMix64;

    #[test]
    fn spread_is_a_permutation_for_any_size() {
        for size in [1, 2, 7, 24, 1000] {
            let images: BTreeSet<i64> = (0..size).map(|index| spread(index, size, 9).unwrap()).collect();
            assert_eq!(images, (0..size).collect(), "size={size}");
        }
    }

    #[test]
    fn cosine_of_worked_vectors() {
        assert_eq!(cosine(&[3.0, 4.0], &[4.0, 3.0]), 24.0 / 25.0);
        assert_eq!(cosine(&[0.0, 0.0], &[4.0, 3.0]), 0.0);
    }

    #[test]
    fn round_takes_halves_up_and_drops_the_point_at_zero_digits() {
        let plain = |value: f64, digits| {
            let mut text = String::new();
            round(value, digits).unwrap().write_plain(&mut text).unwrap();
            text
        };
        assert_eq!([plain(2.5, 0), plain(0.125, 2), plain(-0.001, 2)], ["3", "0.13", "0"]);
    }

    #[test]
    fn top_orders_by_size_then_place() {
        let mut text = String::new();
        top(&[0.1, 0.9, 0.1, 0.5], 3).unwrap().write_plain(&mut text).unwrap();
        assert_eq!(text, r#"{"1","3","0"}"#);
    }

    #[test]
    fn uuid_carries_version_and_variant() {
        let bytes = uuid(&mut SplitMix64::new(1));
        assert_eq!((bytes[6] >> 4, bytes[8] >> 6), (4, 2));
    }
}
