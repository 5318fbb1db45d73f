//! A comparison of systems as sections of a report.

use super::content::{Bar, Bars, Cell, Curve, Section, Table};
use crate::evaluation::{Interval, Reliability, SegmentSummary, Summary, SystemSummary};

impl Summary {
    /// Bars of NDCG, a table of all measures and one of the segments.
    #[must_use]
    pub fn sections(&self) -> Vec<Section> {
        let k = self.k;
        let bar =
            |system: &SystemSummary| Bar { label: system.name.clone(), value: system.ndcg, reference: None };
        let first = self.systems.first().map_or("", |system| system.name.as_str());
        let row = |system: &SystemSummary| {
            let numbers = [
                system.ndcg,
                system.recall,
                system.reciprocal_rank,
                system.average_precision,
                system.coverage,
                system.concentration,
                system.novelty,
                system.lead,
            ];
            [Cell::Text(system.name.clone())].into_iter().chain(numbers.map(Cell::Number)).collect()
        };
        let mut sections = vec![
            Section::Bars(Bars {
                title: format!("NDCG@{k}"),
                note: format!(
                    "How early the {k} best come to what people chose, with intervals over {} queries.",
                    self.query_count
                ),
                bars: self.systems.iter().map(bar).collect(),
            }),
            Section::Table(Table {
                title: "All measures".to_string(),
                note: format!(
                    "Coverage is the share of the catalog recommended, concentration the Gini coefficient of \
                     recommendations per item, novelty the bits of surprise. The lead is by how much the NDCG of {first} \
                     is above; an interval above 0 is beyond noise."
                ),
                columns: [
                    "system".to_string(),
                    format!("NDCG@{k}"),
                    format!("recall@{k}"),
                    "MRR".to_string(),
                    "average precision".to_string(),
                    "coverage".to_string(),
                    "concentration".to_string(),
                    "novelty".to_string(),
                    format!("lead of {first}"),
                ]
                .to_vec(),
                rows: self.systems.iter().map(row).collect(),
            }),
        ];
        if !self.segments.is_empty() {
            sections.push(self.by_segment());
        }
        sections
    }

    fn by_segment(&self) -> Section {
        let names = self.systems.iter().map(|system| system.name.clone());
        let row = |segment: &SegmentSummary| {
            let start = [Cell::Text(segment.name.clone()), Cell::Count(segment.query_count)];
            let numbers = segment.ndcg.iter().map(|interval: &Interval| Cell::Number(*interval));
            start.into_iter().chain(numbers).collect()
        };
        Section::Table(Table {
            title: format!("NDCG@{} by segment", self.k),
            note: String::new(),
            columns: ["segment".to_string(), "queries".to_string()].into_iter().chain(names).collect(),
            rows: self.segments.iter().map(row).collect(),
        })
    }
}

impl Reliability {
    /// The diagram with its error.
    #[must_use]
    pub fn section(&self, title: impl Into<String>) -> Section {
        let error = Cell::Number(self.expected_calibration_error).text();
        Section::Curve(Curve {
            title: title.into(),
            note: format!(
                "On the line, probabilities mean what they say. Expected calibration error {error}."
            ),
            reliability: self.clone(),
        })
    }
}
