//! The rows of vector search.

use crate::python::Script;
use crate::rounds::{Measured, medians};
use crate::setting::Setting;
use crate::table::{Better, Row, Table};

pub(crate) fn measure(setting: &Setting, table: &mut Table) {
    let python = Script::start(&setting.target, "vectors.py")
        .and_then(|mut script| script.ask(&serde_json::json!({ "ask": "versions" })));
    let mut turn = || 1.0;
    let ours = medians(setting.rounds, &mut [&mut turn])[0];
    table.push(Row {
        case: "vectors/skeleton".to_string(),
        peer: "python".to_string(),
        unit: "1",
        better: Better::More,
        ours: Some(ours),
        theirs: python.is_ok().then(|| Measured::exactly(1.0)),
        goal: None,
        note: python.map_or_else(|error| error, |versions| versions.to_string()),
    });
}
