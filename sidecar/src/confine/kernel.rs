//! What Linux takes: `no_new_privs`, and landlock's rules.

use std::path::Path;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, LandlockStatus, NetPort, PathBeneath, PathFd,
    Ruleset, RulesetAttr as _, RulesetCreated, RulesetCreatedAttr as _, RulesetError, Scope,
};
use rustix::thread::set_no_new_privs;

use super::{Granted, NEWEST, Needs, Part, Ports};

/// Gives up, from this thread on, all but what is needed, with no more of landlock than this version of it has. What
/// could not be given up, and why.
pub(super) fn give_up(abi: i32, needs: &Needs, granted: &Granted) -> Vec<(Part, String)> {
    let mut lacks = Vec::new();
    // Landlock asks for it, but a kernel without landlock has it, too.
    if let Err(error) = set_no_new_privs(true) {
        lacks.push((Part::Privileges, format!("the kernel refuses: {error}")));
    }
    let wanted = abi.min(NEWEST);
    let has = match restrict(ABI::from(wanted), needs, granted) {
        Ok(LandlockStatus::Available { effective_abi, .. }) => wanted.min(effective_abi as i32),
        Ok(_) => 0,
        Err(error) => {
            let why = format!("landlock refuses: {error}");
            let landlocks = Part::ALL.into_iter().filter(|part| part.since().is_some());
            lacks.extend(landlocks.map(|part| (part, why.clone())));
            return lacks;
        }
    };
    lacks.extend(Part::ALL.into_iter().filter_map(|part| Some((part, part.lacking(has)?))));
    if let Ports::Any(why) = needs.listens
        && Part::Listen.lacking(has).is_none()
    {
        lacks.push((Part::Listen, why.to_owned()));
    }
    lacks
}

fn restrict(abi: ABI, needs: &Needs, granted: &Granted) -> Result<LandlockStatus, RulesetError> {
    let mut net = AccessNet::from_all(abi);
    if matches!(needs.listens, Ports::Any(_)) {
        net.remove(AccessNet::BindTcp);
    }
    let mut ruleset = Ruleset::default().handle_access(match abi {
        // Something must be asked for to learn that there is nothing.
        ABI::Unsupported => return Ok(LandlockStatus::NotEnabled),
        abi => AccessFs::from_all(abi),
    })?;
    if !net.is_empty() {
        ruleset = ruleset.handle_access(net)?;
    }
    let scopes = Scope::from_all(abi);
    if !scopes.is_empty() {
        ruleset = ruleset.scope(scopes)?;
    }
    let file = BitFlags::from(AccessFs::ReadFile);
    let mut ruleset = ruleset.create()?;
    ruleset = readable(ruleset, granted.files(), file)?;
    // Opening a directory tells somebody who has named one instead of a file.
    ruleset = readable(ruleset, granted.dirs(), file | AccessFs::ReadDir)?;
    for (ports, access) in
        [(&needs.listens, AccessNet::BindTcp), (&needs.connects, AccessNet::ConnectTcp)]
    {
        if let (Ports::These(ports), true) = (ports, net.contains(access)) {
            for port in ports.keys() {
                ruleset = ruleset.add_rule(NetPort::new(*port, access))?;
            }
        }
    }
    Ok(ruleset.restrict_self()?.landlock)
}

fn readable<'a>(
    mut ruleset: RulesetCreated,
    places: impl Iterator<Item = &'a Path>,
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, RulesetError> {
    // What has gone since it was looked for is not read either.
    for there in places.filter_map(|place| PathFd::new(place).ok()) {
        ruleset = ruleset.add_rule(PathBeneath::new(there, access))?;
    }
    Ok(ruleset)
}
