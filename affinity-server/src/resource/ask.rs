use std::sync::Arc;

use axum::http::header::ALLOW;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::answer::Answer;
use super::plan::{Planner, nearest};
use super::request::{Format, Preferences, RequestError, forgiving, profile};
use super::rest::Rest;
use super::turnstile::Place;
use super::unreadable::Unreadable;
use crate::auth::{Access, Caller, RequestSettings, Standing, Visit};
use crate::catalog::{Catalog, Identifier, ServedPlatform, search_path};
use crate::problem::Problem;

/// Headers that stay between the client and us.
const PRIVATE_HEADERS: [&str; 4] = ["authorization", "cookie", "apikey", "proxy-authorization"];

/// A request: who asks what of which platform, before its table is looked at.
#[derive(Debug)]
pub(super) struct Ask<'a> {
    pub(super) rest: &'a Rest,
    pub(super) catalog: &'a Arc<Catalog>,
    pub(super) platform: &'a ServedPlatform,
    pub(super) schema: &'a Identifier,
    pub(super) caller: Caller,
    pub(super) preferences: Preferences,
    pub(super) parts: &'a Parts,
    /// The query string's parameters, decoded, in order.
    pub(super) pairs: Vec<(String, String)>,
    unreadable: Arc<Unreadable>,
    /// Held until the answer is there.
    _place: Option<Place>,
}

impl<'a> Ask<'a> {
    /// A request that has a place among those of its client.
    pub(super) async fn admitted(
        rest: &'a Rest,
        catalog: &'a Arc<Catalog>,
        platform: &str,
        parts: &'a Parts,
    ) -> Result<Self, Problem> {
        let known = parts.extensions.get::<Caller>().and_then(Caller::id).map(|id| id.to_string());
        let address = || parts.extensions.get::<Visit>()?.address.map(|address| address.to_string());
        let place = match known.or_else(address) {
            Some(client) => Some(rest.enter(&client).await?),
            None => None,
        };
        Ok(Self { _place: place, ..Self::new(rest, catalog, platform, parts).await? })
    }

    /// A request, or a part of one.
    pub(super) async fn new(
        rest: &'a Rest,
        catalog: &'a Arc<Catalog>,
        platform: &str,
        parts: &'a Parts,
    ) -> Result<Self, Problem> {
        let Some(platform) = catalog.platforms.get(platform) else {
            return Err(unknown_platform(catalog, platform));
        };
        let served: Vec<String> = platform.schemas.iter().map(|schema| schema.name().to_owned()).collect();
        let schema = profile(&parts.method, &parts.headers, &served)?;
        let schema = schema.and_then(|name| platform.schema(name)).ok_or_else(|| {
            Problem::rest(StatusCode::NOT_FOUND, "PGRST106", "this platform serves no schema")
        })?;
        let preferences = Preferences::parse(&parts.headers)?;
        let preferences = match platform.settings.is_strict && preferences.is_strict != Some(false) {
            true => preferences.refuse_unknown()?,
            false => preferences,
        };
        let preferences = known_timezone(rest, platform, preferences).await?;
        let caller = caller(rest, platform, parts);
        let unreadable = rest.unreadable(catalog, caller.role()).await?;
        let query = parts.uri.query().unwrap_or_default();
        let pairs = match platform.settings.is_strict {
            true => form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
            false => forgiving(query),
        };
        Ok(Self {
            rest,
            catalog,
            platform,
            schema,
            caller,
            preferences,
            parts,
            pairs,
            unreadable,
            _place: None,
        })
    }

    pub(super) fn unreadable(&self) -> &Unreadable {
        &self.unreadable
    }

