//! The policy that the flags ask for.

use cambist_core::issuer::IssuerUrl;
use cambist_key_age::policy::LimitsError;
use cambist_key_age::{Limits, Platform, Policy};

use crate::cli::issuer::{PolicyArgs, Profile};

/// The platform an issuer is on: as named, or as its URL gives away.
pub(crate) fn platform(profile: Profile, issuer: &str) -> Platform {
    match profile {
        Profile::Of(platform) => platform,
        Profile::Auto => IssuerUrl::parse(issuer).map_or(Platform::Other, |i| Platform::detect(&i)),
    }
}

/// The platform's policy with what the flags change.
///
/// # Errors
/// If a key would have to be gone before it has to be replaced.
pub(crate) fn policy(args: &PolicyArgs, platform: Platform) -> Result<Policy, LimitsError> {
    let mut policy = Policy::for_platform(platform);
    if args.rotate_after.is_some() || args.expire_after.is_some() {
        let limits = policy.limits.unwrap_or(Limits::AZURE_LOCAL);
        let rotate = args.rotate_after.unwrap_or(limits.rotate_after());
        // Whoever rotates less often than the default keeps keys for at least twice as long.
        let twice = rotate.saturating_mul(2).max(limits.expire_after());
        policy.limits = Some(Limits::new(rotate, args.expire_after.unwrap_or(twice))?);
    }
    policy.grace = args.grace;
    policy.max_token_life = args.max_token_ttl;
    policy.basis = args.age_basis;
    policy.max_gap = args.max_gap;
    Ok(if args.accept_assumed { policy.accepting_assumptions() } else { policy })
}
