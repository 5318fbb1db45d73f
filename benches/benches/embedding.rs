//! Texts embedded by a sentence transformer: the made-up model of the tests, and the published one where
//! `AFFINITY_EMBEDDINGS_MODEL` names its folder.
#![allow(missing_docs, clippy::unwrap_used)] // `criterion_group!` writes undocumented items.

use std::hint::black_box;
use std::path::PathBuf;

use affinity_embedding::SentenceEncoder;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// Titles of some 5 to 20 words, as papers have.
fn titles() -> Vec<String> {
    let words =
        "small worlds of complex networks and the theory of organic farming in cities with solar energy";
    let words: Vec<&str> = words.split(' ').collect();
    let title = |index: usize| {
        let length = 5 + index * 7 % 16;
        (0..length).map(|place| words[(index * 5 + place * 3) % words.len()]).collect::<Vec<_>>().join(" ")
    };
    (0..32).map(title).collect()
}

fn encode_benches(criterion: &mut Criterion) {
    let tiny = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../affinity-embedding/tests/models/tiny-32");
    let published = std::env::var_os("AFFINITY_EMBEDDINGS_MODEL").map(PathBuf::from);
    let titles = titles();
    let titles: Vec<&str> = titles.iter().map(String::as_str).collect();
    for folder in [Some(tiny), published].into_iter().flatten() {
        let encoder = SentenceEncoder::open(&folder).unwrap();
        assert_eq!(encoder.encode(&titles).unwrap()[7], encoder.encode(&titles[7..8]).unwrap()[0]);
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let mut group = criterion.benchmark_group(format!("embedding/encode/{name}"));
        group.throughput(Throughput::Elements(titles.len() as u64));
        group.bench_function("batch32", |bencher| {
            bencher.iter(|| encoder.encode(black_box(&titles)).unwrap())
        });
        group.finish();
    }
}

criterion_group!(benches, encode_benches);
criterion_main!(benches);
