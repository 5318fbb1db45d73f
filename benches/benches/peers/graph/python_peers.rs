//! Peers that Python calls: scipy, implicit and scikit-network, all compiled, and the driver of Neo4j.

use serde_json::{Value, json};

use super::data::{AFFINITIES, Data, Found, LIMIT, SHARED_MIN};
use crate::python::Script;
use crate::setting::Setting;

/// The script `graph.py` with a graph loaded.
pub(crate) struct Python<'a> {
    script: Script,
    data: &'a Data,
    versions: Value,
}

impl<'a> Python<'a> {
    pub(crate) fn start(setting: &Setting, data: &'a Data) -> Result<Self, String> {
        let mut script = Script::start(&setting.target, "graph.py")?;
        let versions = script.ask(&json!({ "ask": "versions" }))?;
        script.ask(&json!({
            "ask": "load", "folder": data.folder, "members": data.counts[0], "trends": data.counts[1],
            "each": AFFINITIES, "places": data.place_count(),
        }))?;
        Ok(Self { script, data, versions })
    }

    pub(crate) fn name(&self, package: &str) -> String {
        format!("{package} {} (Python)", self.versions[package].as_str().unwrap_or(""))
    }

    /// What a library answers to `queries`, and its seconds.
    pub(crate) fn shared(&mut self, library: &str, queries: &[usize]) -> Result<(Vec<Found>, f64), String> {
        self.found(&json!({
            "ask": "shared", "library": library, "queries": queries, "limit": LIMIT, "least": SHARED_MIN,
        }))
    }

    /// What Neo4j answers to `queries`, and the seconds on the wall.
    pub(crate) fn neo4j(&mut self, port: u16, queries: &[usize]) -> Result<(Vec<Found>, f64), String> {
        self.found(&json!({ "ask": "neo4j", "port": port, "queries": queries }))
    }

    fn found(&mut self, request: &Value) -> Result<(Vec<Found>, f64), String> {
        let answer = self.script.ask(request)?;
        let found = serde_json::from_value(answer["found"].clone()).map_err(|error| error.to_string())?;
        Ok((found, answer["seconds"].as_f64().unwrap_or(f64::NAN)))
    }

    /// The ranks of all places for the last of `queries`, and the seconds for all of them.
    pub(crate) fn page_rank(
        &mut self,
        queries: &[usize],
        iterations: usize,
    ) -> Result<(Vec<f64>, f64), String> {
        let answer = self.script.ask(&json!({
            "ask": "page_rank", "queries": queries, "iterations": iterations, "damping": 0.85,
            "folder": self.data.folder,
        }))?;
        let bytes = std::fs::read(self.data.folder.join("scores.f64")).map_err(|error| error.to_string())?;
        let (numbers, _) = bytes.as_chunks();
        let scores = numbers.iter().map(|number| f64::from_le_bytes(*number)).collect();
        Ok((scores, answer["seconds"].as_f64().unwrap_or(f64::NAN)))
    }
}
