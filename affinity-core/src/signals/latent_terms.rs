//! What two nodes' attributes say about whether one likes the other: the named terms of a `latent` model.
//!
//! Source: Pearson, "Notes on regression and inheritance in the case of two parents", Proceedings of the Royal Society
//! 58, 1895, for the correlation of profiles; Jaccard 1912 for tags.

use serde::Deserialize;
use toml::Spanned;

use super::resolve::{MatcherError, Name, Resolve};
use crate::exact::count_of;
use crate::graph::{AttributeId, AttributeType, Cell};

/// Numbers of a profile at most.
const PROFILE_MAX: usize = 256;
/// Numbers that both must have for their profiles to correlate: two points always lie on a line.
const PROFILE_MIN: usize = 3;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LatentTermToml {
    /// What evidence calls it.
    name: Option<String>,
    /// How far a number of both is apart.
    difference: Option<Name>,
    /// Whether a category of both is the same.
    same: Option<Name>,
    /// The share of tags in common.
    overlap: Option<Name>,
    /// Numbers that describe both: how well they correlate.
    correlation: Option<Vec<Name>>,
    /// A number of the source; with `target`, the product of both.
    source: Option<Name>,
    /// A number of the target.
    target: Option<Name>,
    /// What the source calls the attribute of `difference`, `same` or `overlap`.
    source_attribute: Option<Name>,
}

/// A term with its attributes looked up.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LatentTerm {
    pub(crate) name: String,
    /// The names of what it compares, which survive a change of ids.
    pub(crate) described: String,
    pub(crate) compares: Compares,
}

/// What a term compares: ids of the source's and the target's attribute.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Compares {
    Difference(AttributeId, AttributeId),
    Same(AttributeId, AttributeId),
    Overlap(AttributeId, AttributeId),
    Correlation(Vec<(AttributeId, AttributeId)>),
    Source(AttributeId),
    Target(AttributeId),
    Product(AttributeId, AttributeId),
}

impl LatentTermToml {
    pub(super) fn resolve(this: Spanned<Self>, resolve: &Resolve<'_>) -> Result<LatentTerm, MatcherError> {
        let at = Spanned::new(this.span(), "");
        let spec = this.into_inner();
        let number = AttributeType::Number;
        let of = |field, name: &Name, kind, of| resolve.attribute(field, name, kind, &[of]).map(|(id, _)| id);
        let pair = |field, name: &Name, wanted| {
            let own = spec.source_attribute.as_ref().unwrap_or(name);
            Ok((of(field, own, resolve.from, wanted)?, of(field, name, resolve.to, wanted)?))
        };
        let mut found: Vec<(Compares, String)> = Vec::new();
        if let Some(name) = &spec.difference {
            let (source, target) = pair("difference", name, number)?;
            found.push((Compares::Difference(source, target), format!("difference of {}", name.get_ref())));
        }
        if let Some(name) = &spec.same {
            let (source, target) = pair("same", name, AttributeType::Category)?;
            found.push((Compares::Same(source, target), format!("same {}", name.get_ref())));
        }
        if let Some(name) = &spec.overlap {
            let (source, target) = pair("overlap", name, AttributeType::Tags)?;
            found.push((Compares::Overlap(source, target), format!("shared {}", name.get_ref())));
        }
        if let Some(names) = &spec.correlation {
            if names.len() < PROFILE_MIN || names.len() > PROFILE_MAX {
                let expected = format!("{PROFILE_MIN} to {PROFILE_MAX} numbers");
                return Err(resolve.out_of_range("correlation", &at, &expected));
            }
            let pairs = names.iter().map(|name| pair("correlation", name, number));
            let listed: Vec<&str> = names.iter().map(|name| name.get_ref().as_str()).collect();
            let described = format!("correlation of {}", listed.join(", "));
            found.push((Compares::Correlation(pairs.collect::<Result<_, _>>()?), described));
        }
        match (&spec.source, &spec.target) {
            (None, None) => {}
            (Some(name), None) => {
                let source = of("source", name, resolve.from, number)?;
                found.push((Compares::Source(source), format!("own {}", name.get_ref())));
            }
            (None, Some(name)) => {
                let target = of("target", name, resolve.to, number)?;
                found.push((Compares::Target(target), format!("their {}", name.get_ref())));
            }
            (Some(own), Some(their)) => {
                let source = of("source", own, resolve.from, number)?;
                let target = of("target", their, resolve.to, number)?;
                let described = format!("own {} times their {}", own.get_ref(), their.get_ref());
                found.push((Compares::Product(source, target), described));
            }
        }
        let count = found.len();
        let (Some((compares, mut described)), 1) = (found.pop(), count) else {
            let expected = "exactly one of: difference, same, overlap, correlation, source and/or target";
            return Err(resolve.out_of_range("terms", &at, expected));
        };
        let name = spec.name.unwrap_or_else(|| described.clone());
        if let Some(own) = &spec.source_attribute {
            described = format!("{described} with own {}", own.get_ref());
        }
        Ok(LatentTerm { name, described, compares })
    }
}

