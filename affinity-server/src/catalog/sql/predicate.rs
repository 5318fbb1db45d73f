use super::rows::{Scope, Sense};
use super::statement::Statement;
use super::tree::{KeyAfter, Predicate, Value};
use crate::resource::request::{Operator, Quantifier, TsQuery};

impl Statement {
    /// A condition on the row of `scope`.
    pub(in crate::catalog) fn predicate(&mut self, predicate: &Predicate, scope: Scope<'_>) {
        match predicate {
            Predicate::Compare { value, is_negated, operator, operand_type, is_text_vector } => {
                self.push(if *is_negated { "NOT (" } else { "(" });
                self.comparison(value, operator, operand_type, *is_text_vector, scope);
                self.push(")");
            }
            Predicate::Related { embed, is_negated } => self.related(scope, *embed, *is_negated),
            Predicate::All { is_negated, parts } => self.tree(" AND ", *is_negated, parts, scope),
            Predicate::Any { is_negated, parts } => self.tree(" OR ", *is_negated, parts, scope),
            Predicate::After(keys) => self.after(keys, scope),
        }
    }

    fn tree(&mut self, word: &str, is_negated: bool, parts: &[Predicate], scope: Scope<'_>) {
        self.push(if is_negated { "NOT (" } else { "(" });
        self.separated(word, parts, |sql, part| sql.predicate(part, scope));
        self.push(")");
    }

    fn comparison(
        &mut self,
        value: &Value,
        operator: &Operator,
        operand_type: &str,
        is_text_vector: bool,
        scope: Scope<'_>,
    ) {
        match operator {
            Operator::Binary { name, quantifier, operand } => {
                self.value(value, scope, Sense::Compared);
                let is_pattern = matches!(*name, "like" | "ilike");
                let operand = if is_pattern { operand.replace('*', "%") } else { operand.clone() };
                self.push(" ").push(binary(name)).push(" ");
                match quantifier {
                    None => self.bind_for(value.base.name(), operand, operand_type),
                    Some(quantifier) => {
                        self.push(match quantifier {
                            Quantifier::Any => "ANY(",
                            Quantifier::All => "ALL(",
                        });
                        self.bind_for(value.base.name(), operand, &format!("{operand_type}[]")).push(")")
                    }
                };
            }
            Operator::In(operands) => {
                self.value(value, scope, Sense::Compared);
                if operand_type.ends_with("[]") && !operands.is_empty() {
                    self.push(" IN (");
                    self.separated(", ", operands, |sql, operand| {
                        sql.bind_for(value.base.name(), operand.clone(), operand_type);
                    });
                    self.push(")");
                } else {
                    let operand_type = operand_type.trim_end_matches("[]");
                    self.push(" = ANY(");
                    let array_type = format!("{operand_type}[]");
                    self.bind_for(value.base.name(), array_literal(operands), &array_type).push(")");
                }
            }
            Operator::Is(what) => {
                self.value(value, scope, Sense::Compared);
                self.push(" IS ").push(what);
            }
            Operator::Fts { query, language, operand } => {
                if is_text_vector {
                    self.value(value, scope, Sense::Compared);
                } else {
                    self.push("to_tsvector(");
                    self.language(language.as_deref());
                    self.value(value, scope, Sense::Compared);
                    self.push(")");
                }
                self.push(match query {
                    TsQuery::Plain => " @@ to_tsquery(",
                    TsQuery::PlainText => " @@ plainto_tsquery(",
                    TsQuery::Phrase => " @@ phraseto_tsquery(",
                    TsQuery::Web => " @@ websearch_to_tsquery(",
                });
                self.language(language.as_deref());
                self.bind(operand.clone(), "text").push(")");
            }
        }
    }

    fn language(&mut self, language: Option<&str>) {
        if let Some(language) = language {
            self.bind(language.to_owned(), "regconfig").push(", ");
        }
    }

    /// Rows behind the one that the keys describe: for some key, all before it are equal and it lies behind.
    fn after(&mut self, keys: &[KeyAfter], scope: Scope<'_>) {
        self.push("(");
        self.separated(" OR ", 0..keys.len(), |sql, place| {
            sql.push("(");
            for key in &keys[..place] {
                sql.value(&key.value, scope, Sense::Compared);
                match &key.last {
                    Some(last) => sql.push(" = ").bind(last.clone(), &key.value.sql_type),
                    None => sql.push(" IS NULL"),
                };
                sql.push(" AND ");
            }
            sql.behind(&keys[place], scope);
            sql.push(")");
        });
        self.push(")");
    }

    fn behind(&mut self, key: &KeyAfter, scope: Scope<'_>) {
        match &key.last {
            // NULLs are equal to each other: only what comes after all of them lies behind one.
            None if key.nulls_first => {
                self.value(&key.value, scope, Sense::Compared);
                self.push(" IS NOT NULL");
            }
            None => {
                self.push("false");
            }
            Some(last) => {
                self.push("(");
                self.value(&key.value, scope, Sense::Compared);
                self.push(if key.is_descending { " < " } else { " > " });
                self.bind(last.clone(), &key.value.sql_type);
                if !key.nulls_first {
                    self.push(" OR ");
                    self.value(&key.value, scope, Sense::Compared);
                    self.push(" IS NULL");
                }
                self.push(")");
            }
        }
    }
}

/// PostgreSQL's operator for PostgREST's name.
fn binary(name: &str) -> &'static str {
    match name {
        "neq" => "<>",
        "gt" => ">",
        "gte" => ">=",
        "lt" => "<",
        "lte" => "<=",
        "like" => "LIKE",
        "ilike" => "ILIKE",
        "match" => "~",
        "imatch" => "~*",
        "isdistinct" => "IS DISTINCT FROM",
        "cs" => "@>",
        "cd" => "<@",
        "ov" => "&&",
        "sl" => "<<",
        "sr" => ">>",
        "nxr" => "&<",
        "nxl" => "&>",
        "adj" => "-|-",
        _ => "=",
    }
}

/// PostgreSQL's text form of an array of these values.
#[must_use]
pub fn array_literal(values: &[String]) -> String {
    let quoted =
        values.iter().map(|value| format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"")));
    format!("{{{}}}", quoted.collect::<Vec<_>>().join(","))
}
