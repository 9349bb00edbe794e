//! Moduli that can be factored without much work. Nothing here is secret, so nothing is
//! constant-time.

use num_bigint::BigUint;

/// How far trial division goes.
const SMALL: u32 = 1 << 13;

/// How many steps of Fermat's method are taken: enough for primes that agree in their upper half.
const STEPS: u32 = 200;

/// Largest modulus that is looked at: the largest that verifies anything, and more work than anybody
/// may ask for by publishing it.
const MAX_BITS: u64 = 8192;

/// Why a modulus can be factored, if this finds it.
pub(super) fn weakness(n: &[u8]) -> Option<String> {
    let n = BigUint::from_bytes_be(n);
    if n.bits() < 16 {
        return Some("its modulus is no modulus at all".to_owned());
    }
    if n.bits() > MAX_BITS {
        return None;
    }
    if let Some(p) = primes().find(|p| remainder(&n, *p) == 0) {
        return Some(format!("its modulus is divisible by {p}"));
    }
    has_close_primes(&n).then(|| "the primes of its modulus are close to each other".to_owned())
}

/// Pairs of places of moduli that share a factor and are not the same modulus.
pub(super) fn shared(moduli: &[&[u8]]) -> Vec<(usize, usize)> {
    let moduli: Vec<_> = moduli.iter().map(|n| BigUint::from_bytes_be(n)).enumerate().collect();
    let is_bearable = |(_, n): &&(usize, BigUint)| (16..=MAX_BITS).contains(&n.bits());
    let moduli: Vec<_> = moduli.iter().filter(is_bearable).collect();
    let mut out = Vec::new();
    for (i, n) in &moduli {
        let others = moduli.iter().filter(|(_, other)| other != n);
        // One division for all the others first: nearly always there is nothing to be found.
        let product = others.clone().fold(BigUint::from(1u8), |acc, (_, other)| acc * other % n);
        if is_one(&gcd(product, n.clone())) {
            continue;
        }
        let mut twin = others.filter(|(_, other)| !is_one(&gcd(other.clone(), n.clone())));
        out.extend(twin.next().map(|(j, _)| (*i, *j)));
    }
    out
}

fn primes() -> impl Iterator<Item = u32> {
    let is_prime = |n: &u32| (2..).take_while(|d| d * d <= *n).all(|d| !n.is_multiple_of(d));
    (2..SMALL).filter(is_prime)
}

fn remainder(n: &BigUint, p: u32) -> u32 {
    let digits = n.iter_u32_digits().rev();
    let rest = digits.fold(0u64, |acc, digit| ((acc << 32) | u64::from(digit)) % u64::from(p));
    u32::try_from(rest).unwrap_or_default()
}

/// Fermat's method: n = a² − b² with a just above the root of n.
fn has_close_primes(n: &BigUint) -> bool {
    let mut a = n.sqrt();
    let mut square = &a * &a;
    if square == *n {
        return true;
    }
    // The next square is so much larger: one multiplication does for all steps.
    square += (&a << 1u8) + 1u8;
    let mut difference = square - n;
    for _ in 0..STEPS {
        a += 1u8;
        if may_be_square(&difference) {
            let b = difference.sqrt();
            if &b * &b == difference {
                return true;
            }
        }
        difference += (&a << 1u8) + 1u8;
    }
    false
}

/// Squares leave few remainders; nearly all other numbers are told by that, without a root.
fn may_be_square(n: &BigUint) -> bool {
    [64, 63, 65, 11, 17, 19, 23].into_iter().all(|m| {
        let rest = remainder(n, m);
        (0..m).any(|root| root * root % m == rest)
    })
}

fn gcd(mut a: BigUint, mut b: BigUint) -> BigUint {
    while b.bits() > 0 {
        (a, b) = (b.clone(), a % b);
    }
    a
}

fn is_one(n: &BigUint) -> bool {
    n.bits() == 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::KEYS;
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    fn sound(index: usize) -> BigUint {
        BigUint::from_bytes_be(&URL_SAFE_NO_PAD.decode(KEYS[index].n()).unwrap())
    }

    fn found(n: &BigUint) -> String {
        weakness(&n.to_bytes_be()).unwrap_or_default()
    }

    /// 2^521 - 1, 2^607 - 1 and 2^1279 - 1 are primes.
    fn mersenne(exponent: u32) -> BigUint {
        (BigUint::from(1u8) << exponent) - 1u8
    }

    #[test]
    fn sound_moduli_pass() {
        assert_eq!((found(&sound(0)), found(&sound(1))), (String::new(), String::new()));
        assert_eq!(weakness(&[]), Some("its modulus is no modulus at all".to_owned()));
    }

    #[test]
    fn small_factors_are_found() {
        assert!(found(&(mersenne(1279) * 8191u32)).contains("8191"));
        assert!(found(&(sound(0) * 2u8)).contains("divisible by 2"));
    }

    #[test]
    fn close_primes_are_found() {
        // Any two close odd numbers do; they need not be prime for the method.
        let p = mersenne(1279);
        assert!(found(&(&p * &p)).contains("close"));
        let q = mersenne(521) * mersenne(607);
        assert!(found(&(&q * (&q + (BigUint::from(1u8) << 300u32)))).contains("close"));
        assert!(found(&(mersenne(521) * mersenne(1279))).is_empty());
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "it is about how long that takes")]
    fn nobody_can_ask_for_much_work() {
        let started = std::time::Instant::now();
        let huge: Vec<_> = (0..100u8).map(|n| vec![n | 0x81; 14_000 / 8]).collect();
        assert!(huge.iter().all(|n| weakness(n).is_none()));
        assert!(shared(&huge.iter().map(Vec::as_slice).collect::<Vec<_>>()).is_empty());
        let took = started.elapsed();
        assert!(took < std::time::Duration::from_secs(1), "{took:?}");
    }

    #[test]
    fn shared_primes_are_found() {
        let (p, q, r) = (mersenne(521), mersenne(607), mersenne(1279));
        let moduli = [&p * &q, sound(0), &p * &r, sound(1), &p * &q];
        let bytes: Vec<_> = moduli.iter().map(BigUint::to_bytes_be).collect();
        let slices: Vec<_> = bytes.iter().map(Vec::as_slice).collect();
        assert_eq!(shared(&slices), [(0, 2), (2, 0), (4, 2)]);
        assert!(shared(&slices[..2]).is_empty() && shared(&[]).is_empty());
    }
}
