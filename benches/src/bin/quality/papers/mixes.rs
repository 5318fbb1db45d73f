//! The mixes that a run tries for each kind of input, and what it tries them on: papers all of whose readers it hides.
//!
//! A hold-out of single readers overrates what other readers say: the papers to come are mostly new ones.

use std::collections::BTreeSet;

use crate::mixes::Mix;
use crate::read::{Fold, Lists};
use crate::seeded::mix;

/// One in this many papers is hidden.
const HIDDEN_ONE_IN: u64 = 5;

/// What a run may look at, and the mixes of it.
pub(super) struct Inputs {
    pub(super) name: &'static str,
    pub(super) has_tags: bool,
    pub(super) has_model: bool,
    pub(super) mixes: &'static [Mix],
}

const fn inputs(name: &'static str, has_tags: bool, has_model: bool, mixes: &'static [Mix]) -> Inputs {
    Inputs { name, has_tags, has_model, mixes }
}

const fn of(name: &'static str, shares: &'static [(&'static str, f64)]) -> Mix {
    Mix { name, shares }
}

pub(super) const INPUTS: [Inputs; 4] = [
    inputs(
        "titles and citations",
        false,
        false,
        &[
            of("titles first", &[("titles", 0.7), ("citations", 0.3)]),
            of("both alike", &[("titles", 0.5), ("citations", 0.5)]),
            of("citations first", &[("titles", 0.35), ("citations", 0.75)]),
            of("both alike and the past", &[("titles", 0.4), ("citations", 0.4), ("past", 0.2)]),
        ],
    ),
    inputs(
        "titles, citations and tags",
        true,
        false,
        &[
            of("titles and tags first", &[("titles", 1.0), ("citations", 0.4), ("tags", 1.0)]),
            of("all, tags first", &[("titles", 0.8), ("citations", 0.5), ("tags", 1.5)]),
            of("tags first", &[("titles", 0.5), ("citations", 0.5), ("tags", 1.0)]),
            of(
                "tags first and the past",
                &[("titles", 0.4), ("citations", 0.4), ("tags", 0.8), ("past", 0.4)],
            ),
        ],
    ),
    inputs(
        "titles by a model and citations",
        false,
        true,
        &[
            of("meaning first", &[("meaning", 1.0), ("citations", 0.3), ("titles", 0.35)]),
            of("meaning and citations", &[("meaning", 1.0), ("citations", 0.2)]),
            of("all alike", &[("meaning", 1.0), ("citations", 0.8), ("titles", 0.35)]),
        ],
    ),
    inputs(
        "titles by a model, citations and tags",
        true,
        true,
        &[
            of(
                "meaning and tags first",
                &[("meaning", 1.0), ("citations", 0.15), ("titles", 0.2), ("tags", 0.6)],
            ),
            of("all alike", &[("meaning", 1.0), ("citations", 0.5), ("titles", 0.3), ("tags", 1.0)]),
        ],
    ),
];

/// The training part of a fold without some papers, and who keeps those; with the hidden papers.
pub(super) fn hide_papers(train: &Lists) -> (Fold, BTreeSet<u32>) {
    let is_hidden = |paper: &u32| mix(u64::from(*paper)).is_multiple_of(HIDDEN_ONE_IN);
    let part = |hidden: bool| -> Lists {
        let papers =
            |of: &BTreeSet<u32>| of.iter().copied().filter(|paper| is_hidden(paper) == hidden).collect();
        train.iter().map(|(user, of)| (*user, papers(of))).collect()
    };
    let papers = train.values().flatten().copied().filter(is_hidden).collect();
    (Fold { train: part(false), test: part(true) }, papers)
}
