//! Random inserts, updates, deletes and truncations of every table of a schema, made from the catalog alone.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{AssertSqlSafe, PgPool, Row};

/// `SplitMix64`: Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound).unwrap()).unwrap()
    }

    fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

#[derive(Debug)]
struct Column {
    name: String,
    /// As `format_type` writes it.
    of: String,
    nullable: bool,
    /// In the primary key or a unique index.
    unique: bool,
    labels: Vec<String>,
    /// Quoted table and column that it refers to.
    refers: Option<(String, String)>,
    /// Whether some table refers to the table of this column: such a table cannot be truncated alone.
    referred: bool,
}

/// Writes at random; statements that a constraint or trigger refuses leave no trace.
pub(crate) struct RandomWriter {
    random: Random,
    tables: BTreeMap<String, Vec<Column>>,
    /// Statements of a small world, to fill again what deletes have emptied.
    refill: Vec<String>,
    written: BTreeMap<String, BTreeSet<&'static str>>,
    schema: String,
}

impl RandomWriter {
    /// `world` is SQL made of inserts, each ending in a semicolon at the end of a line.
    pub(crate) async fn new(pool: &PgPool, schema: &str, world: &str, seed: u64) -> Self {
        let rows = sqlx::query(
            "select c.relname::text, quote_ident(a.attname), format_type(a.atttypid, null), not a.attnotnull,
                    exists (select from pg_index i where i.indrelid = c.oid and i.indisunique and a.attnum = any (i.indkey)),
                    array(select e.enumlabel::text from pg_enum e where e.enumtypid = a.atttypid order by e.enumsortorder),
                    f.confrelid::regclass::text,
                    (select quote_ident(r.attname) from pg_attribute r
                     where r.attrelid = f.confrelid and r.attnum = f.confkey[array_position(f.conkey, a.attnum)]),
                    exists (select from pg_constraint k where k.confrelid = c.oid and k.contype = 'f')
             from pg_class c
             join pg_namespace n on n.oid = c.relnamespace and n.nspname = $1
             join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
             left join pg_constraint f on f.conrelid = c.oid and f.contype = 'f' and a.attnum = any (f.conkey)
             where c.relkind in ('r', 'p') order by c.relname, a.attnum",
        )
        .bind(schema)
        .fetch_all(pool)
        .await
        .unwrap();
        let mut tables: BTreeMap<String, Vec<Column>> = BTreeMap::new();
        for row in &rows {
            let refers = row.get::<Option<String>, _>(6).zip(row.get::<Option<String>, _>(7));
            tables.entry(row.get(0)).or_default().push(Column {
                name: row.get(1),
                of: row.get(2),
                nullable: row.get(3),
                unique: row.get(4),
                labels: row.get(5),
                refers,
                referred: row.get(8),
            });
        }
        assert!(!tables.is_empty());
        let inserts = world.split(";\n").filter(|statement| statement.contains("insert into"));
        let refill = inserts.map(|insert| format!("{insert} on conflict do nothing")).collect();
        Self { random: Random(seed), tables, refill, written: BTreeMap::new(), schema: schema.to_string() }
    }

