//! A score as a stacked bar: the whole width is 1, each segment one contribution.

use affinity_core::Contribution;
use maud::{Markup, html};

/// Colors of the style sheet, `c0` and up; more signals start over.
const COLORS: usize = 12;

/// The class that colors a signal, by its place in the matcher.
pub(super) fn color_class(place: usize) -> String {
    format!("c{}", place % COLORS)
}

/// An SVG, as widths in `style` attributes would need a weaker content security policy.
pub(super) fn stacked_bar(score: f64, contributions: &[Contribution]) -> Markup {
    let starts = contributions.iter().scan(0.0, |end, part| {
        let start = *end;
        *end += part.contribution;
        Some(start)
    });
    html! {
        svg.bar viewBox="0 0 1000 10" preserveAspectRatio="none" role="img" aria-label=(format!("score {score:.3} of 1")) {
            rect.rest width="1000" height="10" {}
            @for (place, (part, start)) in contributions.iter().zip(starts).enumerate() {
                @if part.contribution > 0.0 {
                    rect class=(color_class(place)) x=(format!("{:.1}", start * 1000.0)) height="10"
                        width=(format!("{:.1}", part.contribution * 1000.0)) {
                        title { (part.label) " " (format!("{:.3}", part.contribution)) }
                    }
                }
            }
        }
    }
}
