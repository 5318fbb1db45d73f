//! A score as a stacked bar: the whole width is 1, each segment one contribution.

use affinity_core::Contribution;
use maud::{Markup, html};

/// Colors of the style sheet, `c0` and up; more signals start over.
const COLORS: usize = 14;

/// The class that colors a signal, by its place in the matcher.
pub(super) fn color_class(place: usize) -> String {
    format!("c{}", place % COLORS)
}

/// The contributions with their places in the matcher, largest first, absent ones last: one color per signal on all
/// cards of a page, the weightiest reason where the eye starts.
pub(super) fn largest_first(contributions: &[Contribution]) -> Vec<(usize, &Contribution)> {
    let mut parts: Vec<(usize, &Contribution)> = contributions.iter().enumerate().collect();
    parts.sort_by(|(_, a), (_, b)| a.absent.cmp(&b.absent).then(b.contribution.total_cmp(&a.contribution)));
    parts
}

/// An SVG, as widths in `style` attributes would need a weaker content security policy.
pub(super) fn stacked_bar(score: f64, contributions: &[Contribution]) -> Markup {
    let parts = largest_first(contributions);
    let starts = parts.iter().scan(0.0, |end, (_, part)| {
        let start = *end;
        *end += part.contribution;
        Some(start)
    });
    html! {
        svg.bar viewBox="0 0 1000 10" preserveAspectRatio="none" role="img" aria-label=(format!("score {score:.3} of 1")) {
            rect.rest width="1000" height="10" {}
            @for ((place, part), start) in parts.iter().zip(starts) {
                @if part.contribution > 0.0 {
                    rect class=(color_class(*place)) x=(format!("{:.1}", start * 1000.0)) height="10"
                        width=(format!("{:.1}", part.contribution * 1000.0)) {
                        title { (part.label) " " (format!("{:.3}", part.contribution)) }
                    }
                }
            }
        }
    }
}
