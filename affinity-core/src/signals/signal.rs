//! What every kind of evidence offers: candidates, one number each, and the reasons.

use std::fmt;

use crate::graph::NodeId;

use super::accumulator::Scratch;
use super::context::Context;
use super::evidence::EvidenceList;
use super::shortlist::Expansion;

/// One kind of evidence, configured.
///
/// An embedding application can bring its own:
///
/// ```
/// use affinity_core::{Context, EvidenceList, NodeId, Reading, Scratch, Signal, Value};
///
/// /// 1 for a match in the same city, absent for everyone else.
/// #[derive(Debug)]
/// struct SameCity;
///
/// struct SameCityReading<'q>(Context<'q>);
///
/// impl Signal for SameCity {
///     fn read<'q>(&'q self, context: Context<'q>, _: &mut Scratch) -> Box<dyn Reading + 'q> {
///         Box::new(SameCityReading(context))
///     }
/// }
///
/// impl Reading for SameCityReading<'_> {
///     fn measure(&self, candidates: &[NodeId], raw: &mut [f64]) {
///         let home = self.0.source_value("city");
///         for (candidate, raw) in candidates.iter().zip(raw) {
///             if home.is_some() && self.0.target_value(*candidate, "city") == home {
///                 *raw = 1.0;
///             }
///         }
///     }
///     fn evidence(&self, _: NodeId, _: usize) -> EvidenceList {
///         EvidenceList::default()
///     }
/// }
/// ```
pub trait Signal: Send + Sync + fmt::Debug {
    /// Looks at the source once; what is found is then asked about candidates.
    fn read<'q>(&'q self, context: Context<'q>, scratch: &mut Scratch) -> Box<dyn Reading + 'q>;
}

/// A signal's findings for one query.
pub trait Reading {
    /// The best `cap` nodes by this signal that `allows` accepts; by default none: not every signal can search.
    fn expand(&self, cap: usize, allows: &dyn Fn(NodeId) -> bool) -> Expansion {
        let _ = (cap, allows);
        Expansion::default()
    }

    /// Writes the value of each candidate before calibration, finite and not negative.
    ///
    /// `raw` has one entry per candidate and comes filled with NaN, which means absent: nothing to say.
    fn measure(&self, candidates: &[NodeId], raw: &mut [f64]);

    /// Why the candidate has its value, strongest first, at most `limit` pieces.
    fn evidence(&self, candidate: NodeId, limit: usize) -> EvidenceList;

    /// [`Reading::evidence`] of each candidate, for signals that find the evidence of many in less time than that of each
    /// by itself.
    fn evidence_of_each(&self, candidates: &[NodeId], limit: usize) -> Vec<EvidenceList> {
        candidates.iter().map(|candidate| self.evidence(*candidate, limit)).collect()
    }

    /// Gives borrowed memory back.
    fn release(self: Box<Self>, scratch: &mut Scratch) {
        let _ = scratch;
    }
}
