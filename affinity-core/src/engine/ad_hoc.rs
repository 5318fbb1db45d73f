//! A source that is described in the query and not in the graph.

use std::collections::HashMap;

use super::error::QueryError;
use super::query::{AdHocSource, LINKS_MAX, Link};
use super::recommend::at_most;
use super::version::Engine;
use crate::graph::{Key, Relation, Sight, SpaceSpec, Step, Viewer, type_of};
use crate::matcher::Matcher;
use crate::signals::{Source, cells_of};

impl Engine {
    pub(super) fn ad_hoc(
        &self,
        described: &AdHocSource,
        matcher: &Matcher,
        viewer: &Viewer,
    ) -> Result<Source, QueryError> {
        at_most("links", described.links.len(), LINKS_MAX)?;
        let schema = self.schema();
        let kind = &schema.kinds()[matcher.from.index()];
        for (name, value) in &described.attributes {
            let Some((_, expected)) = kind.attributes.find(name) else {
                let allowed = kind.attributes.entries().iter().map(|(known, _)| known.clone()).collect();
                return Err(QueryError::UnknownName { what: "attribute", got: name.clone(), allowed });
            };
            let got = type_of(value);
            if got != expected {
                return Err(QueryError::WrongType { attribute: name.clone(), expected, got });
            }
        }
        let mut vectors = HashMap::new();
        for (name, vector) in &described.vectors {
            let fitting = |space: &&SpaceSpec| space.kind == matcher.from;
            let id = schema.space(name).filter(|id| fitting(&&schema.spaces()[id.index()]));
            let Some(id) = id else {
                let allowed =
                    schema.spaces().iter().filter(fitting).map(|space| space.name.clone()).collect();
                return Err(QueryError::UnknownName { what: "space", got: name.clone(), allowed });
            };
            self.spaces[id.index()].prepare(vector)?;
            vectors.insert(id, vector.clone());
        }
        let (cells, words) = cells_of(&self.graph, matcher.from, &described.attributes);
        let mut source = Source {
            kind: matcher.from,
            node: None,
            key: Key::from(""),
            name: described.name.as_str().into(),
            cells,
            words,
            links: HashMap::new(),
            vectors,
        };
        for link in &described.links {
            self.add_link(link, matcher, viewer, &mut source)?;
        }
        for steps in source.links.values_mut() {
            steps.sort_by_key(|step| step.target);
            steps.dedup_by_key(|step| step.target);
        }
        Ok(source)
    }

    fn add_link(
        &self,
        link: &Link,
        matcher: &Matcher,
        viewer: &Viewer,
        source: &mut Source,
    ) -> Result<(), QueryError> {
        let schema = self.schema();
        let starts = |relation: &Relation| if link.reversed { relation.to } else { relation.from };
        let ends = |relation: &Relation| if link.reversed { relation.from } else { relation.to };
        let id = schema
            .relation(&link.relation)
            .filter(|id| starts(&schema.relations()[id.index()]) == matcher.from);
        let Some(id) = id else {
            let fitting = schema.relations().iter().filter(|relation| starts(relation) == matcher.from);
            let allowed = fitting.map(|relation| relation.name.clone()).collect();
            return Err(QueryError::UnknownName { what: "relation", got: link.relation.clone(), allowed });
        };
        let declared = &schema.relations()[id.index()];
        if !link.weight.is_finite() || link.weight < 0.0 {
            let (field, got) = ("links.weight".to_string(), f64::from(link.weight));
            return Err(QueryError::OutOfRange { field, got, expected: "a finite number from 0" });
        }
        let seconds = link.at.map_or(0, |at| at.micros().div_euclid(1_000_000));
        let time = u32::try_from(seconds).map_err(|_| QueryError::OutOfRange {
            field: "links.at".to_string(),
            got: f64::NAN,
            expected: "a time from 1970 to 2106",
        })?;
        let kind = ends(declared);
        let nodes = self.graph.nodes(kind);
        let sight = Sight::new(viewer, self.graph.audiences());
        let found = nodes.find(&link.key).filter(|node| sight.sees(nodes.audience(*node)));
        let target = found.ok_or_else(|| QueryError::UnknownNode {
            kind: schema.kinds()[kind.index()].name.clone(),
            key: link.key.clone(),
        })?;
        let weight = if declared.weighted { link.weight } else { 1.0 };
        source.links.entry((id, link.reversed)).or_default().push(Step { target, weight, time });
        Ok(())
    }
}
