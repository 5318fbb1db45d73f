//! `select`

use super::ast::{Aggregate, EmbedJoin, EmbedKind, Embedding, Query, SelectItem};
use super::cursor::Cursor;

/// What comes before the parenthesis of an embedding.
struct EmbedHead {
    kind: EmbedKind,
    alias: Option<String>,
    relation: String,
    hint: Option<String>,
    join: Option<EmbedJoin>,
}

impl Cursor<'_, '_, '_> {
    /// Items between commas, perhaps none, `depth` embeddings deep.
    pub(super) fn select(&mut self, depth: usize) -> Option<Vec<SelectItem>> {
        let items = self.optional(|cursor| cursor.list(|cursor| cursor.select_item(depth)))?;
        Some(items.unwrap_or_default())
    }

    fn select_item(&mut self, depth: usize) -> Option<SelectItem> {
        let head = self.optional(|cursor| {
            cursor.either(
                |cursor| cursor.attempt(|cursor| cursor.embed_head(EmbedKind::Spread)),
                |cursor| cursor.attempt(|cursor| cursor.embed_head(EmbedKind::Nested)),
            )
        })?;
        let item = match head {
            Some(head) => SelectItem::Embed(self.embedding(head, depth + 1)?),
            None => self.spaced(|cursor| {
                cursor.either(Self::star, |cursor| cursor.either(Self::bare_count, Self::select_field))
            })?,
        };
        self.budget.select_items += 1;
        let (used, max) = (self.budget.select_items, self.budget.limits.select_items_max);
        self.within(used, "select_items_max", max)?;
        Some(item)
    }

    fn embedding(&mut self, head: EmbedHead, depth: usize) -> Option<Embedding> {
        let EmbedHead { kind, alias, relation, hint, join } = head;
        let max = self.budget.limits.embedding_depth_max;
        self.within(depth, "embedding_depth_max", max)?;
        self.char('(')?;
        let query = Query { select: self.select(depth)?, ..Query::default() };
        self.char(')')?;
        Some(Embedding { relation, alias, hint, join, kind, query })
    }

    fn embed_head(&mut self, kind: EmbedKind) -> Option<EmbedHead> {
        self.spaced(|cursor| {
            let alias = match kind {
                EmbedKind::Spread => {
                    cursor.text("...")?;
                    None
                }
                EmbedKind::Nested => cursor.alias()?,
            };
            let relation = cursor.name().filter(|name| name != "count")?;
            let (mut hint, mut join) = (None, None);
            while cursor.optional(|cursor| cursor.char('!'))?.is_some() {
                match cursor.name()?.as_str() {
                    "inner" if join.is_none() => join = Some(EmbedJoin::Inner),
                    "left" if join.is_none() => join = Some(EmbedJoin::Left),
                    name if hint.is_none() => hint = Some(name.to_owned()),
                    _ => return None,
                }
            }
            cursor.peek_char('(')?;
            Some(EmbedHead { kind, alias, relation, hint, join })
        })
    }

    /// `name:` that is not `name::`
    fn alias(&mut self) -> Option<Option<String>> {
        self.optional(|cursor| {
            cursor.attempt(|cursor| {
                let alias = cursor.name()?;
                cursor.char(':')?;
                cursor.not_followed_by(|next| next == ':')?;
                Some(alias)
            })
        })
    }

    fn star(&mut self) -> Option<SelectItem> {
        self.attempt(|cursor| {
            cursor.text("*")?;
            cursor.item_end()?;
            Some(SelectItem::Star)
        })
    }

    fn bare_count(&mut self) -> Option<SelectItem> {
        self.attempt(|cursor| {
            let alias = cursor.alias()?;
            cursor.text("count()")?;
            let aggregate_cast = cursor.cast()?;
            cursor.item_end()?;
            let aggregate = Some(Aggregate::Count);
            Some(SelectItem::Field { alias, field: None, cast: None, aggregate, aggregate_cast })
        })
    }

    fn select_field(&mut self) -> Option<SelectItem> {
        let alias = self.alias()?;
        let field = Some(self.field()?);
        let cast = self.cast()?;
        let aggregate = self.optional(|cursor| cursor.attempt(Self::aggregate))?;
        let aggregate_cast = self.cast()?;
        self.item_end()?;
        Some(SelectItem::Field { alias, field, cast, aggregate, aggregate_cast })
    }

    fn cast(&mut self) -> Option<Option<String>> {
        match self.optional(|cursor| cursor.text("::"))? {
            Some(()) => self.identifier().map(Some),
            None => Some(None),
        }
    }

    fn aggregate(&mut self) -> Option<Aggregate> {
        const AGGREGATES: [(&str, Aggregate); 5] = [
            ("sum", Aggregate::Sum),
            ("avg", Aggregate::Avg),
            ("count", Aggregate::Count),
            ("max", Aggregate::Max),
            ("min", Aggregate::Min),
        ];
        self.char('.')?;
        let (_, aggregate) = AGGREGATES.into_iter().find(|(name, _)| self.text(name).is_some())?;
        self.text("()")?;
        Some(aggregate)
    }

    fn item_end(&mut self) -> Option<()> {
        let is_end = self.peek_text(")").is_some() || self.peek_text(",").is_some() || self.end().is_some();
        is_end.then_some(())
    }
}
