//! Pictures of a report: SVG without scripts, styles or fonts from elsewhere.

use std::fmt::Write;

use super::content::{Bars, Cell, Curve};
use super::markup::escaped;
use crate::exact::count_of;

const WIDTH: f64 = 720.0;
/// Where bars start: labels are left of it.
const LABELS: f64 = 220.0;
/// Where the longest bar ends: numbers are right of it.
const BARS_END: f64 = 540.0;
const ROW: f64 = 26.0;
/// Letters of a label that fit.
const LABEL_LETTERS_MAX: usize = 29;
const BLUE: &str = "#3b6ea5";
const DARK: &str = "#1f2933";
const PALE: &str = "#cbd5e1";
const ORANGE: &str = "#c2571a";

impl Bars {
    /// Horizontal bars with whiskers for the intervals, and a mark where a bar has a reference.
    #[must_use]
    pub fn to_svg(&self) -> String {
        let finite = |value: f64| if value.is_finite() { value } else { 0.0 };
        let ends = self.bars.iter().flat_map(|bar| {
            [bar.value.estimate, bar.value.low, bar.value.high, bar.reference.unwrap_or(0.0)].map(finite)
        });
        let (low, high) = ends.fold((0.0_f64, 0.0_f64), |(low, high), end| (low.min(end), high.max(end)));
        let span = if high > low { high - low } else { 1.0 };
        let x = |value: f64| LABELS + (BARS_END - LABELS) * (finite(value) - low) / span;
        let height = ROW * count_of(self.bars.len()) + 8.0;
        let mut svg = opening(WIDTH, height, &self.title);
        for (row, bar) in self.bars.iter().enumerate() {
            let (top, middle) = (ROW * count_of(row) + 4.0, ROW * count_of(row) + 4.0 + ROW / 2.0);
            let (from, to) = (x(0.0).min(x(bar.value.estimate)), x(0.0).max(x(bar.value.estimate)));
            text(&mut svg, LABELS - 10.0, middle + 4.0, "end", &shortened(&bar.label));
            let (y, width) = (top + 4.0, to - from);
            put(
                &mut svg,
                &format!(
                    r#"<rect x="{from:.1}" y="{y:.1}" width="{width:.1}" height="{:.1}" fill="{BLUE}"/>"#,
                    ROW - 8.0
                ),
            );
            let (left, right) = (x(bar.value.low), x(bar.value.high));
            line(&mut svg, [left, middle, right, middle], DARK);
            line(&mut svg, [left, middle - 4.0, left, middle + 4.0], DARK);
            line(&mut svg, [right, middle - 4.0, right, middle + 4.0], DARK);
            if let Some(reference) = bar.reference {
                line(&mut svg, [x(reference), top, x(reference), top + ROW], ORANGE);
            }
            text(&mut svg, BARS_END + 10.0, middle + 4.0, "start", &Cell::Number(bar.value).text());
        }
        line(&mut svg, [x(0.0), 0.0, x(0.0), height], PALE);
        svg.push_str("</svg>\n");
        svg
    }
}

impl Curve {
    /// The reliability diagram: a point per bin with its whisker, the larger the more forecasts it holds.
    #[must_use]
    pub fn to_svg(&self) -> String {
        const SIDE: f64 = 300.0;
        const MARGIN: f64 = 44.0;
        let x = |value: f64| MARGIN + SIDE * value;
        let y = |value: f64| 10.0 + SIDE * (1.0 - value);
        let mut svg = opening(SIDE + 2.0 * MARGIN, SIDE + MARGIN + 14.0, &self.title);
        for mark in [0.0, 0.25, 0.5, 0.75, 1.0] {
            line(&mut svg, [x(0.0), y(mark), x(1.0), y(mark)], PALE);
            text(&mut svg, x(0.0) - 6.0, y(mark) + 4.0, "end", &format!("{mark}"));
            text(&mut svg, x(mark), y(0.0) + 18.0, "middle", &format!("{mark}"));
        }
        line(&mut svg, [x(0.0), y(0.0), x(1.0), y(1.0)], ORANGE);
        text(&mut svg, x(0.5), y(0.0) + 38.0, "middle", "probability given; upward: what came of it");
        let most = self.reliability.bins.iter().map(|bin| bin.count).max().unwrap_or(1);
        for bin in &self.reliability.bins {
            let (across, observed) = (x(bin.forecast), &bin.observed);
            line(&mut svg, [across, y(observed.low), across, y(observed.high)], DARK);
            let radius = 3.0 + 5.0 * (count_of(bin.count) / count_of(most)).sqrt();
            let up = y(observed.estimate);
            put(
                &mut svg,
                &format!(r#"<circle cx="{across:.1}" cy="{up:.1}" r="{radius:.1}" fill="{BLUE}"/>"#),
            );
        }
        svg.push_str("</svg>\n");
        svg
    }
}

fn opening(width: f64, height: f64, title: &str) -> String {
    let title = escaped(title);
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0} {height:.0}" width="{width:.0}" height="{height:.0}" role="img" font-family="system-ui, sans-serif" font-size="13"><title>{title}</title>
"#
    )
}

fn put(svg: &mut String, element: &str) {
    svg.push_str(element);
    svg.push('\n');
}

fn line(svg: &mut String, [x1, y1, x2, y2]: [f64; 4], color: &str) {
    let ends = format!(r#"x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}""#);
    put(svg, &format!(r#"<line {ends} stroke="{color}" stroke-width="1.5"/>"#));
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, words: &str) {
    let words = escaped(words);
    // Writing to a string does not fail.
    let _ =
        writeln!(svg, r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}" fill="{DARK}">{words}</text>"#);
}

fn shortened(label: &str) -> String {
    if label.chars().count() <= LABEL_LETTERS_MAX {
        return label.to_string();
    }
    label.chars().take(LABEL_LETTERS_MAX - 1).chain(['…']).collect()
}
