//! The tables of `docs/configuration.md`, made of the settings and held equal to them.

use cambist::config::RENAMED;
use cambist::config::Variable;
use cambist::exchange::Cloud;

use super::{flag, variables};
use crate::testing::held;

/// The table of these variables.
fn table(names: &[&str]) -> String {
    let mut table = "| variable | flag | default | meaning |\n|---|---|---|---|\n".to_owned();
    for name in names {
        let variable = variables().find(|variable| variable.name == *name);
        let Variable { default, help, .. } = variable
            .unwrap_or_else(|| panic!("the page has a table with {name}, which is not read"));
        let flag = flag(name).map_or_else(|| "none".to_owned(), |flag| format!("`--{flag}`"));
        table += &format!("| `{name}` | {flag} | {default} | {help} |\n");
    }
    table
}

fn clouds() -> String {
    let mut table = "| cloud | authority | audience |\n|---|---|---|\n".to_owned();
    for cloud in Cloud::all() {
        let hosts = cloud.hosts().iter().map(|host| format!("`https://{host}/`"));
        let hosts = hosts.collect::<Vec<_>>().join(", ");
        table += &format!("| {cloud} | {hosts} | `{}` |\n", cloud.audience().as_str());
    }
    table
}

fn renamed() -> String {
    let mut table = "| was | is |\n|---|---|\n".to_owned();
    for (old, new) in RENAMED {
        table += &format!("| `{old}` | `{new}` |\n");
    }
    table
}

/// The page with its tables made anew, and the variables that they have.
fn made(page: &str) -> (String, Vec<&str>) {
    let (mut made, mut told) = (String::new(), Vec::new());
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        made += &format!("{line}\n");
        let mark = line.strip_prefix("<!-- ").and_then(|it| it.strip_suffix(" -->"));
        let Some((what, names)) = mark.map(|it| it.split_once(": ").unwrap_or((it, ""))) else {
            continue;
        };
        let table = match what {
            "variables" => {
                let names: Vec<_> = names.split(' ').collect();
                told.extend(&names);
                table(&names)
            }
            "clouds" => clouds(),
            "renamed" => renamed(),
            _ => panic!("no table is called {what}"),
        };
        let end = format!("<!-- end of {what} -->");
        lines.find(|line| *line == end).unwrap_or_else(|| panic!("there is no {end}"));
        made += &format!("\n{table}\n{end}\n");
    }
    (made, told)
}

#[test]
fn the_page_has_every_setting_once_as_the_program_has_it() {
    held("../docs/configuration.md", |page| {
        let (made, mut told) = made(page);
        let mut read: Vec<_> = variables().map(|variable| variable.name).collect();
        told.sort_unstable();
        read.sort_unstable();
        assert_eq!(told, read, "each is to be in one of the page's tables, which says which");
        made
    });
}
