//! Walking a graph: members by the trends they share, and personalized PageRank.

mod data;
mod affinity;
mod petgraph_peer;
mod python_peers;
mod neo4j;
mod shared;
mod page_rank;
mod measure;

pub(crate) use self::measure::measure;
