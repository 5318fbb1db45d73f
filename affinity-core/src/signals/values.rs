//! Two attribute values side by side, as evidence.

use super::context::Context;
use super::evidence::{Evidence, EvidenceList};
use crate::graph::{AttributeId, Cell, Value};

/// The source's and the candidate's value of what was compared; nothing when either is absent.
pub(super) fn compared(
    context: &Context<'_>,
    attribute: AttributeId,
    source: &Cell,
    target: &Cell,
) -> EvidenceList {
    let text = |cell: &Cell| match context.graph.value(cell)? {
        Value::Number(number) => Some(number.to_string()),
        Value::Category(text) | Value::Text(text) => Some(text),
        Value::Tags(tags) => Some(tags.join(", ")),
        Value::Time(time) => Some(time.to_string()),
    };
    let name = context.graph.schema().kinds()[context.to.index()].attributes.name(attribute);
    match (text(source), text(target)) {
        (Some(source), Some(target)) => {
            EvidenceList::one(Evidence::Values { attribute: name.to_string(), source, target })
        }
        _ => EvidenceList::default(),
    }
}
