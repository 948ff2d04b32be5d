//! `[server.auth]`: whether and how a server authenticates its peers.

use crate::config::fault::{Place, Placed};
use crate::config::table::Table;

/// Whether a server authenticates its peers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    /// Everybody may connect.
    Anonymous,
    /// Only users may connect.
    Required {
        /// How they send their credentials.
        ways: Ways,
        /// The realm that the challenge of Basic names (RFC 9110 §11.5); one line.
        realm: String,
    },
}

/// How credentials may be sent.
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
    /// Reads the table. The place is that of the key that makes users necessary, if there is one.
    pub(super) fn read(mut table: Table<'_>) -> (Auth, Option<Place>) {
        let anonymous = table.flag("anonymous");
        let basic = table.flag("basic").filter(|flag| flag.value);
        let url = table.flag("url").filter(|flag| flag.value);
        let realm = table.checked("realm", "one line of text", |realm| {
            !realm.chars().any(char::is_control)
        });
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
                    table.refuse(
                        place,
                        "anonymous: false, and basic and url too, so that nobody could enter; allowed: true, or basic, url or both",
                    );
                }
                table.finish();
                return (Auth::Anonymous, None);
            }
        };
        if let Some(Placed { value: true, place }) = anonymous {
            table.refuse(
                place,
                "anonymous: true beside basic or url; allowed: true alone, or false with basic, url or both",
            );
        }
        table.finish();
        let realm = realm.map_or("bellwire", |realm| realm.value).to_owned();
        (Auth::Required { ways, realm }, Some(place))
    }
}
