//! `topk`: items for users, in the adjacency format of LightGCN.

mod mixes; // what is tried on which part of the training data
mod run;

pub(crate) use self::run::{TopkOptions, run};
