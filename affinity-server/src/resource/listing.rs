use super::ask::Ask;
use super::plan::Table;
use super::request::{NullsPlace, Query};
use crate::catalog::{Base, ColumnId, KeyAfter, Order, OrderValue, Predicate, Relation, Rows, Value};
use crate::problem::Problem;
use axum::http::StatusCode;

/// The keys that order rows without a tie, so that a cursor can say where one is.
#[derive(Clone, Debug, Default)]
pub(super) struct Keys {
    /// Empty when there is no such order.
    pub(super) values: Vec<Value>,
    /// Which listing this is, for the signature of its cursors.
    scope: String,
}

impl Ask<'_> {
    /// Makes the order of `rows` total, where a key allows, and has them start behind the cursor of `query`.
    ///
    /// A lenient platform keeps PostgreSQL's own order, as PostgREST's clients know it: of all rows, and where an
    /// `order` that is not paged through has ties.
    pub(super) fn paginate(&self, table: Table<'_>, query: &Query, rows: &mut Rows) -> Result<Keys, Problem> {
        let is_paged = !rows.order.is_empty() && query.window.limit.is_some();
        let wants_order = self.platform.settings.is_strict || is_paged || query.after.is_some();
        let ties = match table.relation.filter(|_| wants_order && !rows.is_grouped()) {
            Some(id) => self.tie_breakers(self.catalog.relation(id), id, rows),
            None => None,
        };
        let Some(ties) = ties else {
            return match query.after {
                Some(_) => Err(bad_cursor("rows of this listing cannot be continued by a cursor")),
                None => Ok(Keys::default()),
            };
        };
        rows.order.extend(ties);
        let mut keys = Vec::new();
        for order in &rows.order {
            let OrderValue::Own(value) = &order.by else { return Ok(Keys::default()) };
            keys.push(KeyAfter {
                value: value.clone(),
                is_descending: order.is_descending,
                nulls_first: order.nulls.map_or(order.is_descending, |nulls| nulls == NullsPlace::First),
                last: None,
            });
        }
        let (platform, schema) = (&self.platform.name, self.schema.name());
        let scope = format!("{platform}/{schema}/{}?{keys:?}", table.name);
        let values = keys.iter().map(|key| key.value.clone()).collect();
        if let Some(cursor) = &query.after {
            if rows.offset > 0 {
                return Err(bad_cursor("\"after\" and \"offset\" cannot be combined"));
            }
            let last = self.rest.cursor_key().verify(&scope, cursor).filter(|last| last.len() == keys.len());
            let Some(last) = last else {
                return Err(bad_cursor(
                    "the cursor is not one that this server gave for this listing and order",
                ));
            };
            keys.iter_mut().zip(last).for_each(|(key, last)| key.last = last);
            rows.predicates.push(Predicate::After(keys));
        }
        Ok(Keys { values, scope })
    }

    /// The columns of a key that the order lacks; `None` when there is no key that the caller may read.
    fn tie_breakers(
        &self,
        relation: &Relation,
        id: crate::catalog::RelationId,
        rows: &Rows,
    ) -> Option<Vec<Order>> {
        let is_fine = |key: &&Vec<ColumnId>| {
            !key.is_empty()
                && key.iter().all(|column| {
                    let of = relation.column(*column);
                    !of.is_nullable && !of.is_secret && !self.unreadable().contains(&(id, *column))
                })
        };
        let mut primary = std::iter::once(&relation.primary_key).filter(|key| !key.is_empty());
        let is_primary_fine =
            |key: &&Vec<ColumnId>| key.iter().all(|column| !self.unreadable().contains(&(id, *column)));
        let key = primary.find(is_primary_fine).or_else(|| relation.unique_keys.iter().find(is_fine))?;
        let is_ordered = |name: &str| {
            rows.order.iter().any(|order| match &order.by {
                OrderValue::Own(Value { base: Base::Column(column), path, .. }) => {
                    path.is_empty() && column.name() == name
                }
                _ => false,
            })
        };
        let missing = key
            .iter()
            .map(|column| relation.column(*column))
            .filter(|column| !is_ordered(column.name.name()));
        let order = missing.map(|column| Order {
            by: OrderValue::Own(Value::column(&column.name, &column.data_type.sql)),
            is_descending: false,
            nulls: None,
        });
        Some(order.collect())
    }

    /// The address of the next page: behind the last row given, or by offset where there is no key.
    pub(super) fn next_page(&self, keys: &Keys, last: Option<&[Option<String>]>, next_offset: u64) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, value) in self.pairs.iter().filter(|(name, _)| name != "after" && name != "offset") {
            query.append_pair(name, value);
        }
        match last {
            Some(last) if !keys.values.is_empty() => {
                query.append_pair("after", &self.rest.cursor_key().sign(&keys.scope, last));
            }
            _ => {
                query.append_pair("offset", &next_offset.to_string());
            }
        }
        format!("{}?{}", self.parts.uri.path(), query.finish())
    }
}

fn bad_cursor(message: &str) -> Problem {
    Problem::rest(StatusCode::BAD_REQUEST, "bad_cursor", message)
        .hint("follow the address in the header Link, rel=\"next\", unchanged but for its \"limit\"")
}
