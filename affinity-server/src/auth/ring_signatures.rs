//! The signatures of JSON Web Tokens by `ring`, which TLS has brought already: HS256, ES256, RS256 and PS256.

use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind, new_error};
use jsonwebtoken::signature::{Error as SignatureError, Signer, Verifier};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind, EncodingKey};
use ring::hmac;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, RsaParameters,
    RsaPublicKeyComponents, UnparsedPublicKey,
};

/// For [`CryptoProvider::install_default`].
pub(super) static RING: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| match (algorithm, key.family()) {
        (Algorithm::HS256, AlgorithmFamily::Hmac) => Ok(Box::new(HmacSigner(key.clone()))),
        _ => Err(unsupported()),
    },
    verifier_factory: |algorithm, key| {
        let family = match algorithm {
            Algorithm::HS256 => AlgorithmFamily::Hmac,
            Algorithm::ES256 => AlgorithmFamily::Ec,
            Algorithm::RS256 | Algorithm::PS256 => AlgorithmFamily::Rsa,
            _ => return Err(unsupported()),
        };
        match key.family() == family {
            true => Ok(Box::new(RingVerifier { algorithm: *algorithm, key: key.clone() })),
            false => Err(new_error(ErrorKind::InvalidKeyFormat)),
        }
    },
    key_utils: KeyUtils::new_unimplemented(), // for making sets of keys, which nobody does here
};

fn unsupported() -> Error {
    new_error(ErrorKind::UnsupportedAlgorithm)
}

struct HmacSigner(EncodingKey);

impl Signer<Vec<u8>> for HmacSigner {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, SignatureError> {
        Ok(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, self.0.as_bytes()), message).as_ref().to_vec())
    }
}

impl JwtSigner for HmacSigner {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

struct RingVerifier {
    algorithm: Algorithm,
    key: DecodingKey,
}

impl RingVerifier {
    fn rsa(&self, parameters: &'static RsaParameters, message: &[u8], signature: &[u8]) -> Option<()> {
        match self.key.kind() {
            DecodingKeyKind::RsaModulusExponent { n, e } => {
                // A modulus may come with zeros in front, which ring refuses.
                let n = &n[n.iter().take_while(|byte| **byte == 0).count()..];
                RsaPublicKeyComponents { n, e }.verify(parameters, message, signature).ok()
            }
            DecodingKeyKind::SecretOrDer(key) => {
                UnparsedPublicKey::new(parameters, key).verify(message, signature).ok()
            }
        }
    }
}

impl Verifier<Vec<u8>> for RingVerifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), SignatureError> {
        let bytes = || self.key.try_get_as_bytes().ok();
        let verified = match self.algorithm {
            Algorithm::HS256 => bytes().and_then(|secret| {
                hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, secret), message, signature).ok()
            }),
            Algorithm::ES256 => bytes().and_then(|point| {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature).ok()
            }),
            Algorithm::RS256 => self.rsa(&RSA_PKCS1_2048_8192_SHA256, message, signature),
            Algorithm::PS256 => self.rsa(&RSA_PSS_2048_8192_SHA256, message, signature),
            _ => None,
        };
        verified.ok_or_else(SignatureError::new)
    }
}

impl JwtVerifier for RingVerifier {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}
