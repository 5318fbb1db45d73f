//! Affinity beside what users would pick instead, on the same inputs, in one run.
//!
//! `cargo bench -p benches --features peers -- [option..] [family..]` measures the families named, or all of them,
//! prints a Markdown table and writes `target/peers.md` and `target/peers.json`. A family is a module with one function,
//! `measure`, that adds [`table::Row`]s: every input is made once, every answer is checked before anything is timed,
//! Affinity and its peers take turns ([`rounds::medians`]) in processor
//! time ([`rounds::cpu_seconds`]), and a peer that cannot be had is a row that says so.
#![allow(missing_docs, clippy::unwrap_used)] // a benchmark: what cannot be measured ends it
#![allow(clippy::cast_possible_truncation)] // keys of 64 bits are positions

mod graph;
mod python;
mod rounds;
mod setting;
mod table;
mod vectors;

use self::setting::Setting;
use self::table::Table;

/// A family's name and the function that measures it.
type Family = (&'static str, fn(&Setting, &mut Table));

const FAMILIES: [Family; 2] = [("vectors", vectors::measure), ("graph", graph::measure)];

fn main() {
    let setting = Setting::from_arguments();
    let mut table = Table::default();
    for (name, measure) in FAMILIES {
        if setting.wants(name) {
            measure(&setting, &mut table);
            table.write(&setting.target); // after each family: what is measured is not lost with what comes next
        }
    }
    print!("{}", table.markdown());
}