    pub(super) fn planner(&self) -> Planner<'_> {
        Planner {
            catalog: self.catalog,
            platform: self.platform,
            schema: self.schema,
            rows_max: self.rows_max(),
            unreadable: &self.unreadable,
        }
    }

    /// Which methods a table or view takes.
    pub(super) fn methods(&self, table: &str) -> Result<Response, Problem> {
        let planner = self.planner();
        let relation = planner.relation(planner.find_table(table)?);
        let writable = relation.writable;
        let has_key = !relation.primary_key.is_empty();
        let methods = [
            ("OPTIONS,GET,HEAD", true),
            (",POST", writable.insert),
            (",PUT", writable.insert && writable.update && has_key),
            (",PATCH", writable.update),
            (",DELETE", writable.delete),
        ];
        let allowed: String =
            methods.iter().filter(|(_, is_taken)| *is_taken).map(|(name, _)| *name).collect();
        Ok(Answer::empty(StatusCode::OK).header(ALLOW, allowed).finish(self))
    }

    /// Rows of one answer at most.
    pub(super) fn rows_max(&self) -> u64 {
        self.platform.settings.rows_max.unwrap_or(self.rest.settings().rows_max)
    }

    /// The form of the answer.
    pub(super) fn format(&self) -> Result<Format, Problem> {
        let is_offered = |format: &Format| match format {
            Format::Plan { .. } => self.platform.settings.plan_enabled,
            Format::Raw(_) => false,
            _ => true,
        };
        Ok(Format::negotiate(&self.parts.headers, is_offered)?)
    }

    /// Whether unknown names and preferences are refused.
    pub(super) fn is_strict(&self) -> bool {
        self.preferences.is_strict.unwrap_or(self.platform.settings.is_strict)
    }

    /// What the transaction knows of this request.
    pub(super) fn request_settings(&self, access: Access) -> RequestSettings<'static> {
        let mut local = vec![
            ("search_path", search_path(self.platform, self.schema)),
            ("request.method", self.parts.method.to_string()),
            ("request.path", self.parts.uri.path().to_owned()),
            ("request.headers", json!(shown_headers(&self.parts.headers)).to_string()),
        ];
        local.extend(self.parts.extensions.get::<Visit>().map(Visit::settings).unwrap_or_default());
        if let Some(Ok(reason)) = self.parts.headers.get("affinity-reason").map(|reason| reason.to_str()) {
            local.push(("affinity.reason", reason.to_owned())); // for the audit
        }
        if let Some(timezone) = &self.preferences.timezone {
            local.push(("TimeZone", timezone.clone()));
        }
        RequestSettings { access, statement_timeout: self.rest.settings().statement_timeout, local }
    }
}

/// The caller that the layers before us found; nobody in particular is who the platform says.
fn caller(rest: &Rest, platform: &ServedPlatform, parts: &Parts) -> Caller {
    // A token of another issuer may name a role and nobody: what it says counts.
    if let Some(known) = parts.extensions.get::<Caller>() {
        return known.clone();
    }
    let role = rest.settings().role_prefix.role_of_nobody(&platform.settings);
    Caller::new(Standing::Anonymous, role, Map::new())
}

/// Drops a time zone that PostgreSQL does not know, or refuses it where nothing may be ignored.
async fn known_timezone(
    rest: &Rest,
    platform: &ServedPlatform,
    mut preferences: Preferences,
) -> Result<Preferences, Problem> {
    if let Some(timezone) = &preferences.timezone
        && !rest.knows_timezone(timezone).await?
    {
        if preferences.is_strict.unwrap_or(platform.settings.is_strict) {
            let preferences = vec![format!("timezone={timezone}")];
            return Err(RequestError::UnknownPreferences { preferences }.into());
        }
        preferences.timezone = None;
    }
    Ok(preferences)
}

fn unknown_platform(catalog: &Catalog, platform: &str) -> Problem {
    let names: Vec<&String> = catalog.platforms.keys().collect();
    let message = format!("there is no platform \"{platform}\"");
    let problem =
        Problem::rest(StatusCode::NOT_FOUND, "unknown_platform", message).allowed(names.iter().copied());
    match nearest(platform, names.iter().map(|name| name.as_str())) {
        Some(near) => problem.hint(format!("Perhaps you meant \"{near}\"")),
        None => problem,
    }
}

fn shown_headers(headers: &HeaderMap) -> Map<String, Value> {
    let shown = headers.iter().filter(|(name, _)| !PRIVATE_HEADERS.contains(&name.as_str()));
    shown.map(|(name, value)| (name.to_string(), json!(String::from_utf8_lossy(value.as_bytes())))).collect()
}