    /// Tables that were changed, with the operations that changed them.
    pub(crate) fn written(&self) -> &BTreeMap<String, BTreeSet<&'static str>> {
        &self.written
    }

    /// Writes and commits some statements, or rolls them back; the statements that were committed.
    pub(crate) async fn transaction(&mut self, pool: &PgPool) -> Vec<String> {
        let mut tx = pool.begin().await.unwrap();
        let mut done = Vec::new();
        for (table, operation, statement) in self.statements() {
            sqlx::query("savepoint attempt").execute(&mut *tx).await.unwrap();
            match sqlx::query(AssertSqlSafe(statement.clone())).execute(&mut *tx).await {
                Ok(result) if result.rows_affected() > 0 || operation == "truncate" => {
                    done.push((table, operation, statement));
                }
                Ok(_) => {}
                Err(sqlx::Error::Database(_)) => {
                    sqlx::query("rollback to savepoint attempt").execute(&mut *tx).await.unwrap();
                }
                Err(error) => panic!("{statement}: {error}"),
            }
        }
        if self.random.below(10) == 0 {
            tx.rollback().await.unwrap();
            return Vec::new();
        }
        // Deferred constraints may still refuse the whole.
        if tx.commit().await.is_err() {
            return Vec::new();
        }
        for (table, operation, _) in &done {
            self.written.entry(table.clone()).or_default().insert(operation);
        }
        done.into_iter().map(|(_, _, statement)| statement).collect()
    }

    /// One to four statements on tables picked at random, or now and then what fills empty tables again.
    fn statements(&mut self) -> Vec<(String, &'static str, String)> {
        if self.random.below(15) == 0 {
            return self
                .refill
                .iter()
                .map(|insert| ("refill".to_string(), "insert", insert.clone()))
                .collect();
        }
        let tables: Vec<String> = self.tables.keys().cloned().collect();
        let count = 1 + self.random.below(4);
        let mut statements = Vec::new();
        for _ in 0..count {
            let table = self.random.pick(&tables).clone();
            let alone = !self.tables[&table].iter().any(|column| column.referred);
            let (operation, statement) = match self.random.below(40) {
                0 if alone => ("truncate", format!("truncate {}.{table}", self.schema)),
                0..=4 => ("delete", self.delete(&table)),
                5..=20 => ("insert", self.insert(&table)),
                _ => ("update", self.update(&table)),
            };
            statements.push((table, operation, statement));
        }
        statements
    }

    /// A row picked at random, by a number so that the statement can be run again.
    fn any_row(&mut self, from: &str) -> String {
        format!("select ctid from {from} r order by md5(r::text || '{}') limit 1", self.random.next())
    }

    fn delete(&mut self, table: &str) -> String {
        let table = format!("{}.{table}", self.schema);
        format!("delete from {table} where ctid = ({})", self.any_row(&table))
    }

    /// Copies a row with another key and one other value, since a row made of noise would pass no check.
    fn insert(&mut self, table: &str) -> String {
        let quoted = format!("{}.{table}", self.schema);
        let varied = self.random.below(self.tables[table].len());
        let mut values = Vec::new();
        let mut names = Vec::new();
        for idx in 0..self.tables[table].len() {
            let (name, unique) = (self.tables[table][idx].name.clone(), self.tables[table][idx].unique);
            values.push(if unique || idx == varied { self.value(table, idx) } else { format!("r.{name}") });
            names.push(name);
        }
        let row = self.any_row(&quoted);
        let (names, values) = (names.join(", "), values.join(", "));
        format!("insert into {quoted} ({names}) select {values} from {quoted} r where ctid = ({row})")
    }

    fn update(&mut self, table: &str) -> String {
        let quoted = format!("{}.{table}", self.schema);
        let idx = self.random.below(self.tables[table].len());
        let (name, value) = (self.tables[table][idx].name.clone(), self.value(table, idx));
        format!("update {quoted} r set {name} = {value} where ctid = ({})", self.any_row(&quoted))
    }

    /// An expression for a new value of a column of the row `r`.
    fn value(&mut self, table: &str, idx: usize) -> String {
        let number = self.random.next();
        let column = &self.tables[table][idx];
        if column.nullable && self.random.below(6) == 0 {
            return "null".to_string();
        }
        if let Some((referred, key)) = &column.refers {
            return format!("(select f.{key} from {referred} f order by md5(f::text || '{number}') limit 1)");
        }
        if !column.labels.is_empty() {
            return format!("'{}'", self.random.pick(&column.labels));
        }
        let name = &column.name;
        match column.of.as_str() {
            "uuid" => format!("md5('{number}')::uuid"),
            "boolean" => format!("{}", number.is_multiple_of(2)),
            "integer" | "bigint" | "smallint" => format!("{}", number % 5),
            "numeric" | "real" | "double precision" => format!("{}.{}", number % 2, number % 100),
            "timestamp with time zone" => {
                format!("'2025-01-01'::timestamptz + interval '{} hours'", number % 20_000)
            }
            "date" => format!("'2025-01-01'::date + {}", number % 800),
            "jsonb" => format!("'{{\"n\": {}}}'", number % 7),
            "text[]" => format!("array['tag {}', 'tag {}']", number % 5, number % 3),
            "uuid[]" => format!(
                "array(select m.id from {}.members m order by md5(m.id::text || '{number}') limit 2)",
                self.schema
            ),
            // Keeps addresses and digests what they are, and makes unique texts new.
            "text" | "character varying" if column.unique => {
                format!("overlay(r.{name} placing substr(md5('{number}'), 1, 6) from 1 for 6)")
            }
            "text" | "character varying" => format!("'{} words'", number % 50),
            _ => format!("r.{name}"),
        }
    }
}
