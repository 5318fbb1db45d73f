use super::statement::{Alias, Statement};
use super::tree::{Base, Embed, Join, Order, OrderValue, Output, OutputValue, Rows, Source, Summary, Value};
use crate::catalog::model::Identifier;
use crate::resource::request::{Aggregate, NullsPlace};

/// The row that values are taken from.
#[derive(Clone, Copy, Debug)]
pub(in crate::catalog) struct Scope<'a> {
    /// Its table in the statement.
    pub(in crate::catalog) alias: Alias,
    /// The row type to give it, for functions of the row, when its own would not do.
    pub(in crate::catalog) row_type: Option<&'a (Identifier, Identifier)>,
    /// Its embeds' tables in the statement; `None` for those that nothing needs.
    pub(in crate::catalog) embeds: &'a [Option<Alias>],
}

/// How the columns of a query are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::catalog) enum Naming {
    /// By their labels.
    Labels,
    /// This letter and their place.
    Places(char),
}

/// What a query is a part of.
#[derive(Clone, Copy, Debug)]
pub(in crate::catalog) struct Around<'a> {
    /// The row that its rows belong to, and how.
    pub(in crate::catalog) parent: Option<(Scope<'a>, &'a Join)>,
    /// Values to give besides the outputs, and their letter.
    pub(in crate::catalog) keys: &'a [Value],
    pub(in crate::catalog) naming: Naming,
}

impl Statement {
    /// `SELECT ...` of `rows`. `given` is the name of the query's part that [`Source::Given`] means.
    pub(in crate::catalog) fn rows(&mut self, rows: &Rows, given: &str, around: Around<'_>) {
        self.rows_wrapped(rows, given, around, false);
    }

    /// The same; with `as_object` the outputs become one JSON object named `v`.
    fn rows_wrapped(&mut self, rows: &Rows, given: &str, around: Around<'_>, as_object: bool) {
        let alias = self.alias();
        let embeds: Vec<Option<Alias>> =
            (0..rows.embeds.len()).map(|place| rows.needs(place).then(|| self.alias())).collect();
        let row_type = match &rows.source {
            Source::Given { row_type } => row_type.as_ref(),
            Source::Relation { .. } | Source::OfRow { .. } => None,
        };
        let scope = Scope { alias, row_type, embeds: &embeds };
        self.push("SELECT ");
        if as_object {
            self.push("(SELECT row_to_json(o) FROM (SELECT ");
            self.outputs(rows, scope, around.naming);
            self.push(") AS o) AS v");
        } else {
            self.outputs(rows, scope, around.naming);
        }
        for (place, key) in around.keys.iter().enumerate() {
            if place > 0 || as_object || !rows.outputs.is_empty() {
                self.push(", ");
            }
            self.value(key, scope, Sense::Shown);
            self.push(" AS k").number(place_number(place));
        }
        self.push(" FROM ");
        self.source(rows, given, scope, around.parent);
        for (embed, embed_alias) in rows.embeds.iter().zip(&embeds) {
            if let Some(embed_alias) = embed_alias {
                self.embed(embed, *embed_alias, scope);
            }
        }
        self.conditions(rows, scope, around.parent);
        self.grouping(rows, scope);
        self.order(&rows.order, scope);
        if let Some(limit) = rows.limit {
            self.push(" LIMIT ").bind(limit.to_string(), "int8");
        }
        if rows.offset > 0 {
            self.push(" OFFSET ").bind(rows.offset.to_string(), "int8");
        }
    }

    fn outputs(&mut self, rows: &Rows, scope: Scope<'_>, naming: Naming) {
        let is_grouped = rows.is_grouped();
        self.separated(", ", rows.outputs.iter().enumerate(), |sql, (place, output)| {
            sql.output(output, rows, scope, is_grouped);
            match naming {
                Naming::Labels => sql.push(" AS ").name(output.label.identifier()),
                Naming::Places(letter) => {
                    sql.push(" AS ").push(letter.encode_utf8(&mut [0; 4])).number(place_number(place))
                }
            };
        });
    }

    fn output(&mut self, output: &Output, rows: &Rows, scope: Scope<'_>, is_grouped: bool) {
        match &output.value {
            OutputValue::Own { value, cast, aggregate } => {
                self.summed(*aggregate, |sql| match cast {
                    Some(cast) => {
                        sql.push("(").value(value, scope, Sense::Shown);
                        sql.push(")::").push(cast.sql());
                    }
                    None => sql.value(value, scope, Sense::Shown),
                });
            }
            OutputValue::Count { cast } => {
                self.push("count(*)");
                if let Some(cast) = cast {
                    self.push("::").push(cast.sql());
                }
            }
            OutputValue::Nested { embed } => {
                let is_to_one = rows.embeds[*embed].is_to_one;
                if is_to_one {
                    self.embedded(scope, *embed, 'v', None);
                } else {
                    self.push("coalesce(").embedded(scope, *embed, 'v', None).push(", '[]')");
                }
                if is_grouped {
                    self.push("::jsonb"); // json has no equality
                }
            }
            OutputValue::Spread { embed, output, aggregate } => {
                let is_to_one = rows.embeds[*embed].is_to_one;
                self.summed(*aggregate, |sql| {
                    if is_to_one {
                        sql.embedded(scope, *embed, 's', Some(*output));
                    } else {
                        sql.push("coalesce(").embedded(scope, *embed, 's', Some(*output)).push(", '[]')");
                    }
                });
                if is_grouped && !is_to_one {
                    self.push("::jsonb");
                }
            }
        }
    }

