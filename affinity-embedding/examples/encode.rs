//! Embeds the lines of a file, and says how fast.
//!
//! ```sh
//! cargo run --release -p affinity-embedding --example encode -- MODEL_FOLDER TEXTS [VECTORS]
//! ```
//!
//! VECTORS becomes a file of 32-bit floats, little-endian, one row per line of TEXTS.
#![allow(clippy::print_stdout)] // what it has to say

use affinity_embedding::SentenceEncoder;
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, texts, vectors @ ..] = arguments.as_slice() else {
        return Err("expected MODEL_FOLDER TEXTS [VECTORS]".into());
    };
    let encoder = SentenceEncoder::open(model)?;
    let texts = std::fs::read_to_string(texts)?;
    let texts: Vec<&str> = texts.lines().collect();

    let began = Instant::now();
    let encoded = encoder.encode(&texts)?;
    println!("{:.1} texts/s by {}", texts.len() as f64 / began.elapsed().as_secs_f64(), encoder.model());
    if let [path] = vectors {
        let bytes: Vec<u8> = encoded.iter().flatten().flat_map(|component| component.to_le_bytes()).collect();
        std::fs::write(path, bytes)?;
    }
    Ok(())
}
