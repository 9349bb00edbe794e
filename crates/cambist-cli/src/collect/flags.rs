//! kube-apiserver's flags that say how keys are used, never how old one is.

use super::look::FlagsSeen;

/// What an API server and its controller manager are run with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Arguments {
    pub(super) api: Vec<String>,
    pub(super) controller: Vec<String>,
}

/// Every value of a flag.
pub(super) fn values(arguments: &[String], flag: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        // Go's flags have one dash or two, and their value after `=` or as the next argument.
        let Some(rest) = argument.strip_prefix("--").or_else(|| argument.strip_prefix('-')) else {
            continue;
        };
        match rest.split_once('=') {
            Some((name, value)) if name == flag => out.push(value.to_owned()),
            None if rest == flag => out.extend(arguments.next().cloned()),
            _ => {}
        }
    }
    out
}

/// The last one counts.
pub(super) fn value(arguments: &[String], flag: &str) -> Option<String> {
    values(arguments, flag).pop()
}

/// The flags among these arguments, as read from `path`.
pub(super) fn flags(path: String, arguments: &Arguments) -> FlagsSeen {
    let Arguments { api: arguments, controller } = arguments;
    let one = |flag| value(arguments, flag);
    let boolean = |flag| {
        let bare = arguments.iter().any(|arg| arg.trim_start_matches('-') == flag);
        if bare { Some(true) } else { one(flag).and_then(|text| text.parse().ok()) }
    };
    let listed = |flag| {
        let all = values(arguments, flag);
        all.iter().flat_map(|v| v.split(',')).map(str::to_owned).collect::<Vec<_>>()
    };
    FlagsSeen {
        path,
        issuers: values(arguments, "service-account-issuer"),
        jwks_uri: one("service-account-jwks-uri"),
        key_files: listed("service-account-key-file"),
        signing_key_file: one("service-account-signing-key-file"),
        signing_endpoint: one("service-account-signing-endpoint"),
        tls_private_key_file: one("tls-private-key-file"),
        extend_token_expiration: boolean("service-account-extend-token-expiration"),
        max_token_expiration_seconds: one("service-account-max-token-expiration")
            .and_then(|text| go_duration(&text)),
        anonymous_auth: boolean("anonymous-auth"),
        controller_manager_key_file: value(controller, "service-account-private-key-file"),
    }
}

/// A duration as Go writes it, in whole seconds: `24h0m0s`, `86400s`, `1.5h`.
fn go_duration(text: &str) -> Option<u64> {
    let mut seconds = 0.0;
    let mut number = String::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter.is_ascii_digit() || letter == '.' {
            number.push(letter);
            continue;
        }
        let unit = match letter {
            'h' => 3600.0,
            'm' if letters.next_if_eq(&'s').is_some() => 0.001,
            'm' => 60.0,
            's' => 1.0,
            _ => return None,
        };
        seconds += std::mem::take(&mut number).parse::<f64>().ok()? * unit;
    }
    let whole = number.is_empty() || number == "0";
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
    let seconds = seconds as u64;
    whole.then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_of_go() {
        for (text, seconds) in
            [("24h0m0s", 86_400), ("1.5h", 5400), ("90s", 90), ("1500ms", 1), ("0", 0)]
        {
            assert_eq!(go_duration(text), Some(seconds), "{text}");
        }
        for bad in ["5", "h", "1d", "-1h"] {
            assert_eq!(go_duration(bad), None, "{bad}");
        }
    }
}
