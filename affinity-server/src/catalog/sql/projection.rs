use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::error::CatalogError;

/// Statements over the projection views of one platform, their schema looked up and quoted by PostgreSQL.
///
/// Columns come by the names that the views give them; `attributes` as text, since the reader needs it as bytes.
#[derive(Clone, Debug)]
pub struct ProjectionStatements {
    /// Quoted.
    schema: String,
    /// Whether there is a view `affinity_outcomes`, which a platform may do without.
    has_outcomes: bool,
}

/// Which rows of a projection view a statement reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProjectionRows {
    /// All of them.
    All,
    /// Those of one anchor table, `$4`.
    OfTable,
    /// Those of some anchors of one table, `$4` and `$5` (`uuid[]`).
    OfAnchors,
}

impl ProjectionRows {
    fn condition(self) -> &'static str {
        match self {
            Self::All => "",
            Self::OfTable => " WHERE v.anchor_table = $4",
            Self::OfAnchors => " WHERE v.anchor_table = $4 AND v.anchor_id = ANY($5)",
        }
    }
}

impl ProjectionStatements {
    /// The statements for `platform`, once the database has confirmed that its views are there.
    ///
    /// # Errors
    /// [`CatalogError`] naming the platform or the view that the database does not have.
    pub async fn prepare(connection: &mut PgConnection, platform: &str) -> Result<Self, CatalogError> {
        let known = sqlx::query(
            "select p.schema_name::text as schema, quote_ident(p.schema_name) as quoted_schema,
                    to_regclass(quote_ident(p.schema_name) || '.affinity_outcomes') is not null as has_outcomes,
                    array(select wanted from unnest(array['affinity_nodes', 'affinity_edges', 'affinity_texts']) wanted
                          where to_regclass(quote_ident(p.schema_name) || '.' || wanted) is null) as missing
             from affinity.platforms p where p.name = $1",
        )
        .bind(platform)
        .fetch_optional(connection)
        .await?;
        let Some(known) = known else {
            return Err(CatalogError::UnknownPlatform { platform: platform.to_owned() });
        };
        let missing: Vec<String> = known.try_get("missing")?;
        match missing.into_iter().next() {
            Some(table) => Err(CatalogError::UnknownTable { schema: known.try_get("schema")?, table }),
            None => Ok(Self {
                schema: known.try_get("quoted_schema")?,
                has_outcomes: known.try_get("has_outcomes")?,
            }),
        }
    }

    /// Rows of `affinity_nodes`. `$1` to `$3` are declared and unused, so that all statements bind alike.
    #[must_use]
    pub fn nodes(&self, rows: ProjectionRows) -> AssertSqlSafe<String> {
        AssertSqlSafe(format!(
            "SELECT v.kind, v.id, v.attributes::text AS attributes, v.audience, v.principals, v.anchor_table, \
             v.anchor_id, $1::text, $2::text, $3::text[] FROM {}.affinity_nodes v{}",
            self.schema,
            rows.condition()
        ))
    }

    /// Rows of `affinity_edges`, and the feedback of platform `$1` on the matchers `$3` (`text[]`); `$2` is declared
    /// and unused, so that all statements bind alike.
    #[must_use]
    pub fn edges(&self, rows: ProjectionRows) -> AssertSqlSafe<String> {
        AssertSqlSafe(format!(
            "SELECT v.relation, v.source, v.target, v.origin, v.weight, v.at, v.attributes::text AS attributes, \
             v.audience, v.anchor_table, v.anchor_id, $2::text FROM (\
             SELECT relation, source, target, origin, weight, at, attributes, audience, anchor_table, anchor_id \
             FROM {}.affinity_edges UNION ALL \
             SELECT relation, source, target, origin, weight, at, attributes, audience, anchor_table, anchor_id \
             FROM affinity.feedback_edges WHERE platform = $1 AND matcher = ANY($3)) v{}",
            self.schema,
            rows.condition()
        ))
    }

    /// Rows of `affinity_texts` for platform `$1` (`$3` declared and unused), each with the vector that model `$2` made from that very text;
    /// the text itself comes only where there is none.
    #[must_use]
    pub fn texts(&self, rows: ProjectionRows) -> AssertSqlSafe<String> {
        // LIMIT keeps this a look-up per row: joined, a few texts could be matched against all vectors there are.
        AssertSqlSafe(format!(
            "SELECT v.kind, v.id, v.space, hashed.text_hash, known.vector, \
             CASE WHEN known.vector IS NULL THEN v.text END AS text, v.audience, v.anchor_table, v.anchor_id, $3::text[] AS unused \
             FROM {}.affinity_texts v \
             CROSS JOIN LATERAL (SELECT sha256(convert_to(v.text, 'UTF8')) AS text_hash) hashed \
             LEFT JOIN LATERAL (SELECT stored.vector FROM affinity.vectors stored \
             WHERE stored.platform = $1 AND stored.kind = v.kind AND stored.id = v.id AND stored.space = v.space \
             AND stored.model = $2 AND stored.text_hash = hashed.text_hash LIMIT 1) known ON true{}",
            self.schema,
            rows.condition()
        ))
    }

    /// What became of past matches of matcher `$2` of platform `$1`, oldest first: `source`, `target`, `label`, `at`.
    #[must_use]
    pub fn outcomes(&self) -> AssertSqlSafe<String> {
        let feedback = "SELECT source, target, label, at FROM affinity.feedback_outcomes \
                        WHERE platform = $1 AND matcher = $2";
        let own = match self.has_outcomes {
            true => format!(
                "SELECT source, target, label, at FROM {}.affinity_outcomes WHERE matcher = $2 UNION ALL ",
                self.schema
            ),
            false => String::new(),
        };
        AssertSqlSafe(format!(
            "SELECT source, target, label, at FROM ({own}{feedback}) o \
             WHERE label IS NOT NULL AND at IS NOT NULL ORDER BY at, source, target, label"
        ))
    }

    /// Deletes the vectors of platform `$1` whose text is gone.
    #[must_use]
    pub fn forget_orphans(&self) -> AssertSqlSafe<String> {
        AssertSqlSafe(format!(
            "DELETE FROM affinity.vectors stored WHERE stored.platform = $1 AND NOT EXISTS (SELECT FROM \
             {}.affinity_texts v WHERE v.kind = stored.kind AND v.id = stored.id AND v.space = stored.space)",
            self.schema
        ))
    }
}
