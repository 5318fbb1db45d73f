//! Evidence in words.

use affinity_core::{Evidence, NodeRef};
use maud::{Markup, html};

/// One piece of evidence as a line to read. The source of the answer is "you", as in its sentences.
pub(super) fn reason(evidence: &Evidence) -> Markup {
    match evidence {
        Evidence::Path { path, relations, .. } => trail(path, relations),
        Evidence::Similarity { space, similarity } => {
            html! { "similarity " b { (decimal(*similarity, 2)) } " in " (plain(space)) }
        }
        Evidence::Tags { attribute, shared, left_out } => html! {
            "both have " (plain(attribute)) ": "
            @for tag in shared { span.tag { (plain(tag)) } " " }
            @if *left_out > 0 { "and " (left_out) " more" }
        },
        Evidence::Values { attribute, source, target } => html! {
            (plain(attribute)) ": you " b { (plain(source)) } ", they " b { (plain(target)) }
        },
        Evidence::Prior { attribute, observed, count, mean } => html! {
            (plain(attribute)) " " b { (decimal(*observed, 2)) } " from " (decimal(*count, 0))
            " observations; the average is " (decimal(*mean, 2))
        },
        Evidence::Age { attribute, age_days } => html! { (plain(attribute)) ": " (age(*age_days)) },
        Evidence::Pattern { via, mean_success, observed } => html! {
            b { (plain(&via.name)) } ": " (percent(*mean_success)) " mean success over " (observed)
            @if *observed == 1 { " pair" } @else { " pairs" } " that shared it"
        },
        Evidence::Walk { probability } => {
            html! { "a random walk from you is here " (percent(*probability)) " of the time" }
        }
        Evidence::Term { term, contribution, .. } => {
            html! { "both speak of " b { (term) } ": " (decimal(*contribution, 3)) " of the similarity" }
        }
        Evidence::Missing { missing_max } => {
            html! { "up to " (decimal(*missing_max, 4)) " more was not looked for" }
        }
        Evidence::LogOdds { term, log_odds } => {
            html! { (plain(term)) ": " (decimal(*log_odds, 2)) " in log-odds" }
        }
        Evidence::Withheld { withheld } => html! { span.withheld { "Not shown: " (withheld) "." } },
    }
}

fn trail(path: &[NodeRef], relations: &[impl AsRef<str>]) -> Markup {
    html! {
        span.trail {
            @for (step, node) in path.iter().enumerate() {
                @if let Some(relation) = step.checked_sub(1).and_then(|before| relations.get(before)).map(AsRef::as_ref) {
                    @let (arrow, name) = match relation.strip_prefix('<') {
                        Some(name) => ("\u{2190}", name),
                        None => ("\u{2192}", relation),
                    };
                    " " span.arrow title=(plain(name).to_lowercase()) { (arrow) } " "
                }
                @if step == 0 { "you" } @else { (plain(&node.name)) }
            }
        }
    }
}

/// Names in data are often joined by underscores.
pub(super) fn plain(name: &str) -> String {
    name.replace('_', " ")
}

/// Rounded for reading; the answer has every digit.
pub(super) fn decimal(number: f64, digits: usize) -> String {
    format!("{number:.digits$}")
}

fn percent(share: f64) -> String {
    match share * 100.0 {
        0.0 => "0 %".to_owned(),
        below if below < 0.01 => "less than 0.01 %".to_owned(),
        small if small < 1.0 => format!("{small:.2} %"),
        more => format!("{more:.0} %"),
    }
}

fn age(days: f64) -> String {
    match days {
        today if today < 1.0 => "within a day".to_owned(),
        recent if recent < 2.0 => "a day ago".to_owned(),
        recent if recent < 60.0 => format!("{:.0} days ago", recent.floor()),
        older => format!("{:.0} months ago", (older / 30.44).floor()),
    }
}