    /// A column of an embed's table.
    fn embedded(&mut self, scope: Scope<'_>, embed: usize, letter: char, place: Option<usize>) -> &mut Self {
        match scope.embeds[embed] {
            Some(alias) => self.at('e', alias).push("."),
            None => return self.push("NULL"), // `Rows::needs` keeps whatever is referred to
        };
        self.push(letter.encode_utf8(&mut [0; 4]));
        if let Some(place) = place {
            self.number(place_number(place));
        }
        self
    }

    fn summed(&mut self, summary: Option<Summary>, inner: impl FnOnce(&mut Self)) {
        let Some(Summary { aggregate, cast }) = summary else { return inner(self) };
        self.push(match aggregate {
            Aggregate::Count => "count(",
            Aggregate::Sum => "sum(",
            Aggregate::Avg => "avg(",
            Aggregate::Min => "min(",
            Aggregate::Max => "max(",
        });
        inner(self);
        self.push(")");
        if let Some(cast) = cast {
            self.push("::").push(cast.sql());
        }
    }

    fn source(&mut self, rows: &Rows, given: &str, scope: Scope<'_>, parent: Option<(Scope<'_>, &Join)>) {
        match (&rows.source, parent) {
            (Source::Relation { schema, name }, _) => self.qualified(schema, name),
            (Source::OfRow { schema, name }, Some((parent, _))) => {
                self.qualified(schema, name).push("(").row(parent).push(")")
            }
            (Source::OfRow { .. } | Source::Given { .. }, _) => self.push(given),
        };
        self.push(" AS ").at('t', scope.alias);
        if let Some((_, Join::Junction { schema, table, .. })) = parent {
            self.push(", ").qualified(schema, table).push(" AS ").at('j', scope.alias);
        }
    }

    /// The whole row, for a function that takes it.
    fn row(&mut self, scope: Scope<'_>) -> &mut Self {
        match scope.row_type {
            Some((schema, name)) => {
                self.push("ROW(").at('t', scope.alias).push(".*)::").qualified(schema, name)
            }
            None => self.at('t', scope.alias),
        }
    }

    fn embed(&mut self, embed: &Embed, alias: Alias, scope: Scope<'_>) {
        self.push(if embed.is_inner { " INNER JOIN LATERAL (" } else { " LEFT JOIN LATERAL (" });
        let around = |naming, keys| Around { parent: Some((scope, &embed.join)), keys, naming };
        let spread = Naming::Places('s');
        let rows = embed.sought();
        match (embed.is_spread, embed.is_to_one) {
            (true, true) => {
                self.push("SELECT *, true AS v FROM (");
                self.rows(&rows, "", around(spread, &embed.keys));
                self.push(") AS r");
            }
            (true, false) => {
                self.push("SELECT CASE WHEN count(*) > 0 THEN true END AS v");
                for place in 0..rows.outputs.len() {
                    self.push(", ").collected(embed, &format!("r.s{place}"));
                    self.push(" AS s").number(place_number(place));
                }
                self.push(" FROM (");
                self.rows(&rows, "", around(spread, &[]));
                self.push(") AS r");
            }
            (false, true) if !embed.keys.is_empty() => {
                self.rows_wrapped(&rows, "", around(Naming::Labels, &embed.keys), true);
            }
            (false, is_to_one) => {
                self.push("SELECT ");
                match is_to_one {
                    true => self.push("row_to_json(r)"),
                    false => self.collected(embed, "r"),
                };
                self.push(" AS v FROM (");
                self.rows(&rows, "", around(Naming::Labels, &[]));
                self.push(") AS r");
            }
        }
        if scope.row_type.is_some() && embed.is_to_one && !embed.is_inner {
            // Joined row by row, what a function gives keeps the function's order; hashed, it would lose it.
            self.push(" OFFSET 0");
        }
        self.push(") AS ").at('e', alias).push(" ON ");
        match embed.is_inner && !embed.is_to_one {
            true => self.at('e', alias).push(".v IS NOT NULL"),
            false => self.push("true"),
        };
    }

    /// One JSON array of `item`, which is ours, of all the rows of an embed. Where there are more than are given it
    /// keeps the first, and leaves word of it for the end of the statement.
    fn collected(&mut self, embed: &Embed, item: &str) -> &mut Self {
        let all = format!("json_agg({item})");
        if !embed.may_be_cut() {
            return self.push(&all);
        }
        let max = i64::try_from(embed.rows_max).unwrap_or(i64::MAX);
        self.push("CASE WHEN count(*) <= ").number(max).push(" THEN ").push(&all);
        self.push(" WHEN set_config('affinity.truncated', ").bind(embed.cut(), "text").push(", true) <> ''");
        self.push(" THEN array_to_json((ARRAY(SELECT json_array_elements(").push(&all).push(")))[1:");
        self.number(max).push("]) END")
    }

    fn conditions(&mut self, rows: &Rows, scope: Scope<'_>, parent: Option<(Scope<'_>, &Join)>) {
        let mut word = " WHERE ";
        let mut next = move || std::mem::replace(&mut word, " AND ");
        if let Some((parent, join)) = parent {
            let (near, far): (&[_], &[_]) = match join {
                Join::Columns(pairs) => (&[], pairs),
                Join::Junction { near, far, .. } => (near, far),
                Join::Function => (&[], &[]),
            };
            let far_alias = |is_junction| if is_junction { ('j', scope.alias) } else { ('t', parent.alias) };
            for (ours, theirs) in near {
                self.push(next()).at('t', parent.alias).push(".").name(ours);
                self.push(" = ").at('j', scope.alias).push(".").name(theirs);
            }
            for (ours, theirs) in far {
                let (letter, alias) = far_alias(matches!(join, Join::Junction { .. }));
                self.push(next()).at(letter, alias).push(".").name(ours);
                self.push(" = ").at('t', scope.alias).push(".").name(theirs);
            }
        }
        for predicate in &rows.predicates {
            self.push(next());
            self.predicate(predicate, scope);
        }
    }

    fn grouping(&mut self, rows: &Rows, scope: Scope<'_>) {
        if !rows.is_grouped() {
            return;
        }
        let is_plain = |output: &Output| {
            !matches!(
                output.value,
                OutputValue::Count { .. }
                    | OutputValue::Own { aggregate: Some(_), .. }
                    | OutputValue::Spread { aggregate: Some(_), .. }
            )
        };
        // By place: an expression with parameters would not be recognized as the same.
        let places: Vec<usize> =
            (0..rows.outputs.len()).filter(|place| is_plain(&rows.outputs[*place])).collect();
        let related = rows.order.iter().filter_map(|term| match &term.by {
            OrderValue::Related { embed, key } => Some((*embed, *key)),
            OrderValue::Own(_) => None,
        });
        let mut word = " GROUP BY ";
        for place in places {
            self.push(std::mem::replace(&mut word, ", ")).number(place_number(place + 1));
        }
        for (embed, key) in related {
            self.push(std::mem::replace(&mut word, ", ")).embedded(scope, embed, 'k', Some(key));
        }
    }

    fn order(&mut self, order: &[Order], scope: Scope<'_>) {
        if order.is_empty() {
            return;
        }
        self.push(" ORDER BY ");
        self.separated(", ", order, |sql, term| {
            match &term.by {
                OrderValue::Own(value) => sql.value(value, scope, Sense::Compared),
                OrderValue::Related { embed, key } => {
                    sql.embedded(scope, *embed, 'k', Some(*key));
                }
            }
            if term.is_descending {
                sql.push(" DESC");
            }
            match term.nulls {
                Some(NullsPlace::First) => sql.push(" NULLS FIRST"),
                Some(NullsPlace::Last) => sql.push(" NULLS LAST"),
                None => sql,
            };
        });
    }

    /// A value of the row.
    pub(in crate::catalog) fn value(&mut self, value: &Value, scope: Scope<'_>, sense: Sense) {
        let as_json = match (value.path.is_empty(), value.is_json, sense) {
            (true, ..) | (false, true, Sense::Shown) => "",
            (false, ..) => "to_jsonb(", // what is no JSON becomes it, and json, which has no order, jsonb
        };
        self.push(as_json);
        match &value.base {
            Base::Column(name) => self.at('t', scope.alias).push(".").name(name),
            Base::Function { schema, name } => self.qualified(schema, name).push("(").row(scope).push(")"),
        };
        self.push(if as_json.is_empty() { "" } else { ")" });
        for step in &value.path {
            self.push(if step.as_text { "->>" } else { "->" });
            match step.is_index {
                true => self.bind(step.key.clone(), "int4"),
                false => self.bind(step.key.clone(), "text"),
            };
        }
    }

    /// Whether the row has related rows.
    pub(in crate::catalog) fn related(&mut self, scope: Scope<'_>, embed: usize, is_negated: bool) {
        self.embedded(scope, embed, 'v', None);
        self.push(if is_negated { " IS NULL" } else { " IS NOT NULL" });
    }
}

/// What a value is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::catalog) enum Sense {
    /// For the answer, as it is.
    Shown,
    /// For comparing and ordering.
    Compared,
}

/// A place as SQL writes it; there are never so many that it would not fit.
pub(in crate::catalog) fn place_number(place: usize) -> i64 {
    i64::try_from(place).unwrap_or(i64::MAX)
}
