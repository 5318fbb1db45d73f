//! The embedder that needs nothing: hashed words, word pairs and letter groups, projected to 256 dimensions.

use std::collections::HashMap;
use std::sync::Arc;

/// A deterministic text embedder without a model file: the same text gives the same bits on every machine.
///
/// It sees shared words, shared word pairs and shared parts of words, so "sustainable" and "sustainability" are
/// close; it knows no synonyms.
///
/// ```
/// use affinity_server::embedding::BuiltinEmbedder;
///
/// let embedder = BuiltinEmbedder::default();
/// let vector = embedder.embed("Organic farming").unwrap_or_default();
/// assert_eq!(vector.len(), embedder.dimension());
/// assert_eq!(embedder.embed("..."), None);
/// ```
///
/// Source: Weinberger et al., "Feature Hashing for Large Scale Multitask Learning", ICML 2009 (signed hashing);
/// Bojanowski et al., "Enriching Word Vectors with Subword Information", TACL 5, 2017 (letter groups).
#[derive(Clone, Debug)]
pub struct BuiltinEmbedder {
    word_weights: Arc<HashMap<&'static str, f32>>,
}

/// Change the version with anything that changes a vector, the word list included.
const MODEL: &str = "builtin-hash-v1/256";
const DIMENSION: usize = 256;
const WORDS: &str = include_str!("words.txt");

/// Places a feature adds to: more spread chance collisions thinner, and cost time.
const PLACES: u32 = 4;
/// Letters in a group, word boundaries counted.
const GROUP_LETTERS: std::ops::RangeInclusive<usize> = 3..=5;
/// Longest part of a word that is cut into groups: a text without spaces must not cost more than it says.
const GROUPED_LETTERS_MAX: usize = 32;
/// Weight of a word of grammar: enough that "who are you" is not empty, too little to bring two texts together.
const GRAMMAR_WEIGHT: f32 = 0.05;
const PAIR_WEIGHT: f32 = 0.6;
/// Weight of all letter groups of a word together, relative to the word itself.
const GROUPS_WEIGHT: f32 = 1.7;

impl Default for BuiltinEmbedder {
    fn default() -> Self {
        Self { word_weights: Arc::new(read_word_weights(WORDS)) }
    }
}

impl BuiltinEmbedder {
    /// Name, version and dimension.
    pub fn model(&self) -> &'static str {
        MODEL
    }

    /// 256.
    pub fn dimension(&self) -> usize {
        DIMENSION
    }

    /// A vector of length 1, or `None` when `text` has no letter and no digit. O(length of `text`).
    pub fn embed(&self, text: &str) -> Option<Vec<f32>> {
        let mut features = Features::default();
        let lower = text.to_lowercase();
        let mut previous: Option<(u64, f32)> = None;
        for word in lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
            let weight = self.word_weight(word);
            let hash = hash_of(1, word.chars());
            features.add(hash, weight);
            if weight <= GRAMMAR_WEIGHT {
                continue;
            }
            features.add_groups(word, weight);
            // Pairs reach over words of grammar: "quality of life" holds the pair of "quality life".
            if let Some((left, left_weight)) = previous {
                features.add(mix(left.rotate_left(17) ^ hash), PAIR_WEIGHT * left_weight.min(weight));
            }
            previous = Some((hash, weight));
        }
        features.project()
    }

    /// How much a word says: listed words by rank, others by length, as rare words tend to be long.
    fn word_weight(&self, word: &str) -> f32 {
        self.word_weights.get(word).copied().unwrap_or_else(|| {
            let letters = word.chars().take(12).count();
            0.75 + 0.05 * letters as f32
        })
    }
}

/// The list is ordered by frequency, so a rank stands for a document frequency (Zipf).
fn read_word_weights(list: &'static str) -> HashMap<&'static str, f32> {
    let mut weights = HashMap::new();
    let mut common_rank = None;
    for line in list.lines().filter(|line| !line.starts_with('#')) {
        match (line, common_rank) {
            ("[grammar]", _) => common_rank = None,
            ("[common]", _) => common_rank = Some(1_u16),
            (word, None) => {
                weights.insert(word, GRAMMAR_WEIGHT);
            }
            (word, Some(rank)) => {
                weights.insert(word, 0.3 + 0.1 * libm::logf(f32::from(rank)));
                common_rank = Some(rank + 1);
            }
        }
    }
    weights
}

/// Hashed features with their weights, repeated ones not yet merged.
#[derive(Default)]
struct Features {
    entries: Vec<(u64, f32)>,
    letters: Vec<char>,
}

impl Features {
    fn add(&mut self, hash: u64, weight: f32) {
        self.entries.push((hash, weight));
    }

    fn add_groups(&mut self, word: &str, word_weight: f32) {
        self.letters.clear();
        self.letters.push('<');
        self.letters.extend(word.chars().take(GROUPED_LETTERS_MAX));
        self.letters.push('>');
        let letter_count = self.letters.len();
        let group_count: usize = GROUP_LETTERS.map(|length| (letter_count + 1).saturating_sub(length)).sum();
        // The groups of one word overlap, so their squares are shared out: together they weigh GROUPS_WEIGHT.
        let weight = word_weight * GROUPS_WEIGHT / (group_count.max(1) as f32).sqrt();
        for start in 0..letter_count {
            for length in GROUP_LETTERS {
                let Some(group) = self.letters.get(start..start + length) else { break };
                self.entries.push((hash_of(2, group.iter().copied()), weight));
            }
        }
    }

    /// Merges repeats with a sublinear count, then adds each feature to its signed places. Sums run in the order of
    /// the hashes, so the order of the words moves no bit.
    fn project(mut self) -> Option<Vec<f32>> {
        self.entries.sort_unstable_by(|left, right| left.0.cmp(&right.0).then(left.1.total_cmp(&right.1)));
        let mut vector = vec![0.0_f32; DIMENSION];
        for same in self.entries.chunk_by(|left, right| left.0 == right.0) {
            let Some(&(hash, weight)) = same.last() else { continue };
            let amount = weight * (1.0 + libm::logf(same.len() as f32));
            for place in 0..PLACES {
                let [index, sign, ..] = (hash >> (place * 16)).to_le_bytes();
                // A byte is always below 256.
                vector[usize::from(index)] += if sign & 1 == 0 { amount } else { -amount };
            }
        }
        let norm = vector.iter().map(|component| component * component).sum::<f32>().sqrt();
        if norm == 0.0 || !norm.is_finite() {
            return None;
        }
        vector.iter_mut().for_each(|component| *component /= norm);
        Some(vector)
    }
}

/// FNV-1a over code points, then mixed, as its high bits alone are weak.
fn hash_of(seed: u64, letters: impl Iterator<Item = char>) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325 ^ seed;
    mix(letters.fold(start, |hash, letter| {
        (hash ^ u64::from(u32::from(letter))).wrapping_mul(0x0000_0100_0000_01b3)
    }))
}

/// The finalizer of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
fn mix(mut hash: u64) -> u64 {
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
#[path = "builtin_tests.rs"]
mod tests;
