//! The rows of vector search.

use std::cell::RefCell;
use std::hint::black_box;
use std::rc::Rc;

use affinity_core::vector::Codes;

use super::affinity::Affinity;
use super::contender::{Ask, Contender, beam_for, is_allowed};
use super::data::{Data, scan, words};
use super::python_peers::PythonPeer;
use super::rust_peers::{HnswRs, Usearch};
use crate::python::Script;
use crate::rounds::{Measured, medians, timed};
use crate::setting::Setting;
use crate::table::{Better, Row, Table};

/// Recall that a filtered search must have.
const FILTERED_RECALL: f64 = 0.95;

pub(crate) fn measure(setting: &Setting, table: &mut Table) {
    let sizes: &[(usize, usize, usize)] =
        if setting.is_small { &[(4_000, 64, 100)] } else { &[(200_000, 384, 300), (100_000, 1_536, 300)] };
    let is_wanted = |dimension: usize| setting.dimension.is_none_or(|wanted| wanted == dimension);
    for (count, dimension, query_count) in sizes.iter().filter(|(_, dimension, _)| is_wanted(*dimension)) {
        let (count, query_count) = (setting.count.unwrap_or(*count), *query_count);
        measure_size(setting, &Data::new(&setting.target, count, *dimension, query_count), table);
        table.write(&setting.target);
    }
}

fn measure_size(setting: &Setting, data: &Data, table: &mut Table) {
    exact(setting, data, table);
    let mut plain = Affinity::new(Codes::None);
    let build = plain.build(data).unwrap();
    let (mut bytes, mut bits) = (plain.coded(Codes::U8), plain.coded(Codes::Binary));
    let python = Script::start(&setting.target, "vectors.py").map(|script| Rc::new(RefCell::new(script)));
    let library = |library| PythonPeer { library, script: python.clone() };
    let mut peers: Vec<Box<dyn Contender>> = vec![
        Box::new(library("hnswlib")),
        Box::new(library("faiss")),
        Box::new(library("usearch")),
        Box::new(Usearch::default()),
        Box::new(HnswRs::default()),
    ];
    for peer in peers.iter_mut().filter(|peer| setting.wants_peer(&peer.name())) {
        let rows = Rows { setting, data, peer: peer.name() };
        match peer.build(data) {
            Err(reason) => rows.missing(table, &reason),
            Ok(theirs) => {
                let case = rows.case("build");
                rows.push(table, case, "seconds", Better::Less, (Some(build), Some(theirs)), 1.0 / 1.3);
                rows.searches(table, &mut plain, peer.as_mut(), 1.0);
                rows.searches(table, &mut bytes, peer.as_mut(), 1.5);
                // One bit says too little of fewer components.
                if data.dimension >= 1_000 {
                    rows.searches(table, &mut bits, peer.as_mut(), 1.5);
                }
                rows.memory(table, [&mut plain, &mut bytes, &mut bits], peer.as_mut());
                if peer.name().contains("Rust") {
                    rows.filtered(table, &mut plain, peer.as_mut());
                }
            }
        }
    }
    filtered_and_exact(setting, data, table, &mut plain);
}

/// The rows of one peer.
struct Rows<'a> {
    setting: &'a Setting,
    data: &'a Data,
    peer: String,
}

