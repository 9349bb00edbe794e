//! From a verdict to an exit code.

use cambist_key_age::Verdict;

use crate::cli::issuer::{ExitArgs, FailOn, Unknown};

/// 0 OK, 1 DUE, 2 OVERDUE or SUSPECT, 3 UNKNOWN, and what the flags make of it. `blind` says that no
/// key set could be had at all, which is never fine.
pub(crate) fn code(verdict: Verdict, blind: bool, args: &ExitArgs) -> u8 {
    let code = match verdict {
        Verdict::Overdue | Verdict::Suspect => 2,
        _ if blind => 3,
        Verdict::Ok => 0,
        Verdict::Due if args.fail_on == FailOn::Overdue => 0,
        Verdict::Due => 1,
        Verdict::Unknown if args.fail_on != FailOn::Unknown => 0,
        Verdict::Unknown => match args.unknown {
            Unknown::Ok => 0,
            Unknown::Warn => 1,
            Unknown::Fail => 3,
        },
    };
    match args.exit_code {
        Some(other) if code != 0 => other,
        _ => code,
    }
}

#[cfg(test)]
mod tests {
    use cambist_key_age::Severity;

    use super::*;

    const PLAIN: ExitArgs = ExitArgs {
        exit_code: None,
        severity: Severity::Info,
        unknown: Unknown::Fail,
        fail_on: FailOn::Unknown,
        fail_on_severity: None,
        _gate: None,
    };

    fn codes(args: &ExitArgs) -> [u8; 5] {
        [Verdict::Ok, Verdict::Due, Verdict::Overdue, Verdict::Suspect, Verdict::Unknown]
            .map(|verdict| code(verdict, false, args))
    }

    #[test]
    fn flags_change_what_codes_say() {
        assert_eq!(codes(&PLAIN), [0, 1, 2, 2, 3]);
        assert_eq!(codes(&ExitArgs { fail_on: FailOn::Overdue, ..PLAIN }), [0, 0, 2, 2, 0]);
        assert_eq!(codes(&ExitArgs { fail_on: FailOn::Due, ..PLAIN }), [0, 1, 2, 2, 0]);
        assert_eq!(codes(&ExitArgs { unknown: Unknown::Ok, ..PLAIN }), [0, 1, 2, 2, 0]);
        assert_eq!(codes(&ExitArgs { unknown: Unknown::Warn, ..PLAIN }), [0, 1, 2, 2, 1]);
        assert_eq!(codes(&ExitArgs { exit_code: Some(9), ..PLAIN }), [0, 9, 9, 9, 9]);
    }

    #[test]
    fn an_issuer_that_could_not_be_read_is_never_fine() {
        let lenient = ExitArgs { fail_on: FailOn::Overdue, ..PLAIN };
        for args in [ExitArgs { unknown: Unknown::Ok, ..PLAIN }, lenient] {
            assert_eq!(code(Verdict::Unknown, true, &args), 3);
            assert_eq!(code(Verdict::Overdue, true, &args), 2);
        }
    }
}
