//! What a process' cgroup says, by either kind of cgroups.

use std::path::PathBuf;

use rustix::process::Pid;

/// The text of a file of the cgroup of this controller, by its name in version 1 and in version 2.
pub(super) fn read(process: Pid, controller: &str, [first, second]: [&str; 2]) -> String {
    let cgroups = std::fs::read_to_string(format!("/proc/{}/cgroup", process.as_raw_nonzero()));
    let cgroups = cgroups.expect("it runs");
    // NUMBER:CONTROLLERS:PATH, and in version 2 no controllers.
    let file = cgroups.lines().find_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        let (root, path) = (PathBuf::from("/sys/fs/cgroup"), path.trim_start_matches('/'));
        let of_it = controllers.split(',').any(|it| it == controller);
        let file = match controllers {
            "" => root.join(path).join(second),
            _ if of_it => root.join(controller).join(path).join(first),
            _ => return None,
        };
        file.exists().then_some(file)
    });
    let file = file.unwrap_or_else(|| panic!("no cgroup with {first} or {second}: {cgroups}"));
    let text = std::fs::read_to_string(&file);
    text.unwrap_or_else(|error| panic!("{file:?}: {error}")).trim().to_owned()
}
