//! The system's word on a user: PAM (pam(3)), and the groups of whom it lets in.
//!
//! Modules may take their time, print, crash or change the process, so this runs in a process of its own. What is told
//! is yes or no: an unknown user, a wrong password, an expired account and a missing group are the same answer.

use std::ffi::{CStr, CString, c_int, c_uint, c_void};
use std::fs::File;
use std::path::{Path, PathBuf};

use pam::{Context, ConversationHandler, ErrorCode, Flag};
use zeroize::Zeroizing;

use crate::process::identity;
use crate::proto::helper::Answer;

/// `_pam_types.h`: the item that says how to wait after a failure. Not among those that the crate names.
const PAM_FAIL_DELAY: c_int = 10;

/// Where PAM looks for the file of a service.
const FOLDERS: [&str; 2] = ["/etc/pam.d", "/usr/lib/pam.d"];

/// One question to the system.
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
    if !service_exists(question.service) {
        // PAM itself would go on with the service "other", which may let anybody in.
        log::error!(
            "there is no PAM service {:?}: nobody can enter by it; what is missing is a file of that name in {}",
            question.service,
            FOLDERS[0],
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

/// Why PAM lets somebody not in. Whatever it is, it is no, so that nobody learns from it which users there are.
struct Refusal(&'static str, ErrorCode);

impl Refusal {
    /// It is about the user, and not about PAM or how it is set up.
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

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {:?}", self.0, self.1)
    }
}

/// The name of the user whom the system knows by this name and password, and whose account is in order.
fn authenticate(question: &Question<'_>) -> Result<String, Refusal> {
    let at = |step: &'static str| move |error: pam::Error| Refusal(step, error.code());
    let password = CString::new(question.password)
        .map_err(|_| Refusal("a NUL in the password", ErrorCode::AUTH_ERR))?;
    // Without a name PAM would ask for one.
    if question.user.is_empty() || question.user.contains('\0') {
        return Err(Refusal("no name", ErrorCode::USER_UNKNOWN));
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
    // SAFETY: pam_fail_delay(3): the item is such a function, and it is there as long as the process is.
    unsafe { context.set_item(PAM_FAIL_DELAY, no_delay as *const c_void) }
        .map_err(at("PAM_FAIL_DELAY"))?;
    let flags = Flag::SILENT | Flag::DISALLOW_NULL_AUTHTOK;
    context.authenticate(flags).map_err(at("authentication"))?;
    context.acct_mgmt(flags).map_err(at("account"))?;
    // A module may have put another name in its place.
    context.user().map_err(at("PAM_USER"))
}

/// Refusals are delayed by who asked, so that all of them take the same time.
extern "C" fn no_delay(_status: c_int, _microseconds: c_uint, _data: *mut c_void) {}

/// Answers with the password what asks for a password, and nothing else.
struct Conversation(Zeroizing<CString>);

impl ConversationHandler for Conversation {
    /// What is shown while it is typed is no password: a code, for example, which there is nobody to ask for.
    fn prompt_echo_on(&mut self, _prompt: &CStr) -> Result<CString, ErrorCode> {
        Err(ErrorCode::CONV_ERR)
    }

    fn prompt_echo_off(&mut self, _prompt: &CStr) -> Result<CString, ErrorCode> {
        Ok((*self.0).clone())
    }

    fn text_info(&mut self, _text: &CStr) {}

    fn error_msg(&mut self, _text: &CStr) {}
}

/// Whether PAM has a file of its own for this service.
fn service_exists(service: &str) -> bool {
    // pam_wrapper, which tests run under, has PAM look here.
    let wrapper = std::env::var_os("PAM_WRAPPER_SERVICE_DIR")
        .filter(|_| std::env::var_os("PAM_WRAPPER").is_some_and(|on| on == "1"));
    let folders = match wrapper {
        Some(folder) => vec![PathBuf::from(folder)],
        None => FOLDERS.map(PathBuf::from).to_vec(),
    };
    has_file(service, folders.iter().map(PathBuf::as_path))
}

fn has_file<'f>(service: &str, mut folders: impl Iterator<Item = &'f Path>) -> bool {
    // pam_start looks for the name in small letters, and only for what follows its last slash.
    let name = service.to_ascii_lowercase();
    let is_plain = !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\0']);
    let opens = |folder: &Path| {
        let file = File::open(folder.join(&name));
        file.and_then(|file| file.metadata())
            .is_ok_and(|metadata| metadata.is_file())
    };
    is_plain && folders.any(opens)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_service_is_a_file_by_its_name_in_small_letters() {
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("empty");
        fs::create_dir(&empty).unwrap();
        fs::write(folder.path().join("bellwire"), "").unwrap();
        fs::write(folder.path().join("Mixed"), "").unwrap();
        let exists = |service| has_file(service, [empty.as_path(), folder.path()].into_iter());
        assert!(exists("bellwire"));
        assert!(exists("BellWire"));
        for other in [
            "",
            ".",
            "..",
            "other",
            "empty",
            "Mixed",
            "empty/../bellwire",
            "/etc/passwd",
            "bellwire\0",
        ] {
            assert!(!exists(other), "{other:?}");
        }
    }

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
