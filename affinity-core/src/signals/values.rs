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
    let text = |value: Option<Value>| match value? {
        Value::Number(number) => Some(number.to_string()),
        Value::Category(text) | Value::Text(text) => Some(text),
        Value::Tags(tags) => Some(tags.join(", ")),
        Value::Time(time) => Some(time.to_string()),
    };
    let name = context.graph.schema().kinds()[context.to.index()].attributes.name(attribute);
    match (text(context.source.value(context.graph, source)), text(context.graph.value(target))) {
        (Some(source), Some(target)) => {
            EvidenceList::one(Evidence::Values { attribute: name.to_string(), source, target })
        }
        _ => EvidenceList::default(),
    }
}
