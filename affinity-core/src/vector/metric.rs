//! What nearness means in a space.

use serde::{Deserialize, Serialize};

/// How two vectors of a space are compared; a larger similarity is always the nearer one.
///
/// ```
/// use affinity_core::vector::Metric;
///
/// assert_eq!(Metric::Cosine.signal(-0.25), 0.0);
/// assert_eq!(Metric::Dot.signal(3.0), 0.75);
/// assert_eq!(Metric::L2.signal(-1.0), 0.5); // a similarity of -1 is a distance of 1
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Metric {
    /// Cosine of the angle, in [-1, 1]. Vectors are stored with length 1.
    Cosine,
    /// Inner product, any finite number.
    Dot,
    /// Euclidean distance with its sign turned, in (-∞, 0].
    L2,
}

impl Metric {
    /// The name used in files: `cosine`, `dot` or `l2`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Cosine => "cosine",
            Self::Dot => "dot",
            Self::L2 => "l2",
        }
    }

    /// `similarity` as evidence in [0, 1], rising with it.
    ///
    /// Cosine: `max(0, cos)`, because an opposite text is no evidence for a match. Dot: `d / (1 + d)`,
    /// 0 when negative. L2: `1 / (1 + distance)`. Computed in double from the similarity alone.
    #[must_use]
    pub fn signal(self, similarity: f32) -> f64 {
        let similarity = f64::from(similarity);
        match self {
            Self::Cosine => similarity.clamp(0.0, 1.0),
            Self::Dot => similarity.max(0.0) / (1.0 + similarity.max(0.0)),
            Self::L2 => 1.0 / (1.0 - similarity.min(0.0)),
        }
    }

    /// The similarity of what an index calls closeness: a product, or a squared distance with its sign turned.
    // hot
    pub(super) fn similarity(self, closeness: f32) -> f32 {
        let mut similarity = [if self == Self::L2 { -closeness } else { closeness }];
        self.similarities(&mut similarity);
        similarity[0]
    }

    /// What the kernel computed, turned into similarities in place.
    ///
    /// Adding 0 turns -0 into 0: otherwise the total order would rank two equal numbers.
    // hot
    pub(super) fn similarities(self, computed: &mut [f32]) {
        match self {
            // Rounding may put the cosine of equal directions just above 1.
            Self::Cosine => computed.iter_mut().for_each(|c| *c = c.clamp(-1.0, 1.0) + 0.0),
            Self::Dot => computed.iter_mut().for_each(|c| *c += 0.0),
            Self::L2 => computed.iter_mut().for_each(|c| *c = -c.sqrt() + 0.0),
        }
    }
}
