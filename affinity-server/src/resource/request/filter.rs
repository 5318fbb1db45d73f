//! Filters, and `and` and `or` between them.

use super::ast::{Condition, Filter, Operator, Quantifier, TsQuery};
use super::cursor::Cursor;

/// Where an operand ends.
#[derive(Clone, Copy)]
enum Operand {
    /// With the parameter.
    Whole,
    /// With a comma or parenthesis, unless quoted.
    Listed,
}

#[derive(Clone, Copy)]
enum Kind {
    In,
    Is,
    Fts(TsQuery),
    Plain,
    Quantified,
}

/// Those that another starts with come after it.
const OPERATORS: [(&str, Kind); 25] = [
    ("isdistinct", Kind::Plain),
    ("is", Kind::Is),
    ("in", Kind::In),
    ("fts", Kind::Fts(TsQuery::Plain)),
    ("plfts", Kind::Fts(TsQuery::PlainText)),
    ("phfts", Kind::Fts(TsQuery::Phrase)),
    ("wfts", Kind::Fts(TsQuery::Web)),
    ("neq", Kind::Plain),
    ("cs", Kind::Plain),
    ("cd", Kind::Plain),
    ("ov", Kind::Plain),
    ("sl", Kind::Plain),
    ("sr", Kind::Plain),
    ("nxr", Kind::Plain),
    ("nxl", Kind::Plain),
    ("adj", Kind::Plain),
    ("eq", Kind::Quantified),
    ("gte", Kind::Quantified),
    ("gt", Kind::Quantified),
    ("lte", Kind::Quantified),
    ("lt", Kind::Quantified),
    ("like", Kind::Quantified),
    ("ilike", Kind::Quantified),
    ("match", Kind::Quantified),
    ("imatch", Kind::Quantified),
];

const IS_VALUES: [(&str, &str); 5] = [
    ("null", "NULL"),
    ("not_null", "NOT NULL"),
    ("true", "TRUE"),
    ("false", "FALSE"),
    ("unknown", "UNKNOWN"),
];

/// Whether `value` starts as a filter does, `operator.` or `not.operator.`, well-formed or not.
pub(super) fn looks_like_filter(value: &str) -> bool {
    let value = value.strip_prefix("not.").unwrap_or(value);
    OPERATORS.iter().any(|(name, _)| {
        value
            .strip_prefix(name)
            .is_some_and(|rest| rest.starts_with('.') || (rest.starts_with('(') && rest.contains(").")))
    })
}

