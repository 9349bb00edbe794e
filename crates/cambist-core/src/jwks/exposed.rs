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
mod tests;
