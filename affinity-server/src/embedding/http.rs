//! A client for services that speak OpenAI's embeddings protocol.

use super::error::EmbeddingError;
use crate::egress::{Allow, Egress, EgressError, EgressRequest, EgressResponse};
use reqwest::Url;
use reqwest::header::HeaderValue;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How to reach a service and how hard to try. Not printable, as it holds the key.
#[derive(Clone)]
pub struct HttpEmbedderParams {
    /// The service's base; `/embeddings` is added unless the path ends so.
    pub url: String,
    /// The model asked for.
    pub model: String,
    /// Sent as bearer token.
    pub key: Option<String>,
    /// Components that every vector must have.
    pub dimension: usize,
    /// Texts of one request, at most.
    pub batch_texts_max: usize,
    /// Characters of one request, at most; a longer single text goes alone.
    pub batch_chars_max: usize,
    /// Time for one request.
    pub timeout: Duration,
    /// Requests for one batch, at most.
    pub attempts_max: u32,
    /// Wait before the second request; it doubles before each further one.
    pub backoff_first: Duration,
    /// The longest wait, also when the service asks for more.
    pub backoff_max: Duration,
}

impl HttpEmbedderParams {
    /// Batches well below the limits of the public services, five attempts over some fifteen seconds.
    pub fn standard(url: impl Into<String>, model: impl Into<String>, dimension: usize) -> Self {
        Self {
            url: url.into(),
            model: model.into(),
            key: None,
            dimension,
            batch_texts_max: 256,
            batch_chars_max: 200_000,
            timeout: Duration::from_secs(30),
            attempts_max: 5,
            backoff_first: Duration::from_secs(1),
            backoff_max: Duration::from_secs(30),
        }
    }
}

/// Embeds texts with a service over HTTP.
///
/// ```
/// use affinity_server::embedding::{HttpEmbedder, HttpEmbedderParams};
///
/// let params = HttpEmbedderParams::standard("http://127.0.0.1:11434/v1", "text-embedding-3-small", 1536);
/// let embedder = HttpEmbedder::new(params)?;
/// assert_eq!(embedder.model(), "text-embedding-3-small/1536");
/// # Ok::<(), affinity_server::embedding::EmbeddingError>(())
/// ```
#[derive(Clone, Debug)]
pub struct HttpEmbedder {
    egress: Egress,
    url: Url,
    authorization: Option<HeaderValue>,
    service_model: String,
    model: String,
    dimension: usize,
    batch_texts_max: usize,
    batch_chars_max: usize,
    attempts_max: u32,
    backoff_first: Duration,
    backoff_max: Duration,
}

/// A component in decimal takes some 20 bytes; the rest is the envelope.
const RESPONSE_BYTES_PER_COMPONENT: usize = 40;
const RESPONSE_BYTES_ENVELOPE: usize = 64 * 1024;
const MESSAGE_CHARS_MAX: usize = 300;

#[derive(Serialize)]
struct Question<'a> {
    model: &'a str,
    input: &'a [&'a str],
    encoding_format: &'static str,
}

#[derive(Deserialize)]
struct Answer {
    data: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    index: usize,
    /// Finite: JSON has no other numbers, and one too large for 32 bits does not parse.
    embedding: Vec<f32>,
}

