//! Moduli that can be factored without much work. Nothing here is secret, so nothing is
//! constant-time.

use num_bigint::BigUint;

/// How far trial division goes.
const SMALL: u32 = 1 << 13;

/// How many steps of Fermat's method are taken: enough for primes that agree in their upper half.
const STEPS: u32 = 200;

/// The primes that the ROCA fingerprint looks at: the first 38 odd ones.
const ROCA: u32 = 167;

/// Why a modulus can be factored, if this finds it.
pub(super) fn weakness(n: &[u8]) -> Option<String> {
    let n = BigUint::from_bytes_be(n);
    if n.bits() < 16 {
        return Some("its modulus is no modulus at all".to_owned());
    }
    let remainders: Vec<_> = primes().map(|p| (p, remainder(&n, p))).collect();
    if let Some((p, _)) = remainders.iter().find(|(_, rest)| *rest == 0) {
        return Some(format!("its modulus is divisible by {p}"));
    }
    let mut roca = remainders.iter().filter(|(p, _)| (3..=ROCA).contains(p));
    if roca.all(|(p, rest)| is_power_of_65537(*rest, *p)) {
        return Some("its modulus has the ROCA fingerprint (CVE-2017-15361)".to_owned());
    }
    has_close_primes(&n).then(|| "the primes of its modulus are close to each other".to_owned())
}

/// Pairs of places of moduli that share a factor and are not the same modulus.
pub(super) fn shared(moduli: &[&[u8]]) -> Vec<(usize, usize)> {
    let moduli: Vec<_> = moduli.iter().map(|n| BigUint::from_bytes_be(n)).collect();
    let mut out = Vec::new();
    for (i, n) in moduli.iter().enumerate() {
        let others = moduli.iter().enumerate().filter(|(_, other)| *other != n);
        if n.bits() < 16 {
            continue;
        }
        // One division for all the others first: nearly always there is nothing to be found.
        let product = others.clone().fold(BigUint::from(1u8), |acc, (_, other)| acc * other % n);
        if is_one(&gcd(product, n.clone())) {
            continue;
        }
        let twin = others.filter(|(_, other)| !is_one(&gcd((*other).clone(), n.clone())));
        out.extend(twin.map(|(j, _)| (i, j)).next());
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

/// Keys of the ROCA generator are powers of 65537 modulo every small prime.
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

/// Fermat's method: n = a² − b² with a just above the root of n.
fn has_close_primes(n: &BigUint) -> bool {
    let mut a = n.sqrt();
    if &a * &a == *n {
        return true;
    }
    for _ in 0..STEPS {
        a += 1u8;
        let square = &a * &a - n;
        // Squares end in few ways modulo 64; most others need no root to be told.
        let end = square.iter_u32_digits().next().unwrap_or_default() & 63;
        if [0, 1, 4, 9, 16, 17, 25, 33, 36, 41, 49, 57].contains(&end) {
            let b = square.sqrt();
            if &b * &b == square {
                return true;
            }
        }
    }
    false
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
    fn the_roca_fingerprint_is_found() {
        let primorial = primes().filter(|p| (2..=ROCA).contains(p));
        let primorial = primorial.fold(BigUint::from(1u8), |acc, p| acc * p);
        // What the faulty generator makes: k * primorial + 65537^a, and the product of two such.
        let power = |a: u32| BigUint::from(65537u32).modpow(&BigUint::from(a), &primorial);
        let prime = |k: u32, a: u32| (&primorial << 40u32) * k + power(a);
        let n = prime(123_456_789, 12_345) * prime(987_654_321, 54_321);
        let odd: Vec<_> = primes().filter(|p| (3..=ROCA).contains(p)).collect();
        assert_eq!(odd.len(), 38);
        assert!(odd.into_iter().all(|p| is_power_of_65537(remainder(&n, p), p)));
        assert!(found(&n).contains("ROCA"), "{}", found(&n));
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
    fn shared_primes_are_found() {
        let (p, q, r) = (mersenne(521), mersenne(607), mersenne(1279));
        let moduli = [&p * &q, sound(0), &p * &r, sound(1), &p * &q];
        let bytes: Vec<_> = moduli.iter().map(BigUint::to_bytes_be).collect();
        let slices: Vec<_> = bytes.iter().map(Vec::as_slice).collect();
        assert_eq!(shared(&slices), [(0, 2), (2, 0), (4, 2)]);
        assert!(shared(&slices[..2]).is_empty() && shared(&[]).is_empty());
    }
}
