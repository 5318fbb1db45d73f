//! The main reasons of a match in one plain sentence.

use crate::matcher::WeightedSignal;
use crate::signals::Evidence;

use super::answer::Contribution;

/// Reasons that a sentence gives.
const REASONS_MAX: usize = 3;
/// Names that a reason lists.
const NAMES_MAX: usize = 3;

/// "Name: reason; reason; reason." from the largest contributions, in the words of the matcher.
pub(crate) fn sentence(name: &str, signals: &[WeightedSignal], contributions: &[Contribution]) -> String {
    match reasons(signals, contributions) {
        None => format!("{name}: no reason found."),
        Some(reasons) => format!("{name}: {reasons}."),
    }
}

/// " In return: reason; reason; reason." from the contributions of the way back; empty without any.
pub(crate) fn way_back_sentence(signals: &[WeightedSignal], contributions: &[Contribution]) -> String {
    reasons(signals, contributions).map_or_else(String::new, |reasons| format!(" In return: {reasons}."))
}

fn reasons(signals: &[WeightedSignal], contributions: &[Contribution]) -> Option<String> {
    let mut counted: Vec<(&WeightedSignal, &Contribution)> = signals
        .iter()
        .zip(contributions)
        .filter(|(_, contribution)| contribution.contribution > 0.0)
        .collect();
    counted.sort_by(|(_, a), (_, b)| b.contribution.total_cmp(&a.contribution)); // stable: the matcher's order breaks ties
    let reasons: Vec<String> =
        counted.iter().take(REASONS_MAX).map(|(signal, part)| reason(signal, part)).collect();
    (!reasons.is_empty()).then(|| reasons.join("; "))
}

fn reason(signal: &WeightedSignal, contribution: &Contribution) -> String {
    let Some(phrase) = &signal.phrase else {
        return lower_first(&signal.label);
    };
    let (names, total) = names(contribution);
    if names.is_empty() && (phrase.contains("{names}") || phrase.contains("{count}")) {
        return lower_first(&signal.label);
    }
    let percent = format!("{:.0} %", contribution.value * 100.0);
    let listed = names.len().min(NAMES_MAX);
    let list = match total - listed {
        0 => join(&names[..listed]),
        more => format!("{} and {more} more", names[..listed].join(", ")),
    };
    phrase.replace("{names}", &list).replace("{count}", &total.to_string()).replace("{value}", &percent)
}

/// What the evidence names, and how much there is in all.
fn names(contribution: &Contribution) -> (Vec<&str>, usize) {
    let mut names: Vec<&str> = Vec::new();
    let mut total = contribution.evidence_left_out;
    for evidence in &contribution.evidence {
        match evidence {
            // What counts against a match is no reason for it.
            Evidence::Path { strength, .. } if *strength < 0.0 => {}
            Evidence::Path { path, .. } => {
                total += 1;
                // The first node after the source says what connects the two.
                names.extend(path.get(1).map(|node| node.name.as_str()));
            }
            Evidence::Pattern { via, .. } => {
                total += 1;
                names.push(&via.name);
            }
            Evidence::Tags { shared, left_out, .. } => {
                total += shared.len() + left_out;
                names.extend(shared.iter().map(String::as_str));
            }
            Evidence::Term { term, .. } => {
                total += 1;
                names.push(term);
            }
            Evidence::Values { target, .. } => {
                total += 1;
                names.push(target);
            }
            _ => {}
        }
    }
    let repeated = names.len();
    let mut seen = Vec::new();
    names.retain(|name| {
        let is_new = !seen.contains(name);
        seen.push(*name);
        is_new
    });
    let total = total - (repeated - names.len()).min(total);
    (names, total)
}

fn join(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [only] => (*only).to_string(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}
