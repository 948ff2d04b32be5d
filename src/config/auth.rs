//! `[server.auth]`: how somebody says who they are.

use crate::config::fault::{Faults, Place, Placed};
use crate::config::raw::Table;
use crate::config::value::quoted;

/// Whether a server asks who somebody is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    /// Everybody may enter, unasked.
    Anonymous,
    /// Only users may.
    Required {
        /// How they show it.
        ways: Ways,
        /// What the challenge of Basic calls the place (RFC 9110 §11.5); one line.
        realm: String,
    },
}

/// The ways by which credentials may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ways {
    /// The Authorization field (RFC 7617).
    Basic,
    /// A path that begins with `/auth/<username>/<password>`.
    Url,
    /// Either.
    Both,
}

impl Ways {
    /// Whether Basic is one of them.
    #[must_use]
    pub fn basic(self) -> bool {
        self != Ways::Url
    }

    /// Whether the path is one of them.
    #[must_use]
    pub fn url(self) -> bool {
        self != Ways::Basic
    }
}

impl Auth {
    /// Reads the table. Beside it, where it says that users are needed, if it does.
    pub(super) fn read(mut table: Table<'_>, faults: &mut Faults<'_>) -> (Auth, Option<Place>) {
        let anonymous = table.flag("anonymous", faults);
        let basic = table.flag("basic", faults).filter(|flag| flag.value);
        let url = table.flag("url", faults).filter(|flag| flag.value);
        let realm = read_realm(&mut table, faults);
        table.finish(faults);
        let (ways, place) = match (basic, url) {
            (Some(basic), Some(url)) => (Ways::Both, basic.place.min(url.place)),
            (Some(basic), None) => (Ways::Basic, basic.place),
            (None, Some(url)) => (Ways::Url, url.place),
            (None, None) => {
                if let Some(Placed {
                    value: false,
                    place,
                }) = anonymous
                {
                    faults.refuse(
                        place,
                        "anonymous: false, and basic and url too, so that nobody could enter; allowed: true, or basic, url or both",
                    );
                }
                return (Auth::Anonymous, None);
            }
        };
        if let Some(Placed { value: true, place }) = anonymous {
            faults.refuse(
                place,
                "anonymous: true beside basic or url; allowed: true alone, or false with basic, url or both",
            );
        }
        (Auth::Required { ways, realm }, Some(place))
    }
}

fn read_realm(table: &mut Table<'_>, faults: &mut Faults<'_>) -> String {
    let Some(Placed { value, place }) = table.text("realm", faults) else {
        return "bellwire".to_owned();
    };
    if value.chars().any(char::is_control) {
        faults.refuse(
            place,
            format!("realm: {}; allowed: one line of text", quoted(value)),
        );
    }
    value.to_owned()
}
