//! `order`

use super::ast::{NullsPlace, OrderField, OrderTerm};
use super::cursor::Cursor;

impl Cursor<'_, '_, '_> {
    /// Terms between commas.
    pub(super) fn order(&mut self) -> Option<Vec<OrderTerm>> {
        let mut terms = vec![self.order_term()?];
        while self.optional(|cursor| cursor.char(','))?.is_some() {
            terms.push(self.order_term()?);
        }
        Some(terms)
    }

    fn order_term(&mut self) -> Option<OrderTerm> {
        self.budget.order_terms += 1;
        let (used, max) = (self.budget.order_terms, self.budget.limits.order_terms_max);
        self.within(used, "order_terms_max", max)?;
        self.spaced(|cursor| {
            cursor.either(
                |cursor| {
                    cursor.attempt(|cursor| {
                        let by = cursor.embedded_order_field()?;
                        cursor.order_modifiers(by)
                    })
                },
                |cursor| {
                    let by = OrderField::Own(cursor.field()?);
                    cursor.order_modifiers(by)
                },
            )
        })
    }

    fn embedded_order_field(&mut self) -> Option<OrderField> {
        let relation = self.name()?;
        self.char('(')?;
        let field = self.field()?;
        self.char(')')?;
        Some(OrderField::Embedded { relation, field })
    }

    fn order_modifiers(&mut self, by: OrderField) -> Option<OrderTerm> {
        let is_descending = self.modifier([("asc", false), ("desc", true)])?.unwrap_or(false);
        let nulls = self.modifier([("nullsfirst", NullsPlace::First), ("nullslast", NullsPlace::Last)])?;
        let is_end = self.peek_char(',').is_some() || self.end().is_some();
        is_end.then_some(OrderTerm { by, is_descending, nulls })
    }

    fn modifier<T: Copy, const N: usize>(&mut self, words: [(&'static str, T); N]) -> Option<Option<T>> {
        self.optional(|cursor| {
            words.into_iter().find_map(|(word, meaning)| {
                cursor.attempt(|cursor| {
                    cursor.delimiter()?;
                    cursor.text(word)?;
                    Some(meaning)
                })
            })
        })
    }
}
