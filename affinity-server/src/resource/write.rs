use axum::body::Body;
use axum::http::header::{CONTENT_RANGE, LOCATION};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use sqlx::PgConnection;

use super::answer::Answer;
use super::ask::Ask;
use super::etag::version_value;
use super::execute::Found;
use super::payload::bad_body;
use super::read::check_singular;
use super::request::{
    Condition, CountKind, Format, MissingFields, Operator, Query, Resolution, ReturnKind, TransactionEnd,
};
use super::transact::{Failed, Job};
use crate::auth::Access;
use crate::catalog::{
    AnswerStatement, Base, Identifier, Predicate, Relation, RelationId, Rows, Shape, Source, Value, Write,
    WriteStatement,
};
use crate::problem::Problem;

/// What kind of write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Insert,
    Put,
    Update,
    Delete,
}

/// A write in the catalog's names.
enum Planned {
    /// One that needs the database.
    Statement(Box<WriteStatement>),
    /// One that writes nothing.
    Nothing(Answer),
}

impl Ask<'_> {
    /// Writes rows of a table or view.
    pub(super) async fn write(&self, table: &str, body: Body) -> Result<Response, Problem> {
        let text = self.body_text(body).await?;
        let format = self.format()?;
        if let Format::Plan { form, options } = &format {
            let Planned::Statement(statement) = self.plan_write(table, &text)? else {
                return Err(bad_body("nothing would be written"));
            };
            let plan = self.lines(&statement.render().explained(options, *form), Access::Write).await?;
            return Ok(Answer::new(StatusCode::OK, &format).body(plan).finish(self));
        }
        let job = match self.preferences.outcome_per_row && self.kind() == Kind::Insert {
            true => Job::EachRow { table, text: &text },
            false => Job::Write { table, text: &text },
        };
        self.transact(job).await
    }

    /// Several writes, all or none.
    pub(super) async fn write_batch(&self, body: Body) -> Result<Response, Problem> {
        let text = self.body_text(body).await?;
        self.transact(Job::Batch { text: &text }).await
    }

    /// Writes what this request says, in a transaction of the caller's.
    pub(super) async fn perform(
        &self,
        connection: &mut PgConnection,
        table: &str,
        text: &str,
    ) -> Result<Answer, Failed> {
        let format = self.format()?;
        let statement = match self.plan_write(table, text)? {
            Planned::Statement(statement) => statement,
            Planned::Nothing(answer) => return Ok(answer),
        };
        let given = match &statement.write {
            Write::Insert { given, .. } | Write::Update { given, .. } => Some(given),
            Write::InsertDefaults { .. } | Write::Delete { .. } => None,
        };
        let sql = statement.render();
        let row = sql.clone().query().fetch_one(connection).await;
        let found =
            row.and_then(|row| Found::from_row(&row)).map_err(|error| Failed::of(error, sql, given))?;
        self.check_written(&statement, &format, &found)?;
        Ok(self.written(&statement, &format, found)?)
    }

    fn kind(&self) -> Kind {
        match self.parts.method {
            Method::POST => Kind::Insert,
            Method::PUT => Kind::Put,
            Method::PATCH => Kind::Update,
            _ => Kind::Delete,
        }
    }

    fn plan_write(&self, table: &str, text: &str) -> Result<Planned, Problem> {
        let kind = self.kind();
        let mut query = Query::parse(&self.pairs, &self.rest.settings().limits)?;
        let planner = self.planner();
        let id = planner.find_table(table)?;
        let relation = planner.relation(id);
        self.check_window(kind, &query)?;
        let conditions = std::mem::take(&mut query.conditions);
        let mut predicates = self.predicates(id, &conditions)?;
        if matches!(kind, Kind::Update | Kind::Delete) {
            self.require_filter(&predicates)?;
            predicates.extend(self.if_match(relation)?);
        }
        let write = match kind {
            Kind::Delete => Write::Delete { predicates },
            Kind::Update => {
                let payload = self.payload(relation, &query, text)?;
                if payload.row_count != 1 {
                    return Err(bad_body("an update takes one object"));
                }
                if payload.given.columns.is_empty() {
                    return Ok(Planned::Nothing(
                        self.nothing_written(StatusCode::OK, StatusCode::NO_CONTENT),
                    ));
                }
                Write::Update { given: payload.given, predicates }
            }
            Kind::Put => {
                self.check_put(relation, &conditions)?;
                let payload = self.payload(relation, &query, text)?;
                let conflict = planner.conflict(id, None, Resolution::MergeDuplicates)?;
                Write::Insert { given: payload.given, conflict, predicates }
            }
            Kind::Insert => {
                if !predicates.is_empty() && self.is_strict() {
                    return Err(Problem::rest(
                        StatusCode::BAD_REQUEST,
                        "PGRST100",
                        "an insert takes no filters",
                    ));
                }
                let payload = self.payload(relation, &query, text)?;
                let conflict = match self.preferences.resolution {
                    Some(resolution) => planner.conflict(id, query.on_conflict.as_deref(), resolution)?,
                    None => None,
                };
                let is_bare = payload.given.columns.is_empty();
                match default_column(relation).filter(|_| is_bare && payload.row_count > 0) {
                    Some(column) => Write::InsertDefaults { row_count: payload.row_count, column },
                    None if is_bare => {
                        return Ok(Planned::Nothing(
                            self.nothing_written(StatusCode::CREATED, StatusCode::CREATED),
                        ));
                    }
                    None => Write::Insert { given: payload.given, conflict, predicates: Vec::new() },
                }
            }
        };
        let format = self.format()?;
        Ok(Planned::Statement(Box::new(self.statement(id, write, &query, &format)?)))
    }

    fn statement(
        &self,
        id: RelationId,
        write: Write,
        query: &Query,
        format: &Format,
    ) -> Result<WriteStatement, Problem> {
        let planner = self.planner();
        let relation = planner.relation(id);
        let (mut returning, mut location, mut answer) = (Vec::new(), Vec::new(), None);
        match self.preferences.returns {
            None | Some(ReturnKind::Minimal) => {}
            Some(ReturnKind::HeadersOnly) => {
                location = planner.names(id, &relation.primary_key);
                returning.clone_from(&location);
            }
            Some(ReturnKind::Representation) => {
                let row_type = Some((relation.schema.clone(), relation.name.clone()));
                let rows = planner.rows(planner.table(id), Source::Given { row_type }, query)?;
                returning = rows.own_columns().unwrap_or_else(|| {
                    relation.columns.iter().map(|column| column.name.clone()).collect::<Vec<Identifier>>()
                });
                let version = version_value(relation).filter(|_| !rows.is_grouped());
                if let Some(Value { base: Base::Column(column), .. }) = &version
                    && !returning.contains(column)
                {
                    returning.push(column.clone());
                }
                answer = Some(AnswerStatement {
                    rows,
                    count: None,
                    format: format.clone(),
                    rows_max: u64::MAX,
                    keys: version.into_iter().collect(),
                    shape: Shape::Rows,
                });
            }
        }
        let (schema, name) = (relation.schema.clone(), relation.name.clone());
        Ok(WriteStatement { schema, name, write, returning, location, answer })
    }

    /// Refuses what was written when it is not what the request allows; nothing has happened then.
    fn check_written(
        &self,
        statement: &WriteStatement,
        format: &Format,
        found: &Found,
    ) -> Result<(), Problem> {
        let kind = self.kind();
        if matches!(kind, Kind::Update | Kind::Delete) {
            self.check_match(found.fetched)?;
        }
        if statement.answer.is_some() {
            check_singular(format, found)?;
        }
        if kind == Kind::Put && found.fetched != 1 {
            let message = "Payload values do not match URL in primary key column(s)";
            return Err(Problem::rest(StatusCode::BAD_REQUEST, "PGRST115", message));
        }
        self.check_affected(found.fetched)
    }

    fn written(
        &self,
        statement: &WriteStatement,
        format: &Format,
        mut found: Found,
    ) -> Result<Answer, Problem> {
        let kind = self.kind();
        let (affected, is_shown) = (found.fetched, statement.answer.is_some());
        let all_known = found.inserted == Some(0) && matches!(kind, Kind::Insert | Kind::Put);
        let status = match kind {
            Kind::Insert if all_known && affected > 0 => StatusCode::OK,
            Kind::Insert => StatusCode::CREATED,
            Kind::Put if !all_known => StatusCode::CREATED,
            _ if is_shown => StatusCode::OK,
            _ => StatusCode::NO_CONTENT,
        };
        let mut answer = if is_shown { Answer::new(status, format) } else { Answer::empty(status) };
        let total = match self.preferences.count {
            Some(CountKind::Exact) => affected.to_string(),
            _ => "*".to_owned(),
        };
        let range = match (kind, affected) {
            (Kind::Update, 1..) => format!("0-{}/{total}", affected - 1),
            _ => format!("*/{total}"),
        };
        if kind != Kind::Put {
            answer = answer.header(CONTENT_RANGE, range);
        }
        if let Some(key) = found.location.as_ref().filter(|_| affected == 1 && kind == Kind::Insert) {
            answer = answer.header(LOCATION, self.location(&statement.location, key));
        }
        let preferences = &self.preferences;
        if let Some(resolution) = preferences.resolution.filter(|_| kind == Kind::Insert) {
            answer = answer.applied(match resolution {
                Resolution::MergeDuplicates => "resolution=merge-duplicates",
                Resolution::IgnoreDuplicates => "resolution=ignore-duplicates",
            });
        }
        if let Some(missing) = preferences.missing.filter(|_| kind != Kind::Delete) {
            answer = answer.applied(match missing {
                MissingFields::Default => "missing=default",
                MissingFields::Null => "missing=null",
            });
        }
        if let Some(returns) = preferences.returns {
            answer = answer.applied(match returns {
                ReturnKind::Minimal => "return=minimal",
                ReturnKind::HeadersOnly => "return=headers-only",
                ReturnKind::Representation => "return=representation",
            });
        }
        let is_counted = preferences.count == Some(CountKind::Exact);
        let version = found.last_keys.as_mut().and_then(|keys| keys.pop()?).filter(|_| affected == 1);
        let answer = answer.applied_count(is_counted, self).of(found)?;
        Ok(match version {
            Some(version) => answer.tagged(self, Some(&version)),
            None => answer,
        })
    }

    /// Whether the transaction commits.
    pub(super) fn commits(&self) -> bool {
        let policy = self.platform.settings.transaction_end;
        match self.preferences.transaction.filter(|_| policy.may_override) {
            Some(end) => end == TransactionEnd::Commit,
            None => policy.commits,
        }
    }

    /// Refuses more rows than `max-affected` allows, where it counts.
    pub(super) fn check_affected(&self, affected: u64) -> Result<(), Problem> {
        match self.preferences.affected_max.filter(|_| self.is_strict()) {
            Some(max) if affected > max => {
                let message = "Query result exceeds max-affected preference constraint";
                Err(Problem::rest(StatusCode::BAD_REQUEST, "PGRST124", message)
                    .details(format!("The query affects {affected} rows")))
            }
            _ => Ok(()),
        }
    }

    fn predicates(&self, id: RelationId, conditions: &[Condition]) -> Result<Vec<Predicate>, Problem> {
        let planner = self.planner();
        let query = Query { conditions: conditions.to_vec(), ..Query::default() };
        let rows: Rows = planner.rows(planner.table(id), planner.source(id), &query)?;
        Ok(rows.predicates)
    }

    /// Who changes every row must say so.
    fn require_filter(&self, predicates: &[Predicate]) -> Result<(), Problem> {
        let says_so = self.preferences.affected_max.is_some() && self.is_strict();
        if !predicates.is_empty() || says_so || !self.platform.settings.is_strict {
            return Ok(());
        }
        let message = "this would write every row of the table";
        Err(Problem::rest(StatusCode::BAD_REQUEST, "unfiltered_write", message).hint(
            "add a filter, or say how many rows may be written: Prefer: handling=strict, max-affected=100",
        ))
    }

    fn check_window(&self, kind: Kind, query: &Query) -> Result<(), Problem> {
        let has_window = query.window.limit.is_some() || query.window.offset > 0;
        match kind {
            Kind::Put if has_window => {
                let message = "limit/offset querystring parameters are not allowed for PUT";
                Err(Problem::rest(StatusCode::BAD_REQUEST, "PGRST114", message))
            }
            _ if has_window && self.is_strict() => {
                let message = "limit and offset do not limit what is written";
                Err(Problem::rest(StatusCode::BAD_REQUEST, "PGRST127", message))
            }
            _ => Ok(()),
        }
    }

    /// A PUT names one row by its whole key.
    fn check_put(&self, relation: &Relation, conditions: &[Condition]) -> Result<(), Problem> {
        let mut named: Vec<&str> = Vec::new();
        for condition in conditions {
            match condition {
                Condition::Filter(filter)
                    if !filter.is_negated
                        && filter.field.path.is_empty()
                        && matches!(
                            filter.operator,
                            Operator::Binary { name: "eq", quantifier: None, .. }
                        ) =>
                {
                    named.push(&filter.field.name);
                }
                _ => named.push(""),
            }
        }
        let mut key: Vec<&str> =
            relation.primary_key.iter().map(|column| relation.column(*column).name.name()).collect();
        named.sort_unstable();
        key.sort_unstable();
        if named == key && !key.is_empty() {
            return Ok(());
        }
        let message = "Filters must include all and only primary key columns with 'eq' operators";
        Err(Problem::rest(StatusCode::METHOD_NOT_ALLOWED, "PGRST105", message))
    }

    /// The answer of a write that has nothing to write.
    fn nothing_written(&self, shown: StatusCode, silent: StatusCode) -> Answer {
        let json = Format::Json { strips_nulls: false };
        let answer = match self.preferences.returns {
            Some(ReturnKind::Representation) => {
                Answer::new(shown, &json).body("[]".to_owned()).applied("return=representation")
            }
            _ => Answer::empty(silent),
        };
        answer.header(CONTENT_RANGE, "*/*")
    }

    /// Where a row is.
    fn location(&self, columns: &[Identifier], key: &[Option<String>]) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (column, value) in columns.iter().zip(key) {
            let value = value.as_ref().map_or("is.null".to_owned(), |value| format!("eq.{value}"));
            query.append_pair(column.name(), &value);
        }
        format!("{}?{}", self.parts.uri.path(), query.finish())
    }
}

/// Any column whose default an insert may ask for.
fn default_column(relation: &Relation) -> Option<Identifier> {
    relation.columns.first().map(|column| column.name.clone())
}
