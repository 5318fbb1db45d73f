use std::collections::HashSet;
use std::fmt;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, get_current_timestamp};
use serde_json::{Map, Value};

use super::key_set::KeySet;
use super::ring_signatures::RING;
use super::secret::ServerSecret;

/// Seconds that the clocks of issuer and server may differ, as PostgREST allows.
const SKEW_SECONDS: u64 = 30;

/// Why a token is not taken; in PostgREST's words, which clients compare.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum JwtError {
    /// It is not a token, or nobody whose key is known signed it.
    Undecodable {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// It has not three parts.
    WrongParts {
        /// How many it has.
        part_count: usize,
    },
    /// It was signed well and does not hold now or here.
    Claims {
        /// Which claim is not met.
        reason: &'static str,
    },
}

impl JwtError {
    /// PostgREST's code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Undecodable { .. } | Self::WrongParts { .. } => "PGRST301",
            Self::Claims { .. } => "PGRST303",
        }
    }
}

impl fmt::Display for JwtError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Undecodable { reason } | Self::Claims { reason } => f.write_str(reason),
            Self::WrongParts { part_count } => write!(f, "Expected 3 parts in JWT; got {part_count}"),
        }
    }
}

impl std::error::Error for JwtError {}

/// Which JSON Web Tokens are taken: signed with the server's secret (HS256), or by a key of a set (RS256, PS256, ES256,
/// HS256).
#[derive(Debug)]
pub struct JwtVerifier {
    secret: DecodingKey,
    keys: Option<KeySet>,
    audience: Option<HashSet<String>>,
}

impl JwtVerifier {
    /// Takes tokens that `secret` or a key of `keys` signed, and where `audience` is given only those meant for it
    /// or for nobody in particular.
    #[must_use]
    pub fn new(secret: &ServerSecret, keys: Option<KeySet>, audience: Option<String>) -> Self {
        // Whoever was first installed the same.
        let _ = RING.install_default();
        Self {
            secret: DecodingKey::from_secret(secret.bytes()),
            keys,
            audience: audience.map(|audience| HashSet::from([audience])),
        }
    }

    /// The claims of `token`.
    ///
    /// # Errors
    /// [`JwtError`] when it is not one of ours, or not for now or here.
    pub async fn claims(&self, token: &str) -> Result<Map<String, Value>, JwtError> {
        let part_count = token.split('.').count();
        if part_count != 3 {
            return Err(JwtError::WrongParts { part_count });
        }
        let header = decode_header(token).map_err(|_| Self::unreadable())?;
        let candidates = match (&self.keys, header.alg) {
            (Some(keys), algorithm) => {
                let mut found = keys.candidates(header.kid.as_deref(), algorithm).await;
                if algorithm == Algorithm::HS256 {
                    found.push(self.secret.clone());
                }
                found
            }
            (None, Algorithm::HS256) => vec![self.secret.clone()],
            (None, _) => Vec::new(),
        };
        if candidates.is_empty() {
            return Err(JwtError::Undecodable { reason: "No suitable key or wrong key type" });
        }
        let validation = self.validation(header.alg);
        let mut answer = Err(JwtError::Undecodable { reason: "JWT cryptographic operation failed" });
        for key in candidates {
            answer = match decode::<Map<String, Value>>(token, &key, &validation) {
                Ok(data) => check_issued(data.claims),
                Err(error) => Err(Self::reason(error.kind())),
            };
            if !matches!(answer, Err(JwtError::Undecodable { .. })) {
                break;
            }
        }
        answer
    }

    fn validation(&self, algorithm: Algorithm) -> Validation {
        let mut validation = Validation::new(algorithm);
        validation.required_spec_claims.clear();
        validation.leeway = SKEW_SECONDS;
        validation.validate_nbf = true;
        validation.validate_aud = self.audience.is_some();
        validation.aud.clone_from(&self.audience);
        validation
    }

    const fn unreadable() -> JwtError {
        JwtError::Undecodable { reason: "Wrong or unsupported encoding algorithm" }
    }

    fn reason(kind: &ErrorKind) -> JwtError {
        match kind {
            ErrorKind::ExpiredSignature => JwtError::Claims { reason: "JWT expired" },
            ErrorKind::ImmatureSignature => JwtError::Claims { reason: "JWT not yet valid" },
            ErrorKind::InvalidAudience => JwtError::Claims { reason: "JWT not in audience" },
            ErrorKind::InvalidClaimFormat(_) | ErrorKind::Json(_) => {
                JwtError::Claims { reason: "Parsing claims failed" }
            }
            ErrorKind::UnsupportedAlgorithm | ErrorKind::InvalidAlgorithm => Self::unreadable(),
            ErrorKind::InvalidKeyFormat => {
                JwtError::Undecodable { reason: "No suitable key or wrong key type" }
            }
            _ => JwtError::Undecodable { reason: "JWT cryptographic operation failed" },
        }
    }
}

