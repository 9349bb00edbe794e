//! What each kind of evidence proves: the constructors of facts.
//!
//! A witness of existence bounds an age from below, a witness of absence from above. Most sources
//! can only be the former: a file copied yesterday may hold a key made years ago.

use std::time::Duration;

use super::fact::{Evidence, Fact, Grade, Source, Subject};
use cambist_core::clock::UnixTime;
use cambist_core::duration::exact;
use cambist_core::jwks::Thumbprint;

/// Which of a file's times is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileTime {
    /// The inode's change time, which no system call sets to a chosen value.
    Changed,
    /// The modification or birth time, which whoever copies or touches the file sets.
    Modified,
}

impl Fact {
    fn new(key: Thumbprint, subject: Subject, grade: Grade, source: Evidence) -> Self {
        let (at, detail) = (UnixTime::from_secs(0), String::new());
        Self { key, subject, not_before: None, not_after: None, grade, source, at, detail }
    }

    fn by(self, moment: UnixTime) -> Self {
        Self { not_after: Some(moment), ..self }
    }

    fn after(self, moment: UnixTime) -> Self {
        Self { not_before: Some(moment), ..self }
    }

    fn seen(self, at: UnixTime, detail: String) -> Self {
        Self { at, detail, ..self }
    }

    /// E1: a key set from `source` had the key at `at`.
    pub fn published(key: Thumbprint, at: UnixTime, source: Source) -> Self {
        Self::new(key, Subject::Trusted, Grade::Proven, Evidence::E1)
            .by(at)
            .seen(at, format!("published in the {source} key set at {at}"))
    }

    /// E1 for a set other than the one relying parties read: the key exists, which does not say
    /// that it is trusted.
    pub fn held(key: Thumbprint, at: UnixTime, source: Source) -> Self {
        Self::new(key, Subject::Born, Grade::Proven, Evidence::E1)
            .by(at)
            .seen(at, format!("in the {source} key set at {at}"))
    }

    /// E2: a complete key set, up to `stale` out of date, did not have the key at `at`.
    ///
    /// The caller vouches that it is one of at least two consecutive absences (servers that restart
    /// one by one show a new key by turns) and earlier than the first sighting.
    pub fn absent(key: Thumbprint, at: UnixTime, stale: Duration, source: Source) -> Self {
        let detail =
            format!("not in the {source} key set at {at}, which may be {} old", exact(stale));
        Self::new(key, Subject::Trusted, Grade::Proven, Evidence::E2)
            .after(at - stale)
            .seen(at, detail)
    }

    /// E3: a token with a verified signature, issued at `issued_at`.
    pub fn signed(key: Thumbprint, issued_at: UnixTime) -> Self {
        Self::new(key, Subject::Signing, Grade::Proven, Evidence::E3)
            .by(issued_at)
            .seen(issued_at, format!("signed a token issued at {issued_at}"))
    }

    /// E3: another key still signed at `still`, the latest before this one's first token. Attested,
    /// since whoever holds the old key can issue a token of any date.
    pub fn not_yet_signing(key: Thumbprint, still: UnixTime) -> Self {
        Self::new(key, Subject::Signing, Grade::Attested, Evidence::E3)
            .after(still)
            .seen(still, format!("another key signed until {still}"))
    }

    /// E4: the certificate over this very key begins at `begins`. Never an upper bound: certificates
    /// are renewed over the same key.
    pub fn certified(key: Thumbprint, begins: UnixTime, at: UnixTime) -> Self {
        Self::new(key, Subject::Born, Grade::Asserted, Evidence::E4)
            .by(begins)
            .seen(at, format!("its certificate is valid from {begins}"))
    }

    /// E5: the JWK says of itself that it was issued at `issued`, which may mean that it was made then.
    pub fn dated(key: Thumbprint, issued: UnixTime, at: UnixTime) -> Self {
        Self::new(key, Subject::Born, Grade::Asserted, Evidence::E5)
            .by(issued)
            .after(issued)
            .seen(at, format!("the JWK itself says {issued}"))
    }

