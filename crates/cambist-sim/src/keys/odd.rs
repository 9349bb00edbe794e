//! Keys that nobody should publish. Only their public halves are here: they are published, and sign
//! nothing.

use serde_json::{Value, json};

/// A key set's worst members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OddKey {
    /// RSA of 1024 bits.
    Short,
    /// RSA of 2048 bits whose public exponent is 3.
    LowExponent,
    /// The RSA key of Kubernetes' own unit tests, whose private half anybody may have.
    Example,
}

impl OddKey {
    /// Its public half, as kube-apiserver would publish it.
    ///
    /// ```
    /// use cambist_sim::keys::odd::OddKey;
    ///
    /// let kid = "JHJehTTTZlsspKHT-GaJxK7Kd1NQgZJu3fyK6K_QDYU";
    /// assert_eq!(OddKey::Example.jwk()["kid"], kid);
    /// assert_eq!(OddKey::LowExponent.jwk()["e"], "Aw");
    /// ```
    pub fn jwk(self) -> Value {
        let (kid, n, e) = match self {
            Self::Short => (SHORT_KID, SHORT, "AQAB"),
            Self::LowExponent => (LOW_EXPONENT_KID, LOW_EXPONENT, "Aw"),
            Self::Example => (EXAMPLE_KID, EXAMPLE, "AQAB"),
        };
        json!({ "use": "sig", "kty": "RSA", "kid": kid, "alg": "RS256", "n": n, "e": e })
    }
}

// The first two were made for this purpose, and their private halves thrown away.
const SHORT_KID: &str = "abJTD1oZJIDyDMD0-3PFaECWvwsimQ97r9RYHVZ7LoY";
const SHORT: &str = "s-lq2NJ1giE4fiMcoz3HCQvB9xLCSMGW2tTVAWQHchvZqIAfpb2Oezsnmhr2w-1_GHD_EsXP-9ae\
    d0-uf86rsATKEyF1U85LiLKP5_9ge7E7ofpMy0drCDaIrg1aytAzeO9oFI6vg4rlduS1ihiymIWR\
    et6eI6OLjRaIQMTR2qM";
const LOW_EXPONENT_KID: &str = "oyIgYAA4YcrwlRJJ_KnJyfmiv694UrGHC2SAtlvGqj0";
const LOW_EXPONENT: &str = "xwulpQE04D9jgDOwyxh9OtH7M8QK1HoIEyLS_fwj8Z3xVLEL7VfPW2a0nn5ph6fB_gYPskUov0pF\
    H8JJX-EKdpVQBmMMPnq8XZpYcPPdIo92bhJz8iMCbSCIWlyH8f8EOf73EAgeiVXRr3a3GLaXluL3\
    QGlxVrJxpuB53SvyJP8YbdTMK_My_HV5RkUrNrj5QpmBIwyfBGT74tyoX9hCFwImEYMEOCiyWia9\
    o3jKVX1LD_B2gTNTDf9Gd6vKKV8vEMQJaZjUUOab7PIjV34YKvAK3qCzGndjJu06WfXf-Q2TSLy2\
    lOjSGdQgBWBvB2bQrLV4yUshp0cb-_PfSeguKw";
const EXAMPLE_KID: &str = "JHJehTTTZlsspKHT-GaJxK7Kd1NQgZJu3fyK6K_QDYU";
const EXAMPLE: &str = "249XwEo9k4tM8fMxV7zxOhcrP-WvXn917koM5Qr2ZXs4vo26e4ytdlrV0bQ9SlcLpQVSYjIxNfhT\
    ZdDt-ecIzshKuv1gKIxbbLQMOuK1eA_4HALyEkFgmS_tleLJrhc65tKPMGD-pKQ_xhmzRuCG51Ro\
    iMgbQxaCyYxGfNLpLAZK9L0Tctv9a0mJmGIYnIOQM4kC1A1I1n3EsXMWmeJUj7OTh_AjjCnMnkgv\
    KT2tpKxYQ59PgDgU8Ssc7RDSmSkLxnrv-OrN80j6xrw0OjEiB4Ycr0PqfzZcvy8efTtFQ_Jnc4Bp\
    1zUtFXt7-QeevePtQ2EcyELXE0i63T1CujRMWw";

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;

    #[test]
    fn they_have_their_sizes() {
        for (key, bytes) in
            [(OddKey::Short, 128), (OddKey::LowExponent, 256), (OddKey::Example, 256)]
        {
            let n = BASE64URL.decode(key.jwk()["n"].as_str().unwrap()).unwrap();
            assert_eq!(n.len(), bytes, "{key:?}");
            assert!(n[0] >= 0x80, "{key:?}: the highest bit is the first");
        }
    }
}
