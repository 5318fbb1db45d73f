//! Memory that will be read soon.

use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};

/// Bytes that come from memory together.
const LINE_BYTES: usize = 64;

/// Has the whole slice fetched into the first cache, without waiting.
// hot
#[inline(always)]
pub(super) fn fetch<T>(items: &[T]) {
    let (first, bytes) = (items.as_ptr().cast::<i8>(), size_of_val(items));
    for offset in (0..bytes).step_by(LINE_BYTES) {
        // SAFETY: `offset` is within the slice; a prefetch reads nothing, and needs no more than SSE, which x86-64 has.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(first.add(offset)) }
    }
}
