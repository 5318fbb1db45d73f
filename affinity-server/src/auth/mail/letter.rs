use crate::auth::token::Token;

/// A letter to one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::auth) struct Letter {
    pub(super) recipient: String,
    pub(super) subject: &'static str,
    pub(super) body: String,
}

impl Letter {
    fn new(recipient: &str, subject: &'static str, body: String) -> Self {
        Self { recipient: recipient.to_owned(), subject, body }
    }

    /// To whom.
    pub(in crate::auth) fn recipient(&self) -> &str {
        &self.recipient
    }

    /// Asks whether the address is one's own. `place` is the address of the platform's accounts.
    pub(in crate::auth) fn verify(place: &str, recipient: &str, token: &Token) -> Self {
        let body = format!(
            "Welcome. To confirm that this is your address, open\n\n{place}/verify?token={token}\n\n\
             within a day. If you did not sign up, do nothing.\n",
            token = token.expose()
        );
        Self::new(recipient, "Confirm your address", body)
    }

    /// Lets the password be set.
    pub(in crate::auth) fn reset(place: &str, recipient: &str, token: &Token) -> Self {
        let body = format!(
            "To choose a new password, open\n\n{place}/password/reset?token={token}\n\n\
             within an hour. If you did not ask for this, do nothing: your password stays as it is.\n",
            token = token.expose()
        );
        Self::new(recipient, "Choose a new password", body)
    }

    /// Says to who has an account that somebody signed up with his address.
    pub(in crate::auth) fn known_already(place: &str, recipient: &str) -> Self {
        let body = format!(
            "Somebody signed up with your address, which has an account at {place} already. If that was you, sign in, \
             or ask for a new password. If it was not, do nothing.\n"
        );
        Self::new(recipient, "You have an account already", body)
    }

    /// Says that the password was changed.
    pub(in crate::auth) fn password_changed(place: &str, recipient: &str) -> Self {
        let body = format!(
            "The password of your account at {place} was changed, and every session was ended. If that was not you, \
             ask for a new password now.\n"
        );
        Self::new(recipient, "Your password was changed", body)
    }
}
