//! From a score to the probability that the match succeeds.
//!
//! Source: isotonic calibration, Zadrozny & Elkan, "Transforming classifier scores into accurate multiclass probability
//! estimates", KDD 2002, with straight lines between the points.

/// A rising curve through points (score, probability).
///
/// ```
/// use affinity_core::ProbabilityCurve;
/// let curve = ProbabilityCurve::new(vec![[0.25, 0.125], [0.75, 0.625]]).unwrap();
/// assert_eq!((curve.at(0.0), curve.at(0.5), curve.at(1.0)), (0.125, 0.375, 0.625));
/// assert!(ProbabilityCurve::new(vec![[0.2, 0.5], [0.6, 0.1]]).is_none());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ProbabilityCurve {
    points: Vec<[f64; 2]>,
}

impl ProbabilityCurve {
    /// `None` unless there are points, scores rise, probabilities do not fall, and all lie in [0, 1].
    #[must_use]
    pub fn new(points: Vec<[f64; 2]>) -> Option<Self> {
        let in_range = points.iter().flatten().all(|number| (0.0..=1.0).contains(number));
        let rises = points.windows(2).all(|pair| pair[0][0] < pair[1][0] && pair[0][1] <= pair[1][1]);
        (in_range && rises && !points.is_empty()).then_some(Self { points })
    }

    /// Its points, by rising score.
    #[must_use]
    pub fn points(&self) -> &[[f64; 2]] {
        &self.points
    }

    /// The probability at a score; beyond the first and last point it is theirs. Never falls with the score.
    #[must_use]
    pub fn at(&self, score: f64) -> f64 {
        let after = self.points.partition_point(|[at, _]| *at <= score);
        match (after.checked_sub(1).map(|before| self.points[before]), self.points.get(after)) {
            (Some([from, low]), Some([to, high])) => {
                (low + (high - low) * ((score - from) / (to - from))).clamp(low, *high)
            }
            (Some([_, last]), None) => last,
            (None, Some([_, first])) => *first,
            (None, None) => 0.0, // `new` refuses this
        }
    }
}