impl HttpEmbedder {
    /// A client for the service of `params`, which may be on a private address, as the operator named it.
    ///
    /// # Errors
    /// An [`EmbeddingError`] that names the wrong parameter, or `Unreachable` when TLS cannot be set up.
    pub fn new(params: HttpEmbedderParams) -> Result<Self, EmbeddingError> {
        let invalid_url = || EmbeddingError::InvalidUrl { url: params.url.clone() };
        let mut url = Url::parse(&params.url).map_err(|_| invalid_url())?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(invalid_url());
        }
        let base = url.path().trim_end_matches('/').to_owned();
        if !base.ends_with("/embeddings") {
            url.set_path(&format!("{base}/embeddings"));
        }
        for (field, is_zero) in [
            ("dimension", params.dimension == 0),
            ("batch_texts_max", params.batch_texts_max == 0),
            ("batch_chars_max", params.batch_chars_max == 0),
            ("attempts_max", params.attempts_max == 0),
        ] {
            if is_zero {
                return Err(EmbeddingError::ZeroParameter { field });
            }
        }
        let authorization = params.key.as_deref().map(bearer).transpose()?;
        let allow = Allow::operator(&url).ok_or_else(invalid_url)?;
        let egress = Egress::new(allow, params.timeout)
            .map_err(|source| EmbeddingError::Unreachable { attempts: 0, source })?;
        Ok(Self {
            egress,
            url,
            authorization,
            model: format!("{}/{}", params.model, params.dimension),
            service_model: params.model,
            dimension: params.dimension,
            batch_texts_max: params.batch_texts_max,
            batch_chars_max: params.batch_chars_max,
            attempts_max: params.attempts_max,
            backoff_first: params.backoff_first,
            backoff_max: params.backoff_max,
        })
    }

    /// The service's model and the dimension.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// Components of every vector.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// One entry per text, in the same order; `None` for a blank text, which is not sent, and for a zero vector.
    ///
    /// # Errors
    /// An [`EmbeddingError`] for the first batch that fails; nothing is returned in part.
    pub async fn embed(&self, texts: &[String]) -> Result<Vec<Option<Vec<f32>>>, EmbeddingError> {
        let mut vectors = vec![None; texts.len()];
        let spoken: Vec<(usize, &str)> =
            texts.iter().map(|text| text.trim()).enumerate().filter(|(_, text)| !text.is_empty()).collect();
        let mut rest = spoken.as_slice();
        while !rest.is_empty() {
            let (batch, later) = rest.split_at(self.batch_length(rest));
            rest = later;
            let input: Vec<&str> = batch.iter().map(|(_, text)| *text).collect();
            let answer = self.ask(&input).await?;
            for ((place, _), vector) in batch.iter().zip(answer) {
                vectors[*place] =
                    Some(vector).filter(|vector| vector.iter().any(|component| *component != 0.0));
            }
        }
        Ok(vectors)
    }

    /// Texts that fit in the next request, at least 1.
    fn batch_length(&self, texts: &[(usize, &str)]) -> usize {
        let mut chars = 0;
        let fitting = texts
            .iter()
            .take(self.batch_texts_max)
            .take_while(|(_, text)| {
                chars += text.chars().count();
                chars <= self.batch_chars_max
            })
            .count();
        fitting.max(1)
    }

    async fn ask(&self, input: &[&str]) -> Result<Vec<Vec<f32>>, EmbeddingError> {
        let question = Question { model: &self.service_model, input, encoding_format: "float" };
        let body = serde_json::to_vec(&question).map_err(|source| EmbeddingError::Malformed { source })?;
        let components = input.len().saturating_mul(self.dimension);
        let response_bytes_max = components * RESPONSE_BYTES_PER_COMPONENT + RESPONSE_BYTES_ENVELOPE;
        let mut attempts = 1;
        loop {
            let request = EgressRequest {
                url: &self.url,
                authorization: self.authorization.as_ref(),
                body: body.clone(),
                response_bytes_max,
            };
            let outcome = self.egress.post_json(request).await;
            if attempts == self.attempts_max || !is_worth_retrying(&outcome) {
                return self.read(outcome, attempts, input.len());
            }
            let asked = outcome.ok().and_then(|response| response.retry_after);
            tokio::time::sleep(self.wait_before_next(attempts, asked)).await;
            attempts += 1;
        }
    }

    /// What the service asks for, else the doubled backoff; never past the longest wait.
    fn wait_before_next(&self, attempts: u32, asked: Option<Duration>) -> Duration {
        let doubled = self.backoff_first.saturating_mul(1_u32.checked_shl(attempts - 1).unwrap_or(u32::MAX));
        asked.unwrap_or(doubled).min(self.backoff_max)
    }

    fn read(
        &self,
        outcome: Result<EgressResponse, EgressError>,
        attempts: u32,
        count: usize,
    ) -> Result<Vec<Vec<f32>>, EmbeddingError> {
        let response = outcome.map_err(|source| EmbeddingError::Unreachable { attempts, source })?;
        if response.status != 200 {
            let message = self.message_of(&response.body);
            return Err(EmbeddingError::Refused { status: response.status, attempts, message });
        }
        let answer: Answer =
            serde_json::from_slice(&response.body).map_err(|source| EmbeddingError::Malformed { source })?;
        self.check(answer, count)
    }

    /// Puts the vectors in the order of the texts: the protocol promises an index, not an order.
    fn check(&self, answer: Answer, count: usize) -> Result<Vec<Vec<f32>>, EmbeddingError> {
        if answer.data.len() != count {
            return Err(EmbeddingError::WrongCount { expected: count, got: answer.data.len() });
        }
        let mut vectors = vec![Vec::new(); count];
        for Item { index, embedding } in answer.data {
            if embedding.len() != self.dimension {
                let (model, expected) = (self.service_model.clone(), self.dimension);
                return Err(EmbeddingError::WrongDimension { model, expected, got: embedding.len() });
            }
            match vectors.get_mut(index) {
                Some(vector) if vector.is_empty() => *vector = embedding,
                _ => return Err(EmbeddingError::WrongIndex { index, count }),
            }
        }
        Ok(vectors)
    }

    /// The service's `error.message`, or the start of its body; a service that repeats the key is silenced.
    fn message_of(&self, body: &[u8]) -> String {
        let text = String::from_utf8_lossy(body);
        let parsed: Option<serde_json::Value> = serde_json::from_str(&text).ok();
        let message =
            parsed.as_ref().and_then(|value| value.pointer("/error/message")?.as_str()).unwrap_or(&text);
        let key = self.authorization.as_ref().and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        let silenced = match key {
            Some(key) if !key.is_empty() => message.replace(key, "***"),
            _ => message.to_owned(),
        };
        silenced.chars().take(MESSAGE_CHARS_MAX).collect()
    }
}

fn bearer(key: &str) -> Result<HeaderValue, EmbeddingError> {
    let mut value =
        HeaderValue::from_str(&format!("Bearer {key}")).map_err(|_| EmbeddingError::InvalidKey)?;
    value.set_sensitive(true);
    Ok(value)
}

/// A refused address or a wrong request stays wrong; a busy or broken service may recover.
fn is_worth_retrying(outcome: &Result<EgressResponse, EgressError>) -> bool {
    match outcome {
        Ok(response) => response.status == 429 || response.status >= 500,
        Err(error) => matches!(
            error,
            EgressError::Timeout { .. } | EgressError::Broken { .. } | EgressError::Unresolved { .. }
        ),
    }
}
