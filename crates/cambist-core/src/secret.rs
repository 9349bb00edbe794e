//! Text that must not be seen.

use std::fmt;

use zeroize::Zeroizing;

/// A secret text: a token or a header secret.
///
/// It is wiped from memory when dropped, it does not print, and it compares in constant time. There
/// is neither `Display` nor `Serialize` nor `PartialEq`: whoever wants the text says [`expose`].
///
/// ```
/// use cambist_core::secret::Secret;
///
/// let secret = Secret::new("hunter2");
/// assert_eq!(format!("{secret:?}"), "Secret([redacted])");
/// assert!(secret.matches(b"hunter2"));
/// assert!(!secret.matches(b"hunter3"));
/// assert_eq!(secret.expose(), "hunter2");
/// ```
///
/// [`expose`]: Secret::expose
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text into custody.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself. Whoever calls this answers for where it goes.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether `presented` is this secret. The time taken tells the length, never the content.
    pub fn matches(&self, presented: &[u8]) -> bool {
        aws_lc_rs::constant_time::verify_slices_are_equal(self.0.as_bytes(), presented).is_ok()
    }

    /// Whether there is no text at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret([redacted])")
    }
}
