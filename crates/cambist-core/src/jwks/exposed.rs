//! Keys whose private half anybody can have: what they sign says nothing of who signed it.

use std::fmt;

use super::Thumbprint;

/// The members of RFC 7518 section 6, and of later key types, that only private and symmetric keys
/// have.
pub const SECRET_MEMBERS: [&str; 9] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"];

/// How anybody can have a key's private half. One predicate for all who ask: verification, admission
/// and whoever looks for signs of somebody else's hand.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Exposed {
    /// The key set itself has it, in these members.
    Published(Vec<&'static str>),
    /// It stands in public beside the key, there.
    Example(&'static str),
    /// The modulus is divisible by this small number.
    Divisible(u32),
    /// The modulus is of the generator that made factorable ones (ROCA, CVE-2017-15361).
    Roca,
}

/// Keys whose private halves are published with them, by thumbprint, and where.
const EXAMPLES: [(&str, &str); 2] = [
    ("JHJehTTTZlsspKHT-GaJxK7Kd1NQgZJu3fyK6K_QDYU", "the unit tests of Kubernetes (RSA)"),
    ("SoABiieYuNx4UdqYvZRVeuC6SihxgLrhLy9peHMHpTc", "the unit tests of Kubernetes (EC)"),
];

/// The primes that the ROCA fingerprint looks at: the first 38 odd ones.
const PRIMES: [u32; 38] = [
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97,
    101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
];

/// Largest modulus that is looked at, in bytes: the largest that verifies anything.
const MAX_MODULUS: usize = 8192 / 8;

impl Exposed {
    /// Whether anybody can have the private half of a key that is published with these
    /// [members](SECRET_MEMBERS), is known by this thumbprint, and, if it is RSA, has this modulus
    /// (big-endian).
    pub fn find(
        members: &[&'static str],
        thumbprint: Option<Thumbprint>,
        modulus: Option<&[u8]>,
    ) -> Option<Self> {
        if !members.is_empty() {
            return Some(Self::Published(members.to_vec()));
        }
        let name = thumbprint.map(|key| key.to_string());
        let known = EXAMPLES.iter().find(|(example, _)| name.as_deref() == Some(*example));
        known.map(|(_, place)| Self::Example(place)).or_else(|| factorable(modulus?))
    }
}

impl fmt::Display for Exposed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Published(members) => {
                write!(f, "the key set publishes it (members {})", members.join(", "))
            }
            Self::Example(place) => write!(f, "it stands in {place}"),
            Self::Divisible(by) => write!(f, "the modulus is divisible by {by}"),
            Self::Roca => f.write_str(
                "the modulus has the ROCA fingerprint (CVE-2017-15361), so that it can be factored",
            ),
        }
    }
}

fn factorable(modulus: &[u8]) -> Option<Exposed> {
    let zeros = modulus.iter().take_while(|byte| **byte == 0).count();
    let modulus = modulus.get(zeros..).filter(|n| (2..=MAX_MODULUS).contains(&n.len()))?;
    if modulus.last().is_some_and(|low| low % 2 == 0) {
        return Some(Exposed::Divisible(2));
    }
    let rests = remainders(modulus);
    if let Some((p, _)) = rests.iter().find(|(_, rest)| *rest == 0) {
        return Some(Exposed::Divisible(*p));
    }
    // Keys of that generator are powers of 65537 modulo every small prime.
    let powers = rests.iter().all(|(p, rest)| is_power_of_65537(*rest, *p));
    powers.then_some(Exposed::Roca)
}

/// The remainders by the small primes. As many primes as fit are taken together: a long division for
/// each product, and short ones from there.
fn remainders(modulus: &[u8]) -> Vec<(u32, u32)> {
    let mut out = Vec::with_capacity(PRIMES.len());
    let mut rest = PRIMES.as_slice();
    while let Some(first) = rest.first() {
        let (mut product, mut taken) = (u64::from(*first), 1);
        while let Some(next) = rest.get(taken)
            && product * u64::from(*next) <= u64::from(u32::MAX)
        {
            product *= u64::from(*next);
            taken += 1;
        }
        let (group, others) = rest.split_at(taken);
        let by_all = modulus.iter().fold(0, |acc, byte| (acc << 8 | u64::from(*byte)) % product);
        out.extend(group.iter().map(|p| {
            let remainder = u32::try_from(by_all % u64::from(*p)).unwrap_or_default();
            (*p, remainder)
        }));
        rest = others;
    }
    out
}

