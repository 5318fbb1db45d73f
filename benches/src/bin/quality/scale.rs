//! `scale`: what it costs to fit local EASE to a large made-up graph.

use affinity_core::filtering::{InteractionsBuilder, LocalEaseParams};

use crate::cost::cpu_seconds;
use crate::protocol::count;
use crate::result::DatasetResult;
use crate::seeded::mix;

/// Items of a user.
const ITEMS_OF_USER: u64 = 14;
/// The item-item model of the widest neighborhoods that are asked for.
const PARAMS: LocalEaseParams = LocalEaseParams { neighbors: 100, ..LocalEaseParams::STANDARD };

/// Users with a taste for one corner of the items and for a few popular ones, 4 users for 3 items.
pub(crate) fn run(node_count: u32) -> DatasetResult {
    let (item_count, mut edge_count) = (node_count / 7 * 3, 0);
    let mut builder = InteractionsBuilder::new(item_count as usize);
    for user in 0..node_count - item_count {
        let pick = |turn: u64| {
            let random = mix(u64::from(user) * ITEMS_OF_USER + turn);
            // One in five is popular, and of those the first are more popular than the last.
            let popular =
                (random % 1_000) * (random / 1_000 % 1_000) * u64::from(item_count / 20) / 1_000_000;
            let own = u64::from(user) * 3 / 4 + random % 300;
            let item = if turn.is_multiple_of(5) { popular } else { own };
            u32::try_from(item % u64::from(item_count)).unwrap_or(0)
        };
        let mut items: Vec<(u32, f32)> = (0..ITEMS_OF_USER).map(|turn| (pick(turn), 1.0)).collect();
        items.sort_unstable_by_key(|(item, _)| *item);
        items.dedup_by_key(|(item, _)| *item);
        edge_count += items.len();
        builder.push_user(&items);
    }
    let interactions = builder.build();
    let began = cpu_seconds();
    let rows = PARAMS.fit(&interactions);
    let fit_cpu_s = cpu_seconds() - began;
    let weight_count: usize = (0..rows.item_count()).map(|item| rows.row(item).0.len()).sum();
    let mut result = DatasetResult::fitted(format!("{node_count} nodes, {edge_count} edges"), fit_cpu_s)
        .parameter("neighbors", PARAMS.neighbors);
    result.metrics.insert("weights".to_string(), count(weight_count));
    result
}
