//! What a model may see and what it is judged by.

mod rolling;
mod hold_out;

pub use self::hold_out::{
    HoldOutParams, distance_weighted_hold_out, random_hold_out, time_weighted_hold_out,
};
pub use self::rolling::{Fold, cut_points, rolling_time_split};
