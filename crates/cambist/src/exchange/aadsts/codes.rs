//! Which code means which trouble.

use super::Trouble;
use super::Trouble::*;

/// Every AADSTS code that a federated sign-in was seen to bring or is documented to, by what is to be
/// done about it.
pub(in crate::exchange) const CODES: &[(Trouble, &[u32])] = &[
    (NoMatchingCredential, &[70_021]),
    (NoIssuer, &[700_211]),
    (NoAudience, &[700_212]),
    (NoSubject, &[700_213, 7_002_137]),
    (SubjectCase, &[7_002_138]),
    (AudienceForm, &[700_214]),
    (NoCredential, &[70_025]),
    (StaleAssertion, &[700_024, 50_013, 500_133]),
    // 700027 is the same of certificates; it was seen in times when there was no other.
    (UnknownSignature, &[7_000_272, 700_027]),
    (WrongSignature, &[7_000_274]),
    (BadAssertion, &[50_027, 50_006, 50_012]),
    (BadHeader, &[5_002_726, 5_002_727]),
    (NoKeyId, &[5_002_723]),
    (BadAlgorithm, &[5_002_730, 5_002_738]),
    (LivesTooLong, &[70_023]),
    (OtherApp, &[700_021]),
    (IssuerUnreachable, &[90_061, 50_166, 501_661]),
    (UnknownApp, &[700_016, 700_011, 70_001]),
    (AppDisabled, &[7_000_112]),
    (NoServicePrincipal, &[7_000_229]),
    (WrongCredential, &[7_000_215, 7_000_222]),
    (PublicClient, &[700_025]),
    (EntraIssued, &[700_222, 700_226, 700_229]),
    (EntraIssuedForOthers, &[700_227, 7_002_121]),
    (Chained, &[700_231]),
    (OtherTenant, &[700_236]),
    (BlueprintAlone, &[82_001, 82_008]),
    (UnknownTenant, &[90_002, 900_023]),
    (NoAssertion, &[7_000_216, 7_000_218]),
    (Malformed, &[90_023, 9_002_313, 90_014, 900_144, 901_002]),
    (UnknownResource, &[500_011, 50_001, 650_057]),
    (ResourceDisabled, &[500_014]),
    (BadScope, &[70_011, 1_002_012, 28_002, 700_022, 700_023]),
    (Policy, &[53_003, 530_032, 530_003, 50_005]),
    (FederationBlocked, &[700_223, 700_238, 7_002_381]),
    (Loop, &[50_196]),
    (Regional, &[100_007]),
    (WrongCloud, &[90_038, 900_439, 900_432, 900_382]),
    (Throttled, &[90_055]),
    (Unavailable, &[90_033, 90_006, 50_033, 90_024, 90_012, 90_090, 90_091]),
];

/// The trouble that a code stands for, if it is one of these.
pub(super) fn trouble(code: u32) -> Option<Trouble> {
    CODES.iter().find(|(_, codes)| codes.contains(&code)).map(|(trouble, _)| *trouble)
}
