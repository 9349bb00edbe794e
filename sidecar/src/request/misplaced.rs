//! Secrets that an app put where they do not belong, such as into its path or its resource: whatever is told of a request,
//! they are not in it.

use cambist_core::secret::Secret;

/// Of what begins like a token's header, so many more characters make it one, however it was cut.
const TOKEN: usize = 20;

/// Of a secret that was cut off, so many characters make it one.
const CUT: usize = 8;

/// The text without these secrets and without tokens, if any is in it.
pub(crate) fn without<'s>(
    text: &str,
    secrets: impl IntoIterator<Item = &'s Secret>,
) -> Option<String> {
    let forms: Vec<_> = secrets.into_iter().flat_map(forms).collect();
    let (mut out, mut found, mut inside) = (String::with_capacity(text.len()), false, false);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        // Only where a word may begin: to look everywhere costs too much.
        let here = (!inside).then(|| secret(rest, &forms).or_else(|| token(rest))).flatten();
        let len = here.map_or(c.len_utf8(), |(_, len)| len);
        match here {
            Some((word, _)) => {
                out.push_str(word);
                found = true;
            }
            None => out.push(c),
        }
        inside = here.is_none() && c.is_ascii_alphanumeric();
        rest = rest.get(len..).unwrap_or_default();
    }
    found.then_some(out)
}

/// What a secret looks like as it is, in quotes, and in a URL.
fn forms(secret: &Secret) -> impl Iterator<Item = Secret> + use<> {
    let text = secret.expose();
    let quoted = text.contains(['"', '\\']);
    let quoted = quoted.then(|| Secret::new(text.replace('\\', r"\\").replace('"', "\\\"")));
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~');
    let encoded = (!text.bytes().all(plain)).then(|| {
        let byte = |b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") };
        Secret::new(text.bytes().map(byte).collect::<String>())
    });
    let others = [quoted, encoded].into_iter().flatten();
    std::iter::once(secret.clone()).chain(others)
}

/// Whether the text begins with a secret, or ends in one that was cut off; and how long it is there.
fn secret(text: &str, forms: &[Secret]) -> Option<(&'static str, usize)> {
    // As foreign text is cut.
    let cut = text.split_once('…').map(|(before, _)| before).filter(|it| it.len() >= CUT);
    forms.iter().find_map(|form| {
        let whole = form.expose();
        let begins = |len| text.get(..len).is_some_and(|it: &str| form.matches(it.as_bytes()));
        if begins(whole.len()) {
            return Some(("[secret]", whole.len()));
        }
        let cut = cut.filter(|cut| cut.len() < whole.len())?;
        let head = Secret::new(whole.get(..cut.len())?);
        head.matches(cut.as_bytes()).then_some(("[secret]", cut.len()))
    })
}

/// The same of a signed token: its header is JSON in base64url, and so is what follows.
fn token(text: &str) -> Option<(&'static str, usize)> {
    let base64url = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    let head =
        text.starts_with("eyJ").then(|| text.bytes().take_while(|b| base64url(*b)).count())?;
    let next = text.get(head..)?.strip_prefix('.').is_some_and(|next| next.starts_with("eyJ"));
    let whole = || text.bytes().take_while(|b| base64url(*b) || *b == b'.').count();
    (next || head >= "eyJ".len() + TOKEN).then(|| ("[token]", whole()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl";

    #[test]
    fn secrets_and_tokens_are_taken_out_wherever_a_word_begins() {
        let secrets = [Secret::new("s3cret+of/the=app"), Secret::new("another-of-sixteen")];
        let without = |text: &str| super::without(text, &secrets);
        for (text, expected) in [
            ("s3cret+of/the=app", "[secret]"),
            (
                "nothing is at \"/msi/token/s3cret+of/the=app\"; ask",
                "nothing is at \"/msi/token/[secret]\"; ask",
            ),
            ("s3cret%2Bof%2Fthe%3Dapp is not", "[secret] is not"),
            ("a=another-of-sixteen&b=another-of-sixteen", "a=[secret]&b=[secret]"),
            ("Host is \"another-of-six…+4\"; it", "Host is \"[secret]…+4\"; it"),
            (TOKEN, "[token]"),
            (&format!("api://{TOKEN}/x"), "api://[token]/x"),
            ("\"eyJhbGciOiJSUzI1NiIsImtpZCI…+400\"", "\"[token]…+400\""),
        ] {
            assert_eq!(without(text).as_deref(), Some(expected), "{text}");
        }
        for text in [
            "https://vault.azure.net",
            "api://eyJude.example.net",
            "another-of-seventeen",
            "Host is \"another…+400\"",
            "",
        ] {
            assert_eq!(without(text), None, "{text}");
        }
    }
}