/// Reads an attribute of one of the two.
pub(super) type CellOf<'a> = &'a dyn Fn(AttributeId) -> Cell;

fn number(cell: &Cell) -> Option<f64> {
    if let Cell::Number(number) = cell { Some(*number) } else { None }
}

impl Compares {
    /// The one or two numbers that a term is the product of; `None` where an attribute is absent.
    pub(super) fn factors(&self, source: CellOf<'_>, target: CellOf<'_>) -> Option<(f64, Option<f64>)> {
        match self {
            Self::Product(own, their) => Some((number(&source(*own))?, Some(number(&target(*their))?))),
            _ => self.single(source, target).map(|single| (single, None)),
        }
    }

    fn single(&self, source: CellOf<'_>, target: CellOf<'_>) -> Option<f64> {
        match self {
            Self::Difference(own, their) => Some((number(&source(*own))? - number(&target(*their))?).abs()),
            Self::Same(own, their) => match (source(*own), target(*their)) {
                (Cell::Category(own), Cell::Category(their)) => Some(f64::from(u8::from(own == their))),
                _ => None,
            },
            Self::Overlap(own, their) => match (source(*own), target(*their)) {
                (Cell::Tags(own), Cell::Tags(their)) if !own.is_empty() && !their.is_empty() => {
                    let shared = own.iter().filter(|tag| their.binary_search(tag).is_ok()).count();
                    Some(count_of(shared) / count_of(own.len() + their.len() - shared))
                }
                _ => None,
            },
            Self::Correlation(pairs) => {
                let known = pairs
                    .iter()
                    .filter_map(|(own, their)| Some((number(&source(*own))?, number(&target(*their))?)));
                correlation(&known.collect::<Vec<_>>())
            }
            Self::Source(own) | Self::Product(own, _) => number(&source(*own)),
            Self::Target(their) => number(&target(*their)),
        }
    }
}

/// Pearson's, in [-1, 1]; `None` for fewer than three points or where one side is constant.
fn correlation(points: &[(f64, f64)]) -> Option<f64> {
    if points.len() < PROFILE_MIN {
        return None;
    }
    let count = count_of(points.len());
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x_mean, y_mean) = (mean(|point| point.0), mean(|point| point.1));
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for (x, y) in points {
        let (x, y) = (x - x_mean, y - y_mean);
        (xx, yy, xy) = (xx + x * x, yy + y * y, xy + x * y);
    }
    let length = libm::sqrt(xx) * libm::sqrt(yy);
    (length > 0.0).then(|| (xy / length).clamp(-1.0, 1.0))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::correlation;

    #[test]
    fn correlation_of_three_points_is_worked_by_hand() {
        // Deviations (-1, 0, 1) and (-1, 1, 0): 1 of sqrt(2) * sqrt(2).
        let found = correlation(&[(1.0, 1.0), (2.0, 3.0), (3.0, 2.0)]).unwrap();
        assert!((found - 0.5).abs() < 1e-15, "{found}");
        assert_eq!(correlation(&[(1.0, 1.0), (2.0, 3.0)]), None);
        assert_eq!(correlation(&[(1.0, 1.0), (1.0, 3.0), (1.0, 2.0)]), None);
    }
}
