//! Feedback on matches, as edges of relations that the server declares beside a platform's own.

use affinity_core::Schema;

/// The relation of a matcher's feedback is this and the matcher's name, as `affinity.feedback_edges` has it.
pub const FEEDBACK_RELATION_PREFIX: &str = "FEEDBACK:";

/// The matchers whose feedback a schema has relations for.
pub(super) fn feedback_matchers(schema: &Schema) -> Vec<String> {
    let relations = schema.relations().iter();
    let matchers = relations.filter_map(|relation| relation.name.strip_prefix(FEEDBACK_RELATION_PREFIX));
    matchers.map(str::to_string).collect()
}
