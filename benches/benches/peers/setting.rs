//! What one run is asked to do.

use std::path::PathBuf;

/// Rounds of which each number is the median; [`crate::rounds::medians`] wants an odd number.
const ROUNDS: usize = 5;

/// What one run is asked to do.
pub(crate) struct Setting {
    /// Small inputs: whether everything works, in a minute; the numbers mean nothing then.
    pub(crate) is_small: bool,
    /// How often each thing is measured.
    pub(crate) rounds: usize,
    /// `--count=N`: so many vectors instead of what the issue asks for.
    pub(crate) count: Option<usize>,
    /// `--dimension=D`: only vectors of so many components.
    pub(crate) dimension: Option<usize>,
    /// Where tables, inputs of the peers and their programs go.
    pub(crate) target: PathBuf,
    families: Vec<String>,
    peers: Option<String>,
}

impl Setting {
    pub(crate) fn from_arguments() -> Self {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let is_small = arguments.iter().any(|argument| argument == "--small" || argument == "--test");
        let given = |name: &str| arguments.iter().find_map(|argument| argument.strip_prefix(name));
        let number = |name: &str| given(name).map(|number| number.parse().unwrap());
        Self {
            is_small,
            peers: given("--peers=").map(str::to_string),
            count: number("--count="),
            dimension: number("--dimension="),
            rounds: if is_small { 1 } else { ROUNDS },
            target: benches::target_directory().unwrap(),
            families: arguments.into_iter().filter(|argument| !argument.starts_with('-')).collect(),
        }
    }

    /// Whether the run measures a peer of this name: `--peers=hnswlib,faiss` names parts of some, otherwise all.
    pub(crate) fn wants_peer(&self, peer: &str) -> bool {
        let is_part = |names: &String| names.split(',').any(|name| peer.contains(name));
        self.peers.as_ref().is_none_or(is_part)
    }

    /// Whether the run measures the family of this name.
    pub(crate) fn wants(&self, family: &str) -> bool {
        self.families.is_empty() || self.families.iter().any(|wanted| wanted == family)
    }
}
