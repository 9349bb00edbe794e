//! As much of HTTP/1.1 as tells where a response ends, and whether it is a good one.

use anyhow::{Context as _, bail};

/// The beginning of a response.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Head<'a> {
    pub(crate) status: u16,
    /// All header lines.
    lines: &'a str,
    /// Bytes of head and body.
    pub(crate) whole: usize,
}

impl<'a> Head<'a> {
    /// The head, once it is whole.
    pub(crate) fn parse(bytes: &'a [u8]) -> anyhow::Result<Option<Self>> {
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
            return Ok(None);
        };
        let head = str::from_utf8(bytes.get(..end).unwrap_or_default())?;
        let (first, lines) = head.split_once("\r\n").context("a response without headers")?;
        let status = first.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
        let status = status.context("not an HTTP/1.1 response")?.parse()?;
        let mut head = Self { status, lines, whole: 0 };
        let length = head.headers().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        let (_, length) = length.context("a response without a content length")?;
        head.whole = end + 4 + length.parse::<usize>()?;
        Ok(Some(head))
    }

    /// The length of a response if it is whole.
    pub(crate) fn end(bytes: &[u8]) -> anyhow::Result<Option<usize>> {
        match Head::parse(bytes)? {
            Some(head) if !(200..300).contains(&head.status) => {
                bail!("a response has status {}: the run is void", head.status)
            }
            Some(head) if head.whole < bytes.len() => bail!("more bytes than one response has"),
            Some(head) => Ok((head.whole == bytes.len()).then_some(head.whole)),
            None => Ok(None),
        }
    }

    pub(crate) fn headers(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.lines.split("\r\n").filter_map(|line| line.split_once(": "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_ends_where_its_length_says() {
        let whole = b"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\ncontent-length: 3\r\n\r\nabc";
        for cut in 0..whole.len() {
            assert_eq!(Head::end(&whole[..cut]).unwrap(), None, "{cut}");
        }
        assert_eq!(Head::end(whole).unwrap(), Some(whole.len()));
        let head = Head::parse(whole).unwrap().unwrap();
        assert_eq!(head.headers().next(), Some(("Content-Type", "a/b")));
        assert!(Head::end(&[whole.as_slice(), b"x"].concat()).is_err());
    }

    #[test]
    fn what_is_not_a_good_response_is_an_error() {
        for bad in [
            "HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\ndate: x\r\n\r\n",
            "HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n",
            "\r\n\r\n",
        ] {
            assert!(Head::end(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }
}
