//! Peers that Python calls: hnswlib, faiss and usearch, all compiled.

use std::cell::RefCell;
use std::rc::Rc;

use serde_json::{Value, json};

use super::contender::{Ask, BUILD_BEAM, Contender, LINKS_MAX, Ran, recall};
use super::data::Data;
use crate::python::Script;

/// One library in the script `vectors.py`, which all of them share.
pub(crate) struct PythonPeer {
    pub(crate) library: &'static str,
    pub(crate) script: Result<Rc<RefCell<Script>>, String>,
}

impl PythonPeer {
    fn ask(&self, request: Value) -> Result<Value, String> {
        self.script.as_ref().map_err(Clone::clone)?.borrow_mut().ask(&request)
    }
}

impl Contender for PythonPeer {
    fn name(&self) -> String {
        let versions = self.ask(json!({ "ask": "versions" })).unwrap_or_default();
        format!("{} {} (Python)", self.library, versions[self.library].as_str().unwrap_or(""))
    }

    fn build(&mut self, data: &Data) -> Result<f64, String> {
        let built = self.ask(json!({
            "ask": "build", "library": self.library, "folder": data.folder, "dimension": data.dimension,
            "links_max": LINKS_MAX, "build_beam": BUILD_BEAM,
        }))?;
        built["seconds"].as_f64().ok_or_else(|| built.to_string())
    }

    fn bytes_per_vector(&mut self, data: &Data) -> Option<f64> {
        let answer = self.ask(json!({ "ask": "bytes", "library": self.library })).ok()?;
        Some(answer["bytes"].as_f64()? / data.count() as f64)
    }

    fn search(&mut self, _: &Data, ask: Ask<'_>) -> Result<Ran, String> {
        let answer = self.ask(json!({
            "ask": "search", "library": self.library, "limit": ask.limit, "beam": ask.beam,
        }))?;
        let found: Vec<Vec<usize>> =
            serde_json::from_value(answer["found"].clone()).map_err(|error| error.to_string())?;
        let seconds = answer["seconds"].as_f64().unwrap_or(f64::NAN);
        Ok(Ran { seconds: seconds / found.len() as f64, recall: recall(&found, ask) })
    }
}