fn is_power_of_65537(rest: u32, p: u32) -> bool {
    let step = 65537 % p;
    let mut power = 1;
    loop {
        if power == rest {
            return true;
        }
        power = power * step % p;
        if power <= 1 {
            return false;
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;
    use crate::jwks::{Alg, KeySet};
    use crate::jws::{self, JwsError};
    use crate::testing::{KEYS, set};

    /// Wycheproof's json_web_key_test, case 7, "rejectsKeyWithRocaVulnerability": the public half,
    /// and a token with a right signature.
    const ROCA_N: &str = "AanFpofbj7KjD4Lf-N2hVMKR7yewSyXhhbirIMTGpfYEhZ_lnt5UoK98DnKIgArXGTu3MaW_HhFw16HGaTDUHqPrId7fe4r11CqRw09yBFuW79V8sYIwHdzCaWflUI6auImYbVfoN9_nD5n8N8SY9DwXw7mwZM9wREPXoDPgOoIWl6q_MPsp7n0zs3Z5ZaiQWOOzl1S9OhwAfSiiOwz6efnXEaxuTEtPd7BjSx7NaFka8Dx9U7YqXy2RFj1O9PjyaDGuRh7YXsX3iMUSP_wSyHQg_c_qHRtKUsNSGCT7OZg0hzm2KphtjnayKJvC64vAbROBR4Ubg6Bxg9IQVZ-QYyE";
    const ROCA_JWS: &str = "eyJhbGciOiJSUzI1NiIsImtpZCI6ImtpZC1yc2Etcm9jYS1zaWduIn0.Zm9v.AF_6dFYBEaaI5OlOehaktwYarwKZwFFeKTNwz9ar6ntNh4k8oeQwiODJqT1nnX2KhrWMUc80JJIdaCq3y7wOSmlPrqRgrL5r9xqfQdokirCuynoq4Lbi226VlZmijmkyYtSeEbzvkhyjbY8cDQF_c2DMMQG8FBRNJPOSTxi_I75Twj0877G-16i3bAWcvFxcNKGQzSQNcp5Lvh15N2I3PDM5W7HaFwPO0drzLR9dsDW9uDCqHvMMyshC7rgZdqfXpkaJL8Whn_mUScnLxS7J-2wVt9xKY3LpR97HoanIK-rcqYS_eq9hY_65te4qbwPCtQMjipIgIGo9HZrNRomAB1c";

    fn of(modulus: &[u8]) -> Option<Exposed> {
        Exposed::find(&[], None, Some(modulus))
    }

    #[test]
    fn a_token_that_a_roca_key_signed_is_refused() {
        let jwk = format!(
            r#"{{"alg":"RS256","use":"sig","n":"{ROCA_N}","e":"AQAB","kid":"kid-rsa-roca-sign","kty":"RSA"}}"#
        );
        let keys = KeySet::parse(set(&[&jwk, &KEYS[0].jwk("a")]).as_bytes()).unwrap();
        let refused = jws::verify(ROCA_JWS, &keys, &[Alg::Rs256]).unwrap_err();
        assert!(matches!(refused, JwsError::Exposed { how: Exposed::Roca, .. }), "{refused}");
        assert!(refused.to_string().contains("CVE-2017-15361"), "{refused}");
        // A forged one is told from it.
        let forged = ROCA_JWS.replace(".AF_6", ".AF_7");
        let refused = jws::verify(&forged, &keys, &[Alg::Rs256]).unwrap_err();
        assert!(matches!(refused, JwsError::Signature { .. }), "{refused}");
    }

    #[test]
    fn sound_moduli_pass_and_small_factors_do_not() {
        let decode = |n: &str| URL_SAFE_NO_PAD.decode(n).unwrap();
        let sound = decode(&KEYS[0].n());
        assert_eq!((of(&sound), of(&[0]), of(&[])), (None, None, None));
        assert_eq!(of(&decode(ROCA_N)), Some(Exposed::Roca));
        // A number is divisible by 255, and so by 3, if its digits to the base of 256 sum up so.
        assert_eq!(of(&[0xff; 256]), Some(Exposed::Divisible(3)));
        let mut even = sound.clone();
        even.push(0);
        assert_eq!(of(&even), Some(Exposed::Divisible(2)));
        // Beyond what verifies anything, nothing is worth the work.
        assert_eq!(of(&[0xff; 1025]), None);
    }

    #[test]
    fn what_is_published_or_known_is_found() {
        let example = EXAMPLES[0].0.parse().unwrap();
        assert_eq!(Exposed::find(&["d"], None, None), Some(Exposed::Published(vec!["d"])));
        let found = Exposed::find(&[], Some(example), None).unwrap();
        assert!(found.to_string().contains("Kubernetes"), "{found}");
        assert!(EXAMPLES.iter().all(|(name, _)| name.parse::<Thumbprint>().is_ok()));
        assert_eq!(Exposed::find(&[], Some(Thumbprint::of_spki(b"k")), None), None);
    }
}
