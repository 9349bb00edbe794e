use super::*;

fn list(entries: &[&str]) -> Vec<Allowed> {
    entries.iter().map(|it| it.parse().unwrap()).collect()
}

fn client(value: &str) -> Option<Selector<'_>> {
    Some(Selector { kind: SelectorKind::Client, value })
}

/// One application in two tenants, and one that stands alone; `a` may have all of them, `b` one of the pair.
fn policy(mode: Mode) -> Policy {
    let twin = |name: &str, object: &str| Identity {
        object_id: Some(object.to_owned()),
        ..Identity::new(name, "App-1")
    };
    let limited =
        Identity { resources: Some(list(&["https://vault"])), ..Identity::new("alone", "app-2") };
    let callers = vec![
        Caller::new("a").may(2, list(&["*"])).may(0, list(&["*"])).may(1, list(&["*"])),
        Caller::new("b").may(1, list(&["https://vault"])),
        Caller::new("c"),
    ];
    Policy::new(mode, vec![twin("north", "o-north"), twin("south", "o-south"), limited], callers)
}

fn ask(
    policy: &Policy,
    caller: usize,
    selector: Option<Selector<'_>>,
    resource: &str,
) -> Result<(usize, bool), String> {
    let verdict = policy.judge(&policy.callers()[caller], selector, resource);
    verdict.map(|it| (it.identity, it.allowed)).map_err(|denied| denied.to_string())
}

#[test]
fn an_application_of_two_tenants_is_told_apart_by_who_asks_or_by_its_object() {
    let policy = policy(Mode::Enforce);
    let said = ask(&policy, 0, client("app-1"), "https://vault").unwrap_err();
    assert!(
        said.contains("is that of north, south, all of which a may have: name one by"),
        "{said}"
    );
    assert_eq!(ask(&policy, 1, client("APP-1"), "https://vault"), Ok((1, true)));
    let object = Some(Selector { kind: SelectorKind::Object, value: "O-SOUTH" });
    assert_eq!(ask(&policy, 0, object, "https://x"), Ok((1, true)));
    let with_default = policy.with_default(0);
    assert_eq!(ask(&with_default, 0, client("app-1"), "https://x"), Ok((0, true)));
    assert_eq!(ask(&with_default, 0, None, "https://x"), Ok((0, true)));
    // To whom the default is not given, it is none.
    assert_eq!(ask(&with_default, 1, None, "https://vault/"), Ok((1, true)));
}

#[test]
fn an_identitys_own_list_holds_for_everybody() {
    let policy = policy(Mode::Enforce);
    assert_eq!(ask(&policy, 0, client("app-2"), "https://vault/"), Ok((2, true)));
    let said = ask(&policy, 0, client("app-2"), "https://other").unwrap_err();
    assert_eq!(said, "the policy gives a no token of alone for \"https://other\"");
}

#[test]
fn who_only_looks_on_keeps_nobody_from_what_there_is() {
    let policy = policy(Mode::Audit);
    assert_eq!(ask(&policy, 1, client("app-2"), "https://vault"), Ok((2, false)));
    assert_eq!(ask(&policy, 1, None, "https://other"), Ok((1, false)));
    assert_eq!(ask(&policy, 2, client("app-2"), "https://vault"), Ok((2, false)));
    assert!(ask(&policy, 1, client("app-3"), "https://vault").is_err(), "there is none");
    assert!(ask(&policy, 2, client("app-1"), "https://vault").is_err(), "which of the two?");
    assert!(ask(&policy, 2, None, "https://vault").is_err(), "none is meant");
}

#[test]
fn who_is_known_by_nothing_has_its_own_alone_even_where_the_policy_looks_on() {
    let identities = vec![Identity::new("own", "c-1"), Identity::new("other", "c-2")];
    let anonymous = Caller::anonymous("anonymous").may(0, list(&["https://vault"]));
    let policy = Policy::new(Mode::Audit, identities, vec![anonymous]);
    assert_eq!(ask(&policy, 0, client("c-1"), "https://other"), Ok((0, false)));
    assert!(ask(&policy, 0, client("c-2"), "https://vault").is_err());
    let caller = &policy.callers()[0];
    assert!(policy.gives(caller, 0, "https://other") && !policy.gives(caller, 1, "https://vault"));
}

#[test]
fn what_is_not_ones_own_is_refused_in_the_words_of_what_is_not_there() {
    let policy = policy(Mode::Enforce);
    let theirs = ask(&policy, 1, client("app-2"), "https://vault").unwrap_err();
    let nobodys = ask(&policy, 1, client("app-9"), "https://vault").unwrap_err();
    assert_eq!(theirs.replace("app-2", ""), nobodys.replace("app-9", ""));
    assert!(theirs.contains("b may have south") && !theirs.contains("alone"), "{theirs}");
    assert_eq!(ask(&policy, 2, None, "x").unwrap_err(), "the policy gives c no identity");
}

#[test]
fn a_developer_is_whoever_is_selected_and_is_there_once() {
    let developer = Identity { anybody: true, ..Identity::new("developer", "developer") };
    let callers = vec![Caller::new("app").may(0, list(&["*"]))];
    let policy = Policy::new(Mode::Enforce, vec![developer], callers);
    for name in ["developer", "x"] {
        assert_eq!(ask(&policy, 0, client(name), "https://vault"), Ok((0, true)), "{name}");
    }
}

#[test]
fn a_refusal_lists_ten_at_most() {
    let identities = (0..1000).map(|n| Identity::new(format!("i{n}"), format!("c{n}"))).collect();
    let caller = (0..1000).fold(Caller::new("a"), |caller, n| caller.may(n, list(&["*"])));
    let policy = Policy::new(Mode::Enforce, identities, vec![caller]);
    let said = ask(&policy, 0, None, "x").unwrap_err();
    assert!(said.contains("i9 and 990 more") && said.len() < 300, "{said}");
    assert_eq!(ask(&policy, 0, client("c987"), "x"), Ok((987, true)));
}
