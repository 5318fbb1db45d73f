//! The headers `Accept` and `Content-Type`.

use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CONTENT_TYPE};

use super::RequestError;
use super::ast::{Format, PlanForm};

const PLAN_OPTIONS: [&str; 5] = ["analyze", "verbose", "settings", "buffers", "wal"];
const RAW_TYPES: [&str; 3] = ["text/plain", "text/xml", "application/octet-stream"];

/// The form of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyForm {
    /// `application/json`, also when the client says nothing.
    Json,
    /// `text/csv`
    Csv,
    /// `application/x-www-form-urlencoded`
    UrlEncoded,
    /// One argument as it is: `text/plain`, `text/xml` or `application/octet-stream`.
    Raw(&'static str),
}

impl BodyForm {
    /// What the header `Content-Type` says.
    ///
    /// # Errors
    /// When it names a type that is not read.
    pub fn from_content_type(headers: &HeaderMap) -> Result<Self, RequestError> {
        let Some(header) = headers.get(CONTENT_TYPE) else { return Ok(Self::Json) };
        let header = String::from_utf8_lossy(header.as_bytes());
        let essence = MediaType::parse(&header).essence;
        match essence.as_str() {
            "application/json" | "application/vnd.pgrst.object+json" | "application/vnd.pgrst.array+json" => {
                Ok(Self::Json)
            }
            "text/csv" => Ok(Self::Csv),
            "application/x-www-form-urlencoded" => Ok(Self::UrlEncoded),
            _ => match raw_type(&essence) {
                Some(raw) => Ok(Self::Raw(raw)),
                None => Err(RequestError::UnreadableBody { content_type: essence }),
            },
        }
    }
}

impl Format {
    /// The form that the client likes best of those for which `is_offered` holds: by `q`, then in the order written.
    /// JSON when it has no header `Accept`, or accepts everything.
    ///
    /// # Errors
    /// When none is offered.
    pub fn negotiate(headers: &HeaderMap, is_offered: impl Fn(&Self) -> bool) -> Result<Self, RequestError> {
        let accepted: Vec<_> = headers
            .get_all(ACCEPT)
            .iter()
            .flat_map(|header| split_outside_quotes(&String::from_utf8_lossy(header.as_bytes()), ','))
            .filter(|text| !text.is_empty())
            .collect();
        if accepted.is_empty() {
            return Ok(Self::Json { strips_nulls: false });
        }
        let mut types: Vec<_> = accepted.iter().map(|text| MediaType::parse(text)).collect();
        types.sort_by_key(|media_type| std::cmp::Reverse(media_type.quality_permille)); // stable
        types
            .iter()
            .filter(|media_type| media_type.quality_permille > 0)
            .find_map(|media_type| media_type.format().filter(&is_offered))
            .ok_or(RequestError::NotAcceptable { accepted })
    }

    /// The media type that an answer of this form has, with its parameters.
    #[must_use]
    pub fn content_type(&self) -> String {
        let name = match self {
            Self::Json { strips_nulls: false } => "application/json; charset=utf-8",
            Self::Json { strips_nulls: true } => {
                "application/vnd.pgrst.array+json;nulls=stripped; charset=utf-8"
            }
            Self::Object { strips_nulls: false } => "application/vnd.pgrst.object+json; charset=utf-8",
            Self::Object { strips_nulls: true } => {
                "application/vnd.pgrst.object+json;nulls=stripped; charset=utf-8"
            }
            Self::Csv => "text/csv; charset=utf-8",
            Self::GeoJson => "application/geo+json; charset=utf-8",
            Self::Raw("application/octet-stream") => "application/octet-stream",
            Self::Raw(name) => return format!("{name}; charset=utf-8"),
            Self::Plan { form, options } => {
                let form = match form {
                    PlanForm::Json => "json",
                    PlanForm::Text => "text",
                };
                let options = match options.is_empty() {
                    true => String::new(),
                    false => format!("; options={}", options.join("|")),
                };
                return format!(
                    "application/vnd.pgrst.plan+{form}; for=\"application/json\"{options}; charset=utf-8"
                );
            }
        };
        name.to_owned()
    }
}

struct MediaType {
    /// Lower case, without parameters.
    essence: String,
    parameters: Vec<(String, String)>,
    quality_permille: u16,
}

impl MediaType {
    fn parse(text: &str) -> Self {
        let mut parts = split_outside_quotes(text, ';').into_iter();
        let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
        let parameters: Vec<_> = parts
            .filter_map(|part| {
                let (name, value) = part.split_once('=')?;
                Some((name.trim().to_ascii_lowercase(), value.trim().trim_matches('"').to_owned()))
            })
            .collect();
        let quality_permille = parameters
            .iter()
            .find(|(name, _)| name == "q")
            .and_then(|(_, value)| quality_permille(value))
            .unwrap_or(1_000);
        Self { essence, parameters, quality_permille }
    }

    fn parameter(&self, wanted: &str) -> Option<&str> {
        self.parameters.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str())
    }

    fn format(&self) -> Option<Format> {
        let strips_nulls = self.parameter("nulls") == Some("stripped");
        match self.essence.as_str() {
            "application/json" | "application/*" | "*/*" => Some(Format::Json { strips_nulls: false }),
            "application/vnd.pgrst.array+json" | "application/vnd.pgrst.array" => {
                Some(Format::Json { strips_nulls })
            }
            "application/vnd.pgrst.object+json" | "application/vnd.pgrst.object" => {
                Some(Format::Object { strips_nulls })
            }
            "text/csv" | "text/*" => Some(Format::Csv),
            "application/geo+json" => Some(Format::GeoJson),
            "application/vnd.pgrst.plan" | "application/vnd.pgrst.plan+text" => {
                Some(self.plan(PlanForm::Text))
            }
            "application/vnd.pgrst.plan+json" => Some(self.plan(PlanForm::Json)),
            essence => raw_type(essence).map(Format::Raw),
        }
    }

    fn plan(&self, form: PlanForm) -> Format {
        let asked = self.parameter("options").unwrap_or_default();
        let is_asked = |option: &&str| asked.split('|').any(|asked| asked == *option);
        Format::Plan { form, options: PLAN_OPTIONS.into_iter().filter(is_asked).collect() }
    }
}

fn raw_type(essence: &str) -> Option<&'static str> {
    RAW_TYPES.into_iter().find(|raw| *raw == essence)
}

/// `0.75` as 750; `None` when it is no number from 0 to 1 with at most three decimals.
fn quality_permille(text: &str) -> Option<u16> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if decimals.len() > 3 || !decimals.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let thousandths: u16 = format!("{decimals:0<3}").parse().ok()?;
    let quality = whole.parse::<u16>().ok()?.checked_mul(1_000)?.checked_add(thousandths)?;
    (quality <= 1_000).then_some(quality)
}

/// The trimmed parts between `separator`s.
fn split_outside_quotes(text: &str, separator: char) -> Vec<String> {
    let mut is_quoted = false;
    text.split(|next| {
        is_quoted ^= next == '"';
        next == separator && !is_quoted
    })
    .map(|part| part.trim().to_owned())
    .collect()
}
