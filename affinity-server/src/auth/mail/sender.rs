use std::fmt;
use std::fs::DirBuilder;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};

use crate::config::Secret;

/// How letters leave.
#[derive(Clone, Debug)]
pub struct MailSettings {
    /// The server that takes them, such as `smtps://user:password@smtp.example.org`; without one they become files.
    pub server: Option<Secret>,
    /// From whom.
    pub from: Mailbox,
    /// Where the files go.
    pub folder: PathBuf,
}

impl MailSettings {
    /// From whom letters are when the operator does not say.
    #[must_use]
    pub fn nobody() -> Mailbox {
        let address = Address::new_dangerous("affinity", "localhost");
        Mailbox::new(Some("Affinity".to_owned()), address)
    }
}

/// Why a letter did not leave.
#[derive(Debug)]
#[non_exhaustive]
pub enum MailError {
    /// It cannot be written as mail.
    Letter {
        /// What is wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The server did not take it, or is none.
    Server {
        /// What was met.
        source: lettre::transport::smtp::Error,
    },
    /// The file cannot be written.
    File {
        /// The folder.
        path: PathBuf,
        /// What the system answered.
        source: std::io::Error,
    },
}

impl fmt::Display for MailError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Letter { source } => write!(f, "a letter cannot be written: {source}"),
            Self::Server { source } => write!(f, "the mail server does not take it: {source}"),
            Self::File { path, source } => {
                write!(f, "a letter cannot be put into \"{}\": {source}", path.display())
            }
        }
    }
}

impl std::error::Error for MailError {}

/// Takes letters to where they go.
#[derive(Debug)]
pub struct Mailer {
    from: Mailbox,
    way: Way,
}

#[derive(Debug)]
enum Way {
    Server(Box<AsyncSmtpTransport<Tokio1Executor>>),
    Folder(PathBuf),
}

impl Mailer {
    /// By the server, or as files into the folder.
    ///
    /// # Errors
    /// [`MailError::Server`] when the URL names none.
    pub fn new(settings: MailSettings) -> Result<Self, MailError> {
        let way = match &settings.server {
            Some(url) => {
                let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.expose());
                Way::Server(Box::new(transport.map_err(|source| MailError::Server { source })?.build()))
            }
            None => Way::Folder(settings.folder),
        };
        Ok(Self { from: settings.from, way })
    }

    pub(super) async fn send(
        &self,
        id: i64,
        recipient: &str,
        subject: &str,
        body: String,
    ) -> Result<(), MailError> {
        let recipient: Mailbox =
            recipient.parse().map_err(|source| MailError::Letter { source: Box::new(source) })?;
        let message = Message::builder()
            .from(self.from.clone())
            .to(recipient)
            .subject(subject)
            .header(ContentType::TEXT_PLAIN)
            .body(body)
            .map_err(|source| MailError::Letter { source: Box::new(source) })?;
        match &self.way {
            Way::Server(server) => {
                server.send(message).await.map(|_| ()).map_err(|source| MailError::Server { source })
            }
            Way::Folder(folder) => write(folder, id, &message.formatted())
                .map_err(|source| MailError::File { path: folder.clone(), source }),
        }
    }
}

/// A letter holds tokens: only the server's own account may read it.
fn write(folder: &Path, id: i64, text: &[u8]) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mut draft = tempfile::Builder::new().prefix(".letter").tempfile_in(folder)?;
    draft.write_all(text)?;
    draft.persist(folder.join(format!("{id}.eml"))).map_err(|error| error.error)?;
    Ok(())
}
