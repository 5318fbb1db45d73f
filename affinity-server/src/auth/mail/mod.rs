//! Mail: written in the transaction that asks for it, sent after that by one task.

mod letter;
mod outbox;
mod sender;

pub(super) use self::letter::Letter;
pub use self::outbox::deliver;
pub(super) use self::outbox::post;
pub use self::sender::{MailError, MailSettings, Mailer};
