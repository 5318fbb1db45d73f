//! A large answer, piece by piece.

use reqwest::header::LOCATION;

use super::client::Egress;
use super::error::EgressError;

/// An answer whose body is still to come.
#[derive(Debug)]
pub struct Download {
    egress: Egress,
    host: String,
    incoming: reqwest::Response,
}

impl Download {
    pub(super) fn new(egress: Egress, host: String, incoming: reqwest::Response) -> Self {
        Self { egress, host, incoming }
    }

    /// The HTTP status: 206 where the body begins at the byte that was asked for.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.incoming.status().as_u16()
    }

    /// Who answered.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Where a redirect refers to, absolute or relative to what was asked for.
    #[must_use]
    pub fn location(&self) -> Option<&str> {
        let header =
            self.incoming.headers().get(LOCATION).filter(|_| self.incoming.status().is_redirection())?;
        header.to_str().ok()
    }

    /// The next piece of the body; `None` after the last.
    ///
    /// # Errors
    /// An [`EgressError`] when the connection breaks before the body ends, or is silent for too long.
    pub async fn next_chunk(&mut self) -> Result<Option<Vec<u8>>, EgressError> {
        match self.incoming.chunk().await {
            Ok(chunk) => Ok(chunk.map(|chunk| chunk.to_vec())),
            Err(error) => Err(self.egress.name_failure(&self.host, error)),
        }
    }
}
