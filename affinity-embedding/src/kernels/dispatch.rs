//! One source per kernel, compiled twice: for every processor, and for those with AVX2 and FMA.

/// Makes `fn` a function that runs its body with AVX2 and FMA where the processor has them.
///
/// Both give the same bits: the body's `mul_add` rounds once with and without the instruction, and the compiler
/// neither reorders float sums nor fuses what is not written as fused.
macro_rules! dispatched {
    ($(#[$attribute:meta])* $visibility:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?) $body:block) => {
        $(#[$attribute])*
        $visibility fn $name($($argument: $type),*) {
            #[inline(always)]
            fn portable($($argument: $type),*) $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2,fma")]
                fn with_avx2_and_fma($($argument: $type),*) {
                    portable($($argument),*);
                }
                if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                    // SAFETY: the processor has both features, as just found.
                    #[allow(unsafe_code)]
                    unsafe { with_avx2_and_fma($($argument),*) };
                    return;
                }
            }
            portable($($argument),*);
        }
    };
}

pub(super) use dispatched;
