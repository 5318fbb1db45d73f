//! The header `Prefer`.

use axum::http::{HeaderMap, HeaderName};

use super::RequestError;
use super::ast::{CountKind, MissingFields, Preferences, Resolution, ReturnKind, TransactionEnd};

const PREFER: HeaderName = HeaderName::from_static("prefer");

impl Preferences {
    /// What all `Prefer` headers say; of a preference that comes twice, the first counts.
    ///
    /// # Errors
    /// When one is not known and `handling=strict` says that it may not be ignored.
    pub fn parse(headers: &HeaderMap) -> Result<Self, RequestError> {
        let mut preferences = Self::default();
        for header in headers.get_all(PREFER) {
            for preference in String::from_utf8_lossy(header.as_bytes()).split(',').map(str::trim) {
                if !preference.is_empty() && preferences.add(preference).is_none() {
                    preferences.unknown.push(preference.to_owned());
                }
            }
        }
        match preferences.is_strict {
            Some(true) => preferences.refuse_unknown(),
            _ => Ok(preferences),
        }
    }

    /// The same, when all of it is known.
    ///
    /// # Errors
    /// When something is not.
    pub fn refuse_unknown(self) -> Result<Self, RequestError> {
        match self.unknown.is_empty() {
            true => Ok(self),
            false => Err(RequestError::UnknownPreferences { preferences: self.unknown }),
        }
    }

    /// `None` when `preference` is not known.
    fn add(&mut self, preference: &str) -> Option<()> {
        match preference {
            "return=minimal" => first(&mut self.returns, ReturnKind::Minimal),
            "return=headers-only" => first(&mut self.returns, ReturnKind::HeadersOnly),
            "return=representation" => first(&mut self.returns, ReturnKind::Representation),
            "resolution=merge-duplicates" => first(&mut self.resolution, Resolution::MergeDuplicates),
            "resolution=ignore-duplicates" => first(&mut self.resolution, Resolution::IgnoreDuplicates),
            "count=exact" => first(&mut self.count, CountKind::Exact),
            "count=planned" => first(&mut self.count, CountKind::Planned),
            "count=estimated" => first(&mut self.count, CountKind::Estimated),
            "missing=default" => first(&mut self.missing, MissingFields::Default),
            "missing=null" => first(&mut self.missing, MissingFields::Null),
            "handling=strict" => first(&mut self.is_strict, true),
            "handling=lenient" => first(&mut self.is_strict, false),
            "tx=commit" => first(&mut self.transaction, TransactionEnd::Commit),
            "tx=rollback" => first(&mut self.transaction, TransactionEnd::Rollback),
            "outcome=per-row" => self.outcome_per_row = true,
            _ => match preference.split_once('=')? {
                ("timezone", zone) if !zone.is_empty() => first(&mut self.timezone, zone.to_owned()),
                ("max-affected", max) => first(&mut self.affected_max, max.parse().ok()?),
                _ => return None,
            },
        }
        Some(())
    }
}

fn first<T>(preference: &mut Option<T>, value: T) {
    preference.get_or_insert(value);
}
