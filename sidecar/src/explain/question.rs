//! What is asked to be explained.

use std::collections::BTreeMap;

use cambist::identities::{Caller, Policy};
use cambist_core::foreign::{Foreign, ForeignList};
use cambist_core::scope::Resource;

/// What is asked to be explained.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Question {
    pub(crate) resource: Resource<'static>,
    /// Of this caller alone.
    pub(crate) caller: Option<String>,
    /// Of this identity alone, by its name.
    pub(crate) identity: Option<String>,
}

impl Question {
    /// By a request's query.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(crate) fn parse(query: Option<&str>) -> Result<Self, String> {
        let mut given = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            if !matches!(&*name, "resource" | "caller" | "identity") {
                return Err(format!(
                    "{} is not asked by; resource, caller and identity are",
                    Foreign::new(&*name)
                ));
            }
            if given.insert(name.clone(), value.into_owned()).is_some() {
                return Err(format!("{name} is there more than once"));
            }
        }
        let resource = given
            .remove("resource")
            .ok_or("say of which resource: /explain?resource=https://vault.azure.net")?;
        let resource = Resource::parse(resource).map_err(|error| error.to_string())?;
        Ok(Self { resource, caller: given.remove("caller"), identity: given.remove("identity") })
    }

    /// Whether the policy knows whom it names.
    ///
    /// # Errors
    /// Which name it does not know, and those that it does.
    pub(super) fn names_somebody(&self, policy: &Policy) -> Result<(), String> {
        let callers: Vec<_> = policy.callers().iter().map(Caller::name).collect();
        let identities: Vec<_> = policy.identities().iter().map(|it| &*it.name).collect();
        for (kind, asked, known) in
            [("caller", &self.caller, callers), ("identity", &self.identity, identities)]
        {
            if let Some(asked) = asked.as_deref().filter(|asked| !known.contains(asked)) {
                let known = ForeignList::of(known);
                return Err(format!(
                    "the policy knows no {kind} {}; it knows {known}",
                    Foreign::new(asked)
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_of_a_resource_and_of_nothing_that_is_not_known() {
        let parsed =
            Question::parse(Some("resource=https%3A%2F%2Fvault.azure.net%2F&caller=app")).unwrap();
        assert_eq!(parsed.resource.key(), "https://vault.azure.net/");
        assert_eq!((parsed.caller.as_deref(), parsed.identity), (Some("app"), None));
        for (query, says) in [
            (None, "say of which resource"),
            (Some(""), "say of which resource"),
            (Some("resource=a&resource=b"), "more than once"),
            (Some("resource=api://a&tenant=x"), "\"tenant\" is not asked by"),
            (Some("resource="), "resource"),
        ] {
            let error = Question::parse(query).unwrap_err();
            assert!(error.contains(says), "{query:?}: {error}");
        }
    }
}