    /// E6: the key set has not changed since `modified`. `None` if that is still to come. It existed by
    /// then; a server that keeps a file's time tells when the file was made, not when it was published.
    pub fn unmodified(key: Thumbprint, modified: UnixTime, at: UnixTime) -> Option<Self> {
        let fact = Self::new(key, Subject::Born, Grade::Asserted, Evidence::E6)
            .by(modified)
            .seen(at, format!("the published key set has not changed since {modified}"));
        (modified <= at).then_some(fact)
    }

    /// E7: the Kubernetes object `object` holds the key since `written` at the latest.
    pub fn stored(key: Thumbprint, written: UnixTime, at: UnixTime, object: &str) -> Self {
        Self::new(key, Subject::Born, Grade::Asserted, Evidence::E7)
            .by(written)
            .seen(at, format!("{object} was last written at {written}"))
    }

    /// E8: the key's file has not changed since `time`.
    pub fn filed(
        key: Thumbprint,
        kind: FileTime,
        time: UnixTime,
        at: UnixTime,
        path: &str,
    ) -> Self {
        let (grade, word) = match kind {
            FileTime::Changed => (Grade::Attested, "changed"),
            FileTime::Modified => (Grade::Asserted, "modified"),
        };
        Self::new(key, Subject::Born, grade, Evidence::E8)
            .by(time)
            .seen(at, format!("{path} was last {word} at {time}"))
    }

    /// E9: the API server instance that publishes the key started at `started`, and reads its keys
    /// once. The caller vouches that it asked that one instance, and that it has no external signer.
    pub fn loaded(key: Thumbprint, started: UnixTime, at: UnixTime) -> Self {
        Self::new(key, Subject::Born, Grade::Proven, Evidence::E9)
            .by(started)
            .seen(at, format!("the API server holds it since it started at {started}"))
    }

    /// E12: a legacy token Secret signed with the key was written at `written`.
    pub fn signed_secret(key: Thumbprint, written: UnixTime, at: UnixTime) -> Self {
        Self::new(key, Subject::Born, Grade::Asserted, Evidence::E12)
            .by(written)
            .seen(at, format!("a token Secret signed with it was written at {written}"))
    }

    /// E13: the control plane's record says that a rotation from `begun` to `done` made the key.
    pub fn rotated(
        key: Thumbprint,
        (begun, done): (UnixTime, UnixTime),
        at: UnixTime,
        record: &str,
    ) -> Self {
        Self::new(key, Subject::Born, Grade::Attested, Evidence::E13)
            .after(begun)
            .by(done)
            .seen(at, format!("{record} records a rotation from {begun} to {done}"))
    }

    /// E14: the cluster was created at `created`, and its installer made the key: an assumption.
    pub fn installed(key: Thumbprint, created: UnixTime, at: UnixTime) -> Self {
        Self::new(key, Subject::Born, Grade::Assumed, Evidence::E14)
            .after(created)
            .seen(at, format!("assumed to be made with the cluster, created at {created}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_and_renewals_never_prove_youth() {
        let (key, then, at) =
            (Thumbprint::of_spki(b"k"), UnixTime::from_secs(10), UnixTime::from_secs(20));
        for fact in [
            Fact::certified(key, then, at),
            Fact::stored(key, then, at, "secret"),
            Fact::filed(key, FileTime::Changed, then, at, "sa.key"),
            Fact::filed(key, FileTime::Modified, then, at, "sa.key"),
            Fact::loaded(key, then, at),
            Fact::signed_secret(key, then, at),
            Fact::unmodified(key, then, at).unwrap(),
        ] {
            assert_eq!((fact.not_before, fact.not_after), (None, Some(then)), "{fact}");
        }
        assert_eq!(Fact::unmodified(key, at, then), None);
    }
}
