//! Vectors in fewer bits, as kernels compare them.

/// A query against codes of one byte per component: 8 bits each, kept wide as well for processors that want that.
#[derive(Clone, Debug)]
pub struct ByteQuery {
    narrow: Vec<i8>,
    wide: Vec<i16>,
    /// What the offset of [`BYTE_ZERO`] adds to every product.
    offset: i32,
}

/// The code of 0: codes are unsigned, as the instructions for them want.
pub const BYTE_ZERO: u8 = 128;
/// Components at most: 65,536 products of 255 and 127 stay below 2^31.
pub const BYTES_MAX: usize = 65_536;

impl ByteQuery {
    /// `None` when there are more than [`BYTES_MAX`] components.
    #[must_use]
    pub fn new(narrow: Vec<i8>) -> Option<Self> {
        (narrow.len() <= BYTES_MAX).then(|| {
            let wide: Vec<i16> = narrow.iter().map(|component| i16::from(*component)).collect();
            let sum: i32 = narrow.iter().map(|component| i32::from(*component)).sum();
            Self { narrow, wide, offset: sum * i32::from(BYTE_ZERO) }
        })
    }

    #[cfg_attr(
        not(target_arch = "x86_64"),
        allow(dead_code, reason = "the instructions for it are x86-64's")
    )]
    pub(super) fn narrow(&self) -> &[i8] {
        &self.narrow
    }

    pub(super) fn wide(&self) -> &[i16] {
        &self.wide
    }

    pub(super) fn offset(&self) -> i32 {
        self.offset
    }
}
