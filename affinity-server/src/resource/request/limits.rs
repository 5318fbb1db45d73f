/// How much a request may ask for. What exceeds a limit is refused with the limit's name, never cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Parameters of the query string.
    pub parameters_max: usize,
    /// Items of `select`, embeddings and what they select included.
    pub select_items_max: usize,
    /// Embeddings within embeddings.
    pub embedding_depth_max: usize,
    /// Filters, and `and` and `or`, wherever they stand.
    pub filter_terms_max: usize,
    /// `and` and `or` within each other.
    pub logic_depth_max: usize,
    /// Values of one `in`, and names of `columns` and `on_conflict`.
    pub list_length_max: usize,
    /// Arrows behind one column.
    pub json_path_length_max: usize,
    /// Terms of `order`, wherever they stand.
    pub order_terms_max: usize,
}

impl Limits {
    /// Far more than people write, far less than what would occupy the planner.
    pub const STANDARD: Self = Self {
        parameters_max: 200,
        select_items_max: 500,
        embedding_depth_max: 8,
        filter_terms_max: 200,
        logic_depth_max: 16,
        list_length_max: 2_000,
        json_path_length_max: 16,
        order_terms_max: 32,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::STANDARD
    }
}

/// What of the limits one query string has used up.
#[derive(Debug)]
pub(super) struct Budget<'l> {
    pub(super) limits: &'l Limits,
    pub(super) select_items: usize,
    pub(super) filter_terms: usize,
    pub(super) order_terms: usize,
}

impl<'l> Budget<'l> {
    pub(super) fn new(limits: &'l Limits) -> Self {
        Self { limits, select_items: 0, filter_terms: 0, order_terms: 0 }
    }
}
