use std::fmt;

/// A text that must not appear in logs, messages or debug output.
///
/// ```
/// use affinity_server::config::Secret;
///
/// let key = Secret::new("sk-123");
/// assert_eq!(key.expose(), "sk-123");
/// assert_eq!(format!("{key:?}"), "[secret]");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps `text` from being shown.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}
