//! An access token of Entra's: whose it is, and for what. The rules of projected tokens are none for it.

use cambist_core::clock::UnixTime;
use cambist_core::duration::rough;

use super::{InspectError, Inspected, audience, parts, text, warning};

impl Inspected {
    /// Takes an access token apart.
    pub(crate) fn of_access(token: &str, now: UnixTime) -> Result<Self, InspectError> {
        let ([header, claims], _) = parts(token)?;
        let warnings = warning::of_access(&claims, now);
        Ok(Self { header, claims, warnings, now })
    }

    /// Its claims for a reader.
    pub(crate) fn access_table(&self) -> String {
        let claim = |name: &str| text(&self.claims, name);
        // Version 1.0 of these tokens says `appid`, version 2.0 `azp`.
        let app = if self.claims.contains_key("appid") { "appid" } else { "azp" };
        let mut lines = vec![
            ("audience", audience(&self.claims)),
            ("tenant", claim("tid")),
            ("app", format!("{} (client id)", claim(app))),
            ("object", format!("{} (of its service principal)", claim("oid"))),
        ];
        if self.claims.contains_key("xms_mirid") {
            lines.push(("identity", claim("xms_mirid")));
        }
        if self.claims.contains_key("roles") {
            lines.push(("roles", claim("roles")));
        }
        lines.push(("issuer", claim("iss")));
        lines.push(("issued", self.when("iat")));
        lines.push(("expires", self.when("exp")));
        lines.push(("lifetime", self.lifetime().map_or_else(|| "unknown".to_owned(), rough)));
        self.told(
            lines,
            "The signature was not checked: an access token is for its audience alone to verify. --print prints it.",
        )
    }
}