/// Nobody signs a token tomorrow.
fn check_issued(claims: Map<String, Value>) -> Result<Map<String, Value>, JwtError> {
    let issued = claims.get("iat").and_then(Value::as_f64);
    // Seconds since 1970 are far below where a double skips whole numbers.
    let is_ahead = issued.is_some_and(|at| at > get_current_timestamp() as f64 + SKEW_SECONDS as f64);
    match is_ahead {
        true => Err(JwtError::Claims { reason: "JWT issued at future" }),
        false => Ok(claims),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use jsonwebtoken::{EncodingKey, Header, encode, get_current_timestamp};
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
    use serde_json::{Value, json};

    use super::{JwtError, JwtVerifier, KeySet, ServerSecret};

    const SECRET: &str = "reallyreallyreallyreallyverysafe";

    fn verifier(audience: Option<&str>) -> JwtVerifier {
        JwtVerifier::new(&ServerSecret::new(SECRET).unwrap(), None, audience.map(str::to_owned))
    }

    fn signed(claims: &Value) -> String {
        encode(&Header::default(), claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
    }

    async fn refusal(audience: Option<&str>, token: &str) -> (&'static str, String) {
        let error = verifier(audience).claims(token).await.unwrap_err();
        (error.code(), error.to_string())
    }

    #[tokio::test]
    async fn token_of_the_standard_verifies_and_a_changed_one_does_not() {
        // RFC 7515, appendix A.1: header, payload and signature under the key of A.1.1.
        let key = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
        let token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let set = json!({ "keys": [{ "kty": "oct", "k": key }] }).to_string();
        let secret = ServerSecret::new(SECRET).unwrap();
        let verifier = JwtVerifier::new(&secret, Some(KeySet::fixed(&set).unwrap()), None);
        // Signed well, in 2011.
        assert_eq!(verifier.claims(token).await.unwrap_err(), JwtError::Claims { reason: "JWT expired" });
        let changed = token.replace(".dBj", ".eBj");
        assert!(matches!(verifier.claims(&changed).await, Err(JwtError::Undecodable { .. })));
    }

    #[tokio::test]
    async fn claims_come_as_signed() {
        let claims =
            json!({ "role": "web", "sub": "17", "exp": get_current_timestamp() + 60, "app": { "a": [1.5] } });
        assert_eq!(Value::Object(verifier(None).claims(&signed(&claims)).await.unwrap()), claims);
        let bare = json!({ "role": "web" });
        assert_eq!(Value::Object(verifier(Some("us")).claims(&signed(&bare)).await.unwrap()), bare);
    }

    #[tokio::test]
    async fn clocks_may_differ_by_thirty_seconds() {
        let now = get_current_timestamp();
        for claims in [json!({ "exp": now - 20 }), json!({ "nbf": now + 20 }), json!({ "iat": now + 20 })] {
            assert!(verifier(None).claims(&signed(&claims)).await.is_ok(), "{claims}");
        }
        let refused = [
            (json!({ "exp": now - 40 }), "JWT expired"),
            (json!({ "nbf": now + 40 }), "JWT not yet valid"),
            (json!({ "iat": now + 40 }), "JWT issued at future"),
            (json!({ "exp": "soon" }), "Parsing claims failed"),
        ];
        for (claims, reason) in refused {
            assert_eq!(refusal(None, &signed(&claims)).await, ("PGRST303", reason.to_owned()), "{claims}");
        }
    }

    #[tokio::test]
    async fn token_for_another_audience_is_refused() {
        assert!(verifier(Some("us")).claims(&signed(&json!({ "aud": ["them", "us"] }))).await.is_ok());
        assert!(verifier(None).claims(&signed(&json!({ "aud": "them" }))).await.is_ok());
        let refused = refusal(Some("us"), &signed(&json!({ "aud": "them" }))).await;
        assert_eq!(refused, ("PGRST303", "JWT not in audience".to_owned()));
    }

    #[tokio::test]
    async fn what_is_no_token_of_ours_says_how() {
        let unsigned =
            format!("{}.{}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#), URL_SAFE_NO_PAD.encode("{}"));
        let foreign = encode(&Header::default(), &json!({}), &EncodingKey::from_secret(b"other")).unwrap();
        let asymmetric =
            format!("{}.{}.AAAA", URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256"}"#), URL_SAFE_NO_PAD.encode("{}"));
        for (token, message) in [
            ("a.b", "Expected 3 parts in JWT; got 2"),
            ("a.b.c", "Wrong or unsupported encoding algorithm"),
            (&unsigned, "Wrong or unsupported encoding algorithm"),
            (&foreign, "JWT cryptographic operation failed"),
            (&asymmetric, "No suitable key or wrong key type"),
        ] {
            assert_eq!(refusal(None, token).await, ("PGRST301", message.to_owned()), "{token}");
        }
    }

    #[tokio::test]
    async fn elliptic_key_of_a_set_verifies_what_it_signed() {
        let random = SystemRandom::new();
        let pair = |()| {
            let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap()
        };
        let (known, other) = (pair(()), pair(()));
        let point = known.public_key().as_ref();
        let [x, y] = [&point[1..33], &point[33..65]].map(|part| URL_SAFE_NO_PAD.encode(part));
        let set =
            json!({ "keys": [{ "kty": "EC", "crv": "P-256", "kid": "k1", "x": x, "y": y }] }).to_string();
        let secret = ServerSecret::new(SECRET).unwrap();
        let verifier = JwtVerifier::new(&secret, Some(KeySet::fixed(&set).unwrap()), None);
        let sign = |pair: &EcdsaKeyPair| {
            let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"ES256","kid":"k1"}"#);
            let message = format!("{header}.{}", URL_SAFE_NO_PAD.encode(r#"{"role":"web"}"#));
            let signature = pair.sign(&random, message.as_bytes()).unwrap();
            format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
        };
        assert_eq!(verifier.claims(&sign(&known)).await.unwrap()["role"], "web");
        assert!(matches!(verifier.claims(&sign(&other)).await, Err(JwtError::Undecodable { .. })));
    }
}
