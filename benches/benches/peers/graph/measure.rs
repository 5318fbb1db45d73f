//! The graphs that are measured.

use super::affinity::Affinity;
use super::data::Data;
use super::python_peers::Python;
use super::{page_rank, shared};
use crate::setting::Setting;
use crate::table::Table;

/// Members, what is added to a trend's rank, and members asked about.
const GRAPHS: [(usize, usize, usize); 4] =
    [(200_000, 10, 100), (200_000, 1, 100), (1_000_000, 10, 50), (1_000_000, 1, 50)];

pub(crate) fn measure(setting: &Setting, table: &mut Table) {
    let graphs = if setting.is_small { &[(4_000, 10, 20)] } else { &GRAPHS[..] };
    for (members, shift, queries) in graphs {
        if setting.count.is_some_and(|count| count != *members) {
            continue;
        }
        let data = Data::new(&setting.target, *members, *shift, *queries);
        let mut affinity = Affinity::build(&data);
        let mut python = Python::start(setting, &data);
        shared::measure(setting, &data, &mut affinity, &mut python, table);
        page_rank::measure(setting, &data, &mut affinity, &mut python, table);
        table.write(&setting.target);
    }
}