impl Rows<'_> {
    fn case(&self, operation: &str) -> String {
        format!("vectors/{operation}/{}", self.data.name)
    }

    fn missing(&self, table: &mut Table, reason: &str) {
        table.push(Row {
            case: self.case("search"),
            peer: self.peer.clone(),
            unit: "queries per second",
            better: Better::More,
            ours: None,
            theirs: None,
            goal: None,
            note: format!("not measured: {reason}"),
        });
    }

    fn push(
        &self,
        table: &mut Table,
        case: String,
        unit: &'static str,
        better: Better,
        (ours, theirs): (Option<f64>, Option<f64>),
        goal: f64,
    ) {
        let (ours, theirs) = (ours.map(Measured::exactly), theirs.map(Measured::exactly));
        let (peer, goal, note) = (self.peer.clone(), Some(goal), String::new());
        table.push(Row { case, peer, unit, better, ours, theirs, goal, note });
    }

    fn searches(&self, table: &mut Table, ours: &mut Affinity, peer: &mut dyn Contender, goal: f64) {
        for limit in [10, 50] {
            for recall in [0.95, 0.99] {
                let case = format!("{}/{}/k{limit}/recall{recall}", self.case("search"), variant(ours.codes));
                let ask = Ask { limit, beam: 0, truth: &self.data.truth, allowed: 100 };
                self.at_recall(table, case, (ours, peer), ask, (recall, goal));
            }
        }
    }

    fn filtered(&self, table: &mut Table, ours: &mut Affinity, peer: &mut dyn Contender) {
        for percent in [1, 10, 50] {
            let truth = self.data.nearest(&|node| is_allowed(node, percent), 10);
            let case = format!("{}/k10/allowed{percent}%", self.case("filtered"));
            let ask = Ask { limit: 10, beam: 0, truth: &truth, allowed: percent };
            self.at_recall(table, case, (ours, peer), ask, (FILTERED_RECALL, 1.0));
        }
    }

    /// Queries per second of both, each with its narrowest beam for the recall, in turns.
    fn at_recall(
        &self,
        table: &mut Table,
        case: String,
        (ours, peer): (&mut Affinity, &mut dyn Contender),
        ask: Ask<'_>,
        (recall, goal): (f64, f64),
    ) {
        let our_beam = beam_for(ours, self.data, ask, recall).unwrap();
        let their_beam = beam_for(peer, self.data, ask, recall);
        let (Some(our_beam), Ok(Some(their_beam))) = (our_beam, &their_beam) else {
            let (peer, note) =
                (self.peer.clone(), format!("recall not reached: {our_beam:?}, peer {their_beam:?}"));
            let (unit, better) = ("queries per second", Better::More);
            let goal = Some(goal);
            table.push(Row { case, peer, unit, better, ours: None, theirs: None, goal, note });
            return;
        };
        let mut first = || 1.0 / ours.search(self.data, Ask { beam: our_beam.0, ..ask }).unwrap().seconds;
        let mut second = || 1.0 / peer.search(self.data, Ask { beam: their_beam.0, ..ask }).unwrap().seconds;
        let measured = medians(self.setting.rounds, &mut [&mut first, &mut second]);
        let note = format!(
            "beam {} (recall {:.3}), peer {} ({:.3})",
            our_beam.0, our_beam.1, their_beam.0, their_beam.1
        );
        table.push(Row {
            case,
            peer: self.peer.clone(),
            unit: "queries per second",
            better: Better::More,
            ours: Some(measured[0]),
            theirs: Some(measured[1]),
            goal: Some(goal),
            note,
        });
    }

    fn memory(&self, table: &mut Table, ours: [&mut Affinity; 3], peer: &mut dyn Contender) {
        let theirs = peer.bytes_per_vector(self.data);
        for ours in ours {
            let case = format!("{}/{}", self.case("memory"), variant(ours.codes));
            let own = ours.bytes_per_vector(self.data);
            self.push(table, case, "bytes per vector", Better::Less, (own, theirs), 1.0);
        }
    }
}

fn variant(codes: Codes) -> &'static str {
    if codes == Codes::None { "f32" } else { codes.name() }
}

/// The exact scan beside reading the same memory, in gigabytes per second.
fn exact(setting: &Setting, data: &Data, table: &mut Table) {
    let space = data.space(usize::MAX, Codes::None);
    let query = space.prepare(&data.queries[..data.dimension]).unwrap();
    let gigabytes = (data.base.len() * 4) as f64 / 1e9;
    let mut found = Vec::new();
    let mut scanned = || {
        let mut allowed = |_: usize, present: u64| present;
        gigabytes / timed(|| space.scan(scan(&query, 10, &mut allowed), &mut found).unwrap()).1
    };
    let mut read = || {
        let lanes = || {
            let mut sums = [0_u32; 32];
            for page in space.pages().iter().flatten() {
                for chunk in page.components().as_chunks::<32>().0 {
                    sums.iter_mut().zip(chunk).for_each(|(sum, number)| *sum ^= number.to_bits());
                }
            }
            sums
        };
        gigabytes / timed(|| black_box(lanes())).1
    };
    let measured = medians(setting.rounds, &mut [&mut scanned, &mut read]);
    table.push(Row {
        case: format!("vectors/exact/{}", data.name),
        peer: "reading the same memory".to_string(),
        unit: "GB per second",
        better: Better::More,
        ours: Some(measured[0]),
        theirs: Some(measured[1]),
        goal: Some(0.85),
        note: String::new(),
    });
}

/// Filtered search beside the exact scan of the allowed set.
fn filtered_and_exact(setting: &Setting, data: &Data, table: &mut Table, ours: &mut Affinity) {
    let space = data.space(usize::MAX, Codes::None);
    for percent in [1, 10, 50] {
        let truth = data.nearest(&|node| is_allowed(node, percent), 10);
        let ask = Ask { limit: 10, beam: 0, truth: &truth, allowed: percent };
        let Some((beam, recall)) = beam_for(ours, data, ask, FILTERED_RECALL).unwrap() else { continue };
        let words = words(data.count(), &|node| is_allowed(node, percent));
        let queries: Vec<_> = data.asked().map(|query| space.prepare(query).unwrap()).collect();
        let mut found = Vec::new();
        let mut first = || 1.0 / ours.search(data, Ask { beam, ..ask }).unwrap().seconds;
        let mut second = || {
            let ((), seconds) = timed(|| {
                for query in &queries {
                    let mut allowed = |page: usize, wanted: u64| wanted & words[page];
                    space.scan(scan(query, 10, &mut allowed), &mut found).unwrap();
                }
            });
            queries.len() as f64 / seconds
        };
        let measured = medians(setting.rounds, &mut [&mut first, &mut second]);
        table.push(Row {
            case: format!("vectors/filtered/{}/k10/allowed{percent}%", data.name),
            peer: "exact scan of the allowed".to_string(),
            unit: "queries per second",
            better: Better::More,
            ours: Some(measured[0]),
            theirs: Some(measured[1]),
            goal: Some(0.9),
            note: format!("beam {beam} (recall {recall:.3})"),
        });
    }
}
