#![allow(clippy::unwrap_used)]

use super::{BuiltinEmbedder, DIMENSION};
use proptest::prelude::{prop_assert, proptest};
use sha2::{Digest, Sha256};

fn cosine(left: &str, right: &str) -> f32 {
    let embedder = BuiltinEmbedder::default();
    let (left, right) = (embedder.embed(left).unwrap(), embedder.embed(right).unwrap());
    left.iter().zip(&right).map(|(l, r)| l * r).sum()
}

#[track_caller]
fn check_closer(anchor: &str, related: &str, unrelated: &str) {
    let (near, far) = (cosine(anchor, related), cosine(anchor, unrelated));
    assert!(near > far + 0.1, "\"{anchor}\": \"{related}\" {near}, \"{unrelated}\" {far}");
}

#[test]
fn related_sentences_are_closer_than_unrelated_ones() {
    let topics = [
        (
            "We sell organic skin care made from plants.",
            "Plant based organic skin care products for sensitive skin",
        ),
        (
            "Documentary series about sustainable living",
            "A film on living sustainably, in four documentaries",
        ),
        ("Electric vehicle charging for city fleets", "Charging stations for fleets of electric cars"),
        ("Machine learning for medical imaging", "Medical images read by machine-learned models"),
        ("Fair trade coffee roasted in small batches", "Small batch coffee roaster, all beans fair trade"),
        ("Recycled ocean plastics become sportswear", "Sportswear made of recycled plastic from the ocean"),
        ("Mental health coaching for remote teams", "Remote coaching on mental health and wellbeing"),
        ("Vintage furniture restored by hand", "We restore vintage chairs and other furniture"),
    ];
    for (topic, (anchor, related)) in topics.iter().enumerate() {
        for (other, (_, unrelated)) in topics.iter().enumerate() {
            if topic != other {
                check_closer(anchor, related, unrelated);
            }
        }
    }
}

#[test]
fn morphological_variants_are_close() {
    let variants = [
        ("sustainable", "sustainability"),
        ("sustainable_consumption", "consuming sustainably"),
        ("photographer", "photography"),
        ("marketing", "marketer"),
        ("educate", "education"),
        ("investments", "investing"),
    ];
    for (word, variant) in variants {
        assert!(cosine(word, variant) > 0.3, "{word} {variant} {}", cosine(word, variant));
        check_closer(word, variant, "quantum chemistry");
    }
}

#[test]
fn words_of_grammar_do_not_bring_texts_together() {
    assert!(cosine("they are in the garden with the flowers", "they are in the bank with the loans") < 0.25);
}

#[test]
fn case_punctuation_and_spacing_do_not_matter() {
    let embedder = BuiltinEmbedder::default();
    assert_eq!(embedder.embed("Sustainable-Consumption!"), embedder.embed("  sustainable consumption"));
}

#[test]
fn text_without_letters_or_digits_has_no_vector() {
    let embedder = BuiltinEmbedder::default();
    for text in ["", " \n\t", "?!… --- ***"] {
        assert_eq!(embedder.embed(text), None, "{text:?}");
    }
    assert!(embedder.embed("of").is_some());
}

/// Stored vectors live as long as the model's name: whoever changes these bytes must change the version.
#[test]
fn vectors_keep_their_bytes() {
    let embedder = BuiltinEmbedder::default();
    let mut digest = Sha256::new();
    for text in
        ["Sustainable living, documentary series", "Ein Café in Zürich für 12 Gäste", "持続可能な消費", "the"]
    {
        embedder.embed(text).unwrap().iter().for_each(|component| digest.update(component.to_le_bytes()));
    }
    let digest: String = digest.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    assert_eq!((embedder.model(), digest.as_str()), ("builtin-hash-v1/256", "3d5919dfc5cb74ed"));
}

proptest! {
    #[test]
    fn any_text_gives_a_finite_unit_vector_or_none(text in ".{0,200}") {
        if let Some(vector) = BuiltinEmbedder::default().embed(&text) {
            let norm: f32 = vector.iter().map(|component| component * component).sum();
            prop_assert!(vector.len() == DIMENSION && (norm - 1.0).abs() < 1e-4);
        }
    }
}
