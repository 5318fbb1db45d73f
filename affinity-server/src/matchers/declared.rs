use affinity_core::{AttributeType, Condition, Matcher, Parallel, Relation, Schema};

use super::error::MatchersError;
use crate::platform::{MatcherText, Platform};
use crate::projection::FEEDBACK_RELATION_PREFIX;

/// Ratings up to this keep the target out of later answers.
const RATED_LOW_MAX: f64 = 2.0;

/// A platform ready to be served: its schema and matchers, each matcher with the relation of its feedback.
///
/// Whoever a source dismissed, accepted or rated low is not matched with it again by the same matcher.
///
/// ```
/// use affinity_server::matchers::Declared;
/// use affinity_server::platform::Platform;
///
/// for platform in Platform::embedded()? {
///     let declared = Declared::new(&platform, 256, platform.matchers())?;
///     let first = &declared.matchers[0];
///     assert!(declared.schema.relation(&format!("FEEDBACK:{}", first.name())).is_some());
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Declared {
    /// The platform's own kinds, relations and spaces, and the relations of feedback.
    pub schema: Schema,
    /// In the order of the texts.
    pub matchers: Vec<Matcher>,
}

/// The ends of a matcher, read before the schema that it is checked against is whole.
#[derive(serde::Deserialize)]
struct Ends {
    name: String,
    from: String,
    to: String,
}

impl Declared {
    /// Reads `texts` as matchers of `platform`; vectors have `dimension` components unless the platform says otherwise.
    ///
    /// # Errors
    /// [`MatchersError`] naming the declaration or the matcher that was refused.
    pub fn new(platform: &Platform, dimension: usize, texts: &[MatcherText]) -> Result<Self, MatchersError> {
        let mut schema = platform.schema(dimension).map_err(|source| MatchersError::Platform { source })?;
        // A text that cannot be read is refused below, with its line.
        for ends in texts.iter().filter_map(|text| toml::from_str::<Ends>(&text.text).ok()) {
            if let (Some(from), Some(to)) = (schema.kind(&ends.from), schema.kind(&ends.to)) {
                let feedback = Relation {
                    name: format!("{FEEDBACK_RELATION_PREFIX}{}", ends.name),
                    from,
                    to,
                    weighted: false,
                    timed: true,
                    compact: false,
                    symmetric: false,
                    parallel: Parallel::Single,
                    attributes: [
                        ("action".to_string(), AttributeType::Category),
                        ("rating".to_string(), AttributeType::Number),
                    ]
                    .into_iter()
                    .collect(),
                };
                schema = schema.with_relation(feedback).map_err(|source| MatchersError::Schema { source })?;
            }
        }
        let read = |text: &MatcherText| {
            let matcher = Matcher::from_toml(&text.text, &text.file, &schema)
                .map_err(|source| MatchersError::Matcher { source })?;
            with_feedback(matcher, &schema)
        };
        let matchers = texts.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { schema, matchers })
    }
}

fn with_feedback(matcher: Matcher, schema: &Schema) -> Result<Matcher, MatchersError> {
    let relation = format!("{FEEDBACK_RELATION_PREFIX}{}", matcher.name());
    let is = |action: &str| Condition {
        attribute: "action".to_string(),
        is_in: Some(vec![action.to_string()]),
        ..Condition::default()
    };
    let low = Condition { attribute: "rating".to_string(), max: Some(RATED_LOW_MAX), ..Condition::default() };
    [("dismissed before", is("dismiss")), ("accepted before", is("accept")), ("rated low before", low)]
        .into_iter()
        .try_fold(matcher, |matcher, (rule, condition)| {
            matcher.excluding(rule, &relation, vec![condition], schema)
        })
        .map_err(|source| MatchersError::Matcher { source })
}
