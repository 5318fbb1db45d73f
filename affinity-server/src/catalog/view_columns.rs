/// A column of a view that shows a column of another relation as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ShownColumn {
    /// The view's column, as `attnum`.
    pub(super) place: i16,
    /// The other relation.
    pub(super) relation: u32,
    /// Its column, as `attnum`.
    pub(super) column: i16,
}

/// The columns that a view shows as they are, in the view's order, out of `pg_rewrite.ev_action`.
///
/// The parser notes with each column where it comes from, through subqueries, joins and common table expressions,
/// up to the next relation, which may be a view again; set operations, expressions and aggregates come from nowhere.
/// Only the columns of the query itself count, which stand two braces deep.
pub(super) fn shown_columns(rule_action: &str) -> Vec<ShownColumn> {
    let mut shown = Vec::new();
    let (mut depth, mut place) = (0_usize, 0);
    let mut entry: Option<Entry> = None;
    let bytes = rule_action.as_bytes();
    while let Some(byte) = bytes.get(place) {
        match byte {
            b'\\' => place += 1, // whatever is escaped is part of a name
            b'{' => {
                depth += 1;
                if depth == 2 {
                    entry = bytes[place..].starts_with(b"{TARGETENTRY").then(Entry::default);
                }
            }
            b'}' => {
                if depth == 2 {
                    shown.extend(entry.take().and_then(Entry::shown));
                }
                depth = depth.saturating_sub(1);
            }
            b':' if depth == 2 => {
                if let Some(entry) = &mut entry {
                    entry.read(&rule_action[place..]);
                }
            }
            _ => {}
        }
        place += 1;
    }
    shown
}

/// The fields of one target entry that count here.
#[derive(Default)]
struct Entry {
    place: i16,
    relation: u32,
    column: i16,
    is_junk: bool,
}

impl Entry {
    /// Takes the field that `text` starts with, if it is one of them.
    fn read(&mut self, text: &str) {
        let mut words = text.split([' ', '}']);
        let (Some(field), Some(value)) = (words.next(), words.next()) else { return };
        match field {
            ":resno" => self.place = value.parse().unwrap_or_default(),
            ":resorigtbl" => self.relation = value.parse().unwrap_or_default(),
            ":resorigcol" => self.column = value.parse().unwrap_or_default(),
            ":resjunk" => self.is_junk = value == "true",
            _ => {}
        }
    }

    fn shown(self) -> Option<ShownColumn> {
        let Self { place, relation, column, is_junk } = self;
        (place > 0 && relation != 0 && column > 0 && !is_junk).then_some(ShownColumn {
            place,
            relation,
            column,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{ShownColumn, shown_columns};

    #[test]
    fn only_plain_columns_of_the_outer_query_are_shown() {
        let inner = "{QUERY :targetList ({TARGETENTRY :expr {VAR} :resno 9 :resname x :resorigtbl 7 :resorigcol 7 :resjunk false})}";
        let entry = |number: u32, name: &str, table: u32, junk: bool| {
            format!(
                "{{TARGETENTRY :expr {{VAR :varno 1}} :resno {number} :resname {name} :ressortgroupref 0 :resorigtbl {table} :resorigcol 2 :resjunk {junk}}}"
            )
        };
        let text = format!(
            "({{QUERY :rtable ({{RTE :subquery {inner}}}) :targetList ({} {} {} {})}})",
            entry(1, "a\\}\\{", 16_400, false),
            entry(2, "made", 0, false),
            entry(3, "\\:resno", 16_401, false),
            entry(4, "junk", 16_401, true),
        );
        let expected = [
            ShownColumn { place: 1, relation: 16_400, column: 2 },
            ShownColumn { place: 3, relation: 16_401, column: 2 },
        ];
        assert_eq!(shown_columns(&text), expected);
    }
}
