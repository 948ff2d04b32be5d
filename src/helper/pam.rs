//! The system's answer to a login: PAM (pam(3)), and the groups of the user.
//!
//! PAM modules may block, print, crash or change the process, so this runs in a process of its own. The answer is only
//! yes or no: it is the same for an unknown user, a wrong password, an expired account and a missing group.

use std::ffi::{CStr, CString, c_int, c_uint, c_void};

use pam::{Context, ConversationHandler, ErrorCode, Flag};
use zeroize::Zeroizing;

use crate::process::{identity, pam_services};
use crate::proto::helper::Answer;

/// The item of `_pam_types.h` that holds the function to delay failures by; the crate has no name for it.
const PAM_FAIL_DELAY: c_int = 10;

/// A login to check.
#[derive(Debug)]
pub(super) struct Question<'q> {
    pub service: &'q str,
    pub user: &'q str,
    pub password: &'q [u8],
    pub remote_host: &'q str,
    pub groups: &'q [String],
}

/// Whether the user may enter.
pub(super) fn ask(question: &Question<'_>) -> Answer {
    if !pam_services::exists(question.service, &pam_services::folders()) {
        log::error!(
            "there is no PAM service {:?}, so that nobody can log in by it: a file of this name is missing in /etc/pam.d",
            question.service,
        );
        return Answer::Unavailable;
    }
    match authenticate(question) {
        Ok(user) if identity::is_member(&user, question.groups) => Answer::Granted { user },
        Ok(_) => {
            log::debug!("PAM: {}: in none of the groups", question.remote_host);
            Answer::Refused
        }
        Err(refusal) if refusal.0 == STARTING => {
            // Before PAM has looked at the user.
            log::error!("PAM: {refusal}");
            Answer::Unavailable
        }
        Err(refusal) => {
            let level = if refusal.is_usual() {
                log::Level::Debug
            } else {
                log::Level::Warn
            };
            log::log!(level, "PAM: {}: {refusal}", question.remote_host);
            Answer::Refused
        }
    }
}

/// The step before any that has to do with the user.
const STARTING: &str = "starting";

/// Why PAM refuses a login, for the log only: the peer must not learn which users exist.
struct PamRefusal(&'static str, ErrorCode);

impl PamRefusal {
    /// The user is the reason, and not PAM or its configuration.
    fn is_usual(&self) -> bool {
        matches!(
            self.1,
            ErrorCode::AUTH_ERR
                | ErrorCode::USER_UNKNOWN
                | ErrorCode::MAXTRIES
                | ErrorCode::ACCT_EXPIRED
                | ErrorCode::NEW_AUTHTOK_REQD
                | ErrorCode::PERM_DENIED
        )
    }
}

impl std::fmt::Display for PamRefusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {:?}", self.0, self.1)
    }
}

/// The name of the user, if the password is right and the account is valid.
fn authenticate(question: &Question<'_>) -> Result<String, PamRefusal> {
    let at = |step: &'static str| move |error: pam::Error| PamRefusal(step, error.code());
    let password = CString::new(question.password)
        .map_err(|_| PamRefusal("a NUL in the password", ErrorCode::AUTH_ERR))?;
    // PAM would ask for a missing name.
    if question.user.is_empty() || question.user.contains('\0') {
        return Err(PamRefusal("no name", ErrorCode::USER_UNKNOWN));
    }
    let conversation = Conversation(Zeroizing::new(password));
    let mut context =
        Context::new(question.service, Some(question.user), conversation).map_err(at(STARTING))?;
    if !question.remote_host.is_empty() {
        context
            .set_rhost(Some(question.remote_host))
            .map_err(at("PAM_RHOST"))?;
    }
    let no_delay: extern "C" fn(c_int, c_uint, *mut c_void) = no_delay;
    // SAFETY: pam_fail_delay(3): the item is such a function, which lives as long as the process.
    unsafe { context.set_item(PAM_FAIL_DELAY, no_delay as *const c_void) }
        .map_err(at("PAM_FAIL_DELAY"))?;
    let flags = Flag::SILENT | Flag::DISALLOW_NULL_AUTHTOK;
    context.authenticate(flags).map_err(at("authentication"))?;
    context.acct_mgmt(flags).map_err(at("account"))?;
    // A module may have changed the name.
    context.user().map_err(at("PAM_USER"))
}

/// PAM must not delay refusals: the helper delays all of them to the same time.
extern "C" fn no_delay(_status: c_int, _microseconds: c_uint, _data: *mut c_void) {}

/// Answers prompts for a password with the password, and refuses all others.
struct Conversation(Zeroizing<CString>);

impl ConversationHandler for Conversation {
    /// A prompt whose answer is shown is not for a password but for a code, for example, and there is nobody to ask.
    fn prompt_echo_on(&mut self, _prompt: &CStr) -> Result<CString, ErrorCode> {
        Err(ErrorCode::CONV_ERR)
    }

    fn prompt_echo_off(&mut self, _prompt: &CStr) -> Result<CString, ErrorCode> {
        Ok((*self.0).clone())
    }

    fn text_info(&mut self, _text: &CStr) {}

    fn error_msg(&mut self, _text: &CStr) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn membership_is_by_name_and_of_known_users_only() {
        let groups = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert!(identity::is_member(
            "root",
            &groups(&["no-such-one", "root"])
        ));
        assert!(!identity::is_member(
            "root",
            &groups(&["no-such-one", "0", ""])
        ));
        assert!(!identity::is_member("root", &[]));
        assert!(!identity::is_member("no-such-one", &groups(&["root"])));
    }

    #[test]
    fn nothing_is_typed_that_would_be_seen() {
        let password = CString::new("secret").unwrap();
        let mut conversation = Conversation(Zeroizing::new(password.clone()));
        assert_eq!(conversation.prompt_echo_off(c"Password: "), Ok(password));
        assert_eq!(
            conversation.prompt_echo_on(c"Code: "),
            Err(ErrorCode::CONV_ERR)
        );
        assert!(conversation.radio_prompt(c"Sure? ").is_err());
        assert!(conversation.binary_prompt(0, b"").is_err());
    }
}
