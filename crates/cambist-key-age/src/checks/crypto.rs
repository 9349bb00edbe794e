//! K301 to K309: whether a published key is fit for its purpose.

use super::key;
use crate::finding::{CheckId, Finding, Severity};
use crate::platform::Platform;
use crate::published::{PublishedKey, PublishedSet};
use crate::text::quoted;
use cambist_core::jwks::{Alg, Thumbprint};

#[cfg(feature = "factoring")]
mod factor;

/// All that is to be said of a set's keys. K303, for moduli that share a prime or can be factored with
/// some work, only with the feature `factoring`; [`exposed_keys`](super::exposed_keys) tells of those that
/// are known by a glance.
pub fn unfit_keys(set: &PublishedSet, platform: Platform) -> Vec<Finding> {
    let mut out = Vec::new();
    for key in set.keys() {
        out.extend(short_modulus(key));
        out.extend(odd_exponent(key));
        #[cfg(feature = "factoring")]
        out.extend(weak_modulus(key));
        out.extend(unsupported_alg(key));
        out.extend(unknown_kind(key));
        out.extend(other_purpose(key));
        out.extend(misnamed(key, platform));
        out.extend(modest_modulus(key));
        out.extend(wrong_alg(key));
    }
    #[cfg(feature = "factoring")]
    out.extend(shared_factors(set));
    out
}

/// K301: RSA below 2048 bits.
pub fn short_modulus(jwk: &PublishedKey) -> Option<Finding> {
    let bits = jwk.rsa.as_ref()?.bits();
    let text = format!("{} has {bits} bits", jwk.name());
    (bits < 2048).then(|| key(CheckId::K301, jwk, text))
}

/// K302: an exponent other than 65537.
pub fn odd_exponent(jwk: &PublishedKey) -> Option<Finding> {
    let e = &jwk.rsa.as_ref()?.e;
    let e = e.get(e.iter().take_while(|byte| **byte == 0).count()..).unwrap_or_default();
    let shown = e.iter().take(16).map(|byte| format!("{byte:02x}")).collect::<String>();
    let text = format!("{} has the exponent 0x{shown}", jwk.name());
    (e != [1, 0, 1]).then(|| key(CheckId::K302, jwk, text))
}

/// K303: a modulus that can be factored with some work: factors that are not that small, or primes so
/// close that Fermat's method finds them. What takes none is told by
/// [`exposed_keys`](super::exposed_keys).
#[cfg(feature = "factoring")]
pub fn weak_modulus(jwk: &PublishedKey) -> Option<Finding> {
    if jwk.exposed.is_some() {
        return None;
    }
    let weakness = factor::weakness(&jwk.rsa.as_ref()?.n)?;
    Some(key(CheckId::K303, jwk, format!("{}: {weakness}", jwk.name())))
}

/// K303: moduli that share a prime, which factors both.
#[cfg(feature = "factoring")]
pub fn shared_factors(set: &PublishedSet) -> Vec<Finding> {
    let rsa: Vec<_> = set.keys().iter().filter_map(|jwk| Some((jwk, jwk.rsa.as_ref()?))).collect();
    let moduli: Vec<_> = rsa.iter().map(|(_, numbers)| numbers.n.as_slice()).collect();
    let finding = |(index, other): (usize, usize)| {
        let ((jwk, _), (twin, _)) = (rsa.get(index)?, rsa.get(other)?);
        let text = format!("{} shares a prime with {}", jwk.name(), twin.name());
        Some(key(CheckId::K303, jwk, text))
    };
    factor::shared(&moduli).into_iter().filter_map(finding).collect()
}

/// K304: a key of a known kind for another algorithm than RS256.
pub fn unsupported_alg(jwk: &PublishedKey) -> Option<Finding> {
    let alg = jwk.alg.as_deref();
    let text = format!("{} is for {} (kty {})", jwk.name(), alg.unwrap_or("no algorithm"), jwk.kty);
    let other = jwk.kty != "RSA" || alg.is_some_and(|alg| alg != "RS256");
    (is_known(jwk) && other).then(|| key(CheckId::K304, jwk, text))
}

/// K305: a kind of key of tomorrow, skipped.
pub fn unknown_kind(jwk: &PublishedKey) -> Option<Finding> {
    let text = format!(
        "{} (kty {}, alg {}) was skipped",
        jwk.name(),
        quoted(&jwk.kty),
        quoted(jwk.alg.as_deref().unwrap_or_default())
    );
    // A shared secret is K101's.
    (!is_known(jwk) && jwk.kty != "oct").then(|| key(CheckId::K305, jwk, text))
}

/// K306: declared for something else than verifying.
pub fn other_purpose(jwk: &PublishedKey) -> Option<Finding> {
    let usage = jwk.usage.as_deref().filter(|usage| *usage != "sig");
    let ops = jwk.key_ops.as_ref().filter(|ops| !ops.iter().any(|op| op == "verify"));
    let said = match (usage, ops) {
        (Some(usage), _) => format!("use {}", quoted(usage)),
        (None, Some(ops)) => {
            format!("key_ops {}", crate::text::list(ops.iter().map(String::as_str)))
        }
        (None, None) => return None,
    };
    Some(key(CheckId::K306, jwk, format!("{} has {said}", jwk.name())))
}

/// K307: a `kid` that has the form of a thumbprint, and is not this key's.
pub fn misnamed(jwk: &PublishedKey, platform: Platform) -> Option<Finding> {
    let (kid, thumbprint) = (jwk.kid.as_ref()?, jwk.thumbprint?);
    let named: Thumbprint = kid.parse().ok()?;
    let text = format!("the kid is {kid}, the thumbprint {thumbprint}");
    let severity =
        if platform.names_keys_itself() { Severity::Info } else { CheckId::K307.severity() };
    (named != thumbprint).then(|| key(CheckId::K307, jwk, text).severity(severity))
}

/// K308: RSA of 2048 bits or little more.
pub fn modest_modulus(jwk: &PublishedKey) -> Option<Finding> {
    let bits = jwk.rsa.as_ref()?.bits();
    let text = format!("{} has {bits} bits", jwk.name());
    (2048..3072).contains(&bits).then(|| key(CheckId::K308, jwk, text))
}

/// K309: no `alg`, or one of another kind of key.
pub fn wrong_alg(jwk: &PublishedKey) -> Option<Finding> {
    if !is_known(jwk) {
        return None;
    }
    let text = match &jwk.alg {
        None => format!("{} has no alg", jwk.name()),
        Some(alg) if fits(jwk, alg) => return None,
        Some(alg) => {
            format!("{} has the alg {}, and is of kty {}", jwk.name(), quoted(alg), jwk.kty)
        }
    };
    Some(key(CheckId::K309, jwk, text))
}

fn is_known(jwk: &PublishedKey) -> bool {
    match (jwk.kty.as_str(), jwk.crv.as_deref()) {
        ("RSA", _) => true,
        ("EC", Some(curve)) => ["P-256", "P-384", "P-521"].contains(&curve),
        ("OKP", curve) => curve == Some("Ed25519"),
        _ => false,
    }
}

fn fits(jwk: &PublishedKey, alg: &str) -> bool {
    let curve = match alg {
        "ES256" => "P-256",
        "ES384" => "P-384",
        "ES512" => "P-521",
        "EdDSA" | "Ed25519" => "Ed25519",
        _ => return jwk.kty == "RSA" && alg.parse::<Alg>().is_ok(),
    };
    jwk.crv.as_deref() == Some(curve)
}

#[cfg(test)]
mod tests;
