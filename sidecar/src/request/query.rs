//! The query of a request: decoded strictly, every name at most once.

use std::borrow::Cow;

use cambist_core::foreign::Foreign;

use super::identity::{Named, kind_of};
use super::{Reason, Rejection};

/// More parameters than any client sends, few enough to compare each with each.
const MAX_PARAMETERS: usize = 32;

/// The parameters that mean something here; SDKs send others too, which mean nothing.
#[derive(Debug, Default)]
pub(super) struct Query<'r> {
    pub(super) api_version: Option<Cow<'r, str>>,
    pub(super) resource: Option<Cow<'r, str>>,
    pub(super) scope: Option<Cow<'r, str>>,
    pub(super) min_ttl: Option<Cow<'r, str>>,
    pub(super) selectors: Vec<Named<'r>>,
}

impl<'r> Query<'r> {
    pub(super) fn parse(text: &'r str) -> Result<Self, Rejection> {
        let mut query = Self::default();
        let mut names: Vec<Cow<'r, str>> = Vec::with_capacity(4);
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decode(name)?, decode(value)?);
            // Two spellings of one name are one name: whoever reads the other one is misled.
            if names.iter().any(|known| known.eq_ignore_ascii_case(&name)) {
                let detail =
                    format!("the parameter {} is there more than once", Foreign::new(&*name));
                return Err(Rejection::new(Reason::Query, detail));
            }
            if names.len() == MAX_PARAMETERS {
                let detail = format!("there are more than {MAX_PARAMETERS} parameters");
                return Err(Rejection::new(Reason::Query, detail));
            }
            query.take(&name, value);
            names.push(name);
        }
        Ok(query)
    }

    fn take(&mut self, name: &str, value: Cow<'r, str>) {
        let place = if name.eq_ignore_ascii_case("api-version") {
            &mut self.api_version
        } else if name.eq_ignore_ascii_case("resource") {
            &mut self.resource
        } else if name.eq_ignore_ascii_case("scope") {
            &mut self.scope
        } else if name.eq_ignore_ascii_case("min_ttl") {
            &mut self.min_ttl
        } else {
            if let Some(kind) = kind_of(name) {
                self.selectors.push(Named { kind, value });
            }
            return;
        };
        *place = Some(value);
    }
}

/// Undoes form encoding: `%2F`, and `+` for a blank. Nothing is guessed: half an escape, or bytes
/// that are no UTF-8, are refused.
fn decode(text: &str) -> Result<Cow<'_, str>, Rejection> {
    if text.bytes().all(|b| b.is_ascii_graphic() && b != b'%' && b != b'+') {
        return Ok(Cow::Borrowed(text));
    }
    let bytes = text.as_bytes();
    let whole = bytes.iter().enumerate().filter(|(_, b)| **b == b'%').all(|(at, _)| {
        bytes.get(at + 1..at + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit))
    });
    if !whole || !text.is_ascii() {
        let detail = format!("{} is not percent-encoded", Foreign::new(text));
        return Err(Rejection::new(Reason::Query, detail));
    }
    let blanks = text.replace('+', " ");
    match percent_encoding::percent_decode_str(&blanks).decode_utf8() {
        Ok(decoded) => Ok(Cow::Owned(decoded.into_owned())),
        Err(_) => {
            let detail = format!("{} is not UTF-8 once it is decoded", Foreign::new(text));
            Err(Rejection::new(Reason::Query, detail))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoding_is_strict() {
        assert!(matches!(decode("https://vault.azure.net"), Ok(Cow::Borrowed(_))));
        assert_eq!(decode("https%3A%2F%2Fvault.azure.net").unwrap(), "https://vault.azure.net");
        assert_eq!(decode("a+b%2B").unwrap(), "a b+");
        assert_eq!(decode("%C3%A9").unwrap(), "é");
        for bad in ["%", "%4", "%zz", "a%2", "%ff", "%c3", "é"] {
            assert_eq!(decode(bad).unwrap_err().reason(), Reason::Query, "{bad}");
        }
    }

    #[test]
    fn a_name_in_two_spellings_is_a_duplicate() {
        for text in ["a=1&a=1", "a&A=2", "resource=x&%72esource=y", "x=1&y=2&%58=3"] {
            assert_eq!(Query::parse(text).unwrap_err().reason(), Reason::Query, "{text}");
        }
        let query = Query::parse("&&Resource=x&=&y&").unwrap();
        assert_eq!(query.resource.as_deref(), Some("x"));
    }

    #[test]
    fn the_number_of_parameters_is_bounded() {
        let text = |n: usize| (0..n).map(|i| format!("p{i}=")).collect::<Vec<_>>().join("&");
        assert!(Query::parse(&text(MAX_PARAMETERS)).is_ok());
        assert!(Query::parse(&text(MAX_PARAMETERS + 1)).is_err());
    }
}