impl Cursor<'_, '_, '_> {
    /// `not.operator.value` to the end of the text.
    pub(super) fn filter_value(&mut self) -> Option<(bool, Operator)> {
        self.operation(Operand::Whole)
    }

    /// A filter, or `and(...)`, or `or(...)`; `depth` of the latter around it.
    pub(super) fn logic(&mut self, depth: usize) -> Option<Condition> {
        self.either(
            |cursor| cursor.attempt(Self::listed_filter).map(Condition::Filter),
            |cursor| cursor.connective(depth + 1),
        )
    }

    fn listed_filter(&mut self) -> Option<Filter> {
        let field = self.field()?;
        self.delimiter()?;
        let (is_negated, operator) = self.operation(Operand::Listed)?;
        Some(Filter { field, is_negated, operator })
    }

    fn connective(&mut self, depth: usize) -> Option<Condition> {
        let is_negated = self.labeled("negation operator (not)", |cursor| Some(cursor.not()))?;
        let is_and = self.labeled("logic operator (and, or)", |cursor| {
            cursor.either(
                |cursor| cursor.text("and").map(|()| true),
                |cursor| cursor.text("or").map(|()| false),
            )
        })?;
        let max = self.budget.limits.logic_depth_max;
        self.within(depth, "logic_depth_max", max)?;
        self.spend_filter_term()?;
        self.spaced(|cursor| cursor.char('('))?;
        let parts = self.list(|cursor| cursor.logic(depth))?;
        self.spaced(|cursor| cursor.char(')'))?;
        Some(match is_and {
            true => Condition::And { is_negated, parts },
            false => Condition::Or { is_negated, parts },
        })
    }

    fn not(&mut self) -> bool {
        let not = |cursor: &mut Self| {
            cursor.text("not")?;
            cursor.delimiter()
        };
        self.attempt(not).is_some()
    }

    fn spend_filter_term(&mut self) -> Option<()> {
        self.budget.filter_terms += 1;
        let (used, max) = (self.budget.filter_terms, self.budget.limits.filter_terms_max);
        self.within(used, "filter_terms_max", max)
    }

    fn operation(&mut self, operand: Operand) -> Option<(bool, Operator)> {
        let is_negated = self.not();
        let operator = self.labeled("operator (eq, gt, ...)", |cursor| {
            let found = OPERATORS.into_iter().find(|(name, _)| cursor.rest().starts_with(name));
            let Some((name, kind)) = found else {
                cursor.miss_at(0);
                return None;
            };
            match kind {
                // Once the name and its dot are there, nothing else can be meant.
                Kind::In => {
                    cursor.attempt(|cursor| cursor.operator_dot(name))?;
                    cursor.values().map(Operator::In)
                }
                Kind::Is => {
                    cursor.attempt(|cursor| cursor.operator_dot(name))?;
                    cursor.is_value().map(Operator::Is)
                }
                Kind::Fts(query) => cursor.attempt(|cursor| cursor.fts(name, query, operand)),
                Kind::Plain => cursor.attempt(|cursor| {
                    cursor.operator_dot(name)?;
                    let operand = cursor.operand(operand)?;
                    Some(Operator::Binary { name, quantifier: None, operand })
                }),
                Kind::Quantified => cursor.attempt(|cursor| {
                    cursor.text(name)?;
                    let quantifier = cursor.optional(|cursor| cursor.attempt(Self::quantifier))?;
                    cursor.delimiter()?;
                    Some(Operator::Binary { name, quantifier, operand: cursor.operand(operand)? })
                }),
            }
        })?;
        self.spend_filter_term()?;
        Some((is_negated, operator))
    }

    fn operator_dot(&mut self, name: &'static str) -> Option<()> {
        self.text(name)?;
        self.delimiter()
    }

    fn quantifier(&mut self) -> Option<Quantifier> {
        self.char('(')?;
        let quantifier = self.either(
            |cursor| cursor.text("any").map(|()| Quantifier::Any),
            |cursor| cursor.text("all").map(|()| Quantifier::All),
        )?;
        self.char(')')?;
        Some(quantifier)
    }

    fn fts(&mut self, name: &'static str, query: TsQuery, operand: Operand) -> Option<Operator> {
        self.text(name)?;
        let language = self.optional(|cursor| {
            cursor.attempt(|cursor| {
                cursor.char('(')?;
                let language = cursor.identifier()?;
                cursor.char(')')?;
                Some(language)
            })
        })?;
        self.delimiter()?;
        Some(Operator::Fts { query, language, operand: self.operand(operand)? })
    }

    fn is_value(&mut self) -> Option<&'static str> {
        self.labeled("isVal: (null, not_null, true, false, unknown)", |cursor| {
            let rest = cursor.rest().as_bytes();
            let mut furthest = 0;
            for (name, sql) in IS_VALUES {
                let is_same = |(left, right): &(&u8, u8)| left.eq_ignore_ascii_case(right);
                let same = rest.iter().zip(name.bytes()).take_while(is_same).count();
                if same == name.len() {
                    cursor.take(same);
                    return Some(sql);
                }
                furthest = furthest.max(same);
            }
            cursor.miss_at(furthest);
            None
        })
    }

    /// `(a,"b",c)`; `()` is empty.
    fn values(&mut self) -> Option<Vec<String>> {
        self.spaced(|cursor| cursor.char('('))?;
        let max = self.budget.limits.list_length_max;
        let mut values = Vec::new();
        if self.rest().trim_start_matches([' ', '\t']).starts_with(')') {
            self.spaced(|cursor| cursor.char(')'))?;
            return Some(values);
        }
        loop {
            values.push(self.listed_value()?);
            self.within(values.len(), "list_length_max", max)?;
            if self.optional(|cursor| cursor.char(','))?.is_none() {
                break;
            }
        }
        self.spaced(|cursor| cursor.char(')'))?;
        Some(values)
    }

    /// A value that ends with a comma or parenthesis, unless it is quoted.
    fn listed_value(&mut self) -> Option<String> {
        let is_inside = |next| !matches!(next, ',' | ')');
        self.either(
            |cursor| {
                cursor.attempt(|cursor| {
                    let value = cursor.quoted()?;
                    cursor.not_followed_by(is_inside)?;
                    Some(value)
                })
            },
            |cursor| Some(cursor.take_while(is_inside).to_owned()),
        )
    }

    fn operand(&mut self, operand: Operand) -> Option<String> {
        match operand {
            Operand::Whole => Some(self.take(self.rest().len()).to_owned()),
            Operand::Listed => self.either(|cursor| cursor.attempt(Self::array), Self::listed_value),
        }
    }

    /// `{a,b}`, whose commas separate no conditions.
    fn array(&mut self) -> Option<String> {
        let start = self.rest();
        self.char('{')?;
        let inner = self.take_while(|next| !matches!(next, '{' | '}'));
        self.char('}')?;
        Some(start[..inner.len() + 2].to_owned())
    }
}
