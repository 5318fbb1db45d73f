use reqwest::Url;

use crate::catalog::{Identifier, ServedPlatform};

/// The key of a component: the platform, the schema unless it is the platform's first, and the name. Whatever a key
/// may not hold is written as its number.
pub(super) fn component_key(platform: &ServedPlatform, schema: &Identifier, name: &str) -> String {
    let mut key = platform.name.clone();
    if platform.schemas.first() != Some(schema) {
        key.push('.');
        key.push_str(schema.name());
    }
    key.push('.');
    key.push_str(name);
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    key.chars()
        .map(|letter| if plain(letter) { letter.to_string() } else { format!("-{:x}", u32::from(letter)) })
        .collect()
}

/// `/rest/` and the segments, percent-encoded.
pub(super) fn rest_path(segments: &[&str]) -> String {
    let Ok(mut url) = Url::parse("http://localhost/rest") else { return String::new() };
    if let Ok(mut path) = url.path_segments_mut() {
        path.extend(segments);
    }
    // Braces would be a variable of the path.
    url.path().replace('{', "%7B").replace('}', "%7D")
}

/// A column's name as the grammar of queries takes it.
pub(super) fn query_name(name: &str) -> String {
    let is_plain = name.chars().all(|letter| letter.is_alphanumeric() || "_$".contains(letter));
    if is_plain {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))
    }
}
