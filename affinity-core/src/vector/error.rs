//! What a space refuses.

use std::fmt;

/// Why a vector cannot enter a space or be compared with it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum VectorError {
    /// The vector has another number of components than the space.
    WrongDimension {
        /// Name of the space.
        space: String,
        /// Components that every vector of the space has.
        expected: usize,
        /// Components of the refused vector.
        got: usize,
    },
    /// A component is NaN or infinite.
    NotFinite {
        /// Name of the space.
        space: String,
        /// Position of the first such component.
        component: usize,
    },
    /// All components are zero, so the vector has no direction to compare by cosine.
    ZeroNorm {
        /// Name of the space.
        space: String,
    },
    /// The vector is so long that a product with another one could overflow.
    NormTooLarge {
        /// Name of the space.
        space: String,
    },
}

impl fmt::Display for VectorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongDimension { space, expected, got } => {
                write!(f, "vector for space \"{space}\" has {got} components, expected {expected}")
            }
            Self::NotFinite { space, component } => {
                write!(f, "component {component} of a vector for space \"{space}\" is not finite")
            }
            Self::ZeroNorm { space } => {
                write!(f, "vector for space \"{space}\" is zero, expected one with a direction")
            }
            Self::NormTooLarge { space } => {
                write!(f, "vector for space \"{space}\" is too long for products to stay finite")
            }
        }
    }
}

impl std::error::Error for VectorError {}
