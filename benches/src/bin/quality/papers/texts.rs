//! Titles as terms and as vectors.

use std::collections::BTreeMap;
use std::path::Path;

use affinity_embedding::SentenceEncoder;

use crate::error::QualityError;
use crate::progress::Progress;

/// Letters of a word that count: a crude stem, which told more about titles than whole words did.
const STEM_LETTERS: usize = 6;
/// Words without a meaning of their own.
const STOP_WORDS: [&str; 28] = [
    "an", "and", "are", "as", "at", "be", "by", "can", "for", "from", "has", "how", "in", "into", "is", "it",
    "its", "of", "on", "or", "that", "the", "to", "towards", "using", "via", "what", "with",
];
/// Titles that are encoded between two looks at the progress.
const BATCH: usize = 64;

/// How often each stem, and each two that follow each other, occurs.
pub(super) fn stems_of(title: &str) -> BTreeMap<String, f32> {
    let words = title.split(|letter: char| !letter.is_alphanumeric()).map(str::to_lowercase);
    let words = words.filter(|word| word.chars().count() > 1 && !STOP_WORDS.contains(&word.as_str()));
    let stems: Vec<String> = words.map(|word| word.chars().take(STEM_LETTERS).collect()).collect();
    let pairs = stems.windows(2).map(|pair| pair.join(" "));
    let mut counts = BTreeMap::new();
    for term in stems.iter().cloned().chain(pairs) {
        *counts.entry(term).or_insert(0.0) += 1.0;
    }
    counts
}

/// Tags by number.
pub(super) fn tags_of(tags: &[u32]) -> BTreeMap<String, f32> {
    let mut counts = BTreeMap::new();
    for tag in tags {
        *counts.entry(format!("t{tag}")).or_insert(0.0) += 1.0;
    }
    counts
}

/// A vector for each title, by the model of a folder.
///
/// # Errors
/// [`QualityError::Encoder`].
pub(super) fn encode(model: &Path, titles: &[String]) -> Result<Vec<Vec<f32>>, QualityError> {
    let encoder = SentenceEncoder::open(model)?;
    let progress = Progress::steps("Reading titles", titles.len().div_ceil(BATCH));
    let mut vectors = Vec::with_capacity(titles.len());
    for batch in titles.chunks(BATCH) {
        // A paper without a title still takes its place.
        let batch: Vec<&str> = batch.iter().map(|title| if title.is_empty() { "." } else { title }).collect();
        vectors.extend(encoder.encode(&batch)?);
        progress.advance();
    }
    progress.finish();
    Ok(vectors)
}
