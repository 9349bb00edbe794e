//! What pages have in somebody's Cargo.toml is what the crate in tests/packages/outside has, which is built and run; but for the
//! path to what is not published yet.

use super::{Page, read, root};

const PAGES: [&str; 3] = ["README.md", "docs/rust.md", "crates/cambist/README.md"];

/// The lines of a page's dependencies.
fn dependencies(page: &Page) -> Vec<String> {
    let blocks = page.blocks().into_iter().filter(|block| block.language == "toml");
    let text: String = blocks.map(|block| page.text(&block)).collect();
    let (before, lines) = text.split_once("[dependencies]\n").unwrap();
    assert_eq!(before, "", "{}", page.path);
    lines.lines().map(str::to_owned).collect()
}

/// Whether a line is one of these, or has a path into the repository where it was cloned beside one's own crate.
fn is_there(line: &str, outside: &str) -> bool {
    let path = line
        .strip_prefix("cambist = { path = \"../cambist/")
        .and_then(|it| it.strip_suffix("\" }"));
    match path {
        Some(path) => root().join(path).join("Cargo.toml").is_file(),
        None => outside.lines().any(|it| it == line),
    }
}

#[test]
fn it_is_what_an_outside_crate_has() {
    let outside = read("tests/packages/outside/Cargo.toml").unwrap();
    for path in PAGES {
        let page = Page::new(path, &read(path).unwrap());
        let lines = dependencies(&page);
        assert!(lines.len() >= 2, "{path}: {lines:?}");
        for line in lines {
            assert!(is_there(&line, &outside), "{path}: not in tests/packages/outside: {line}");
        }
    }
    for other in ["tokio = \"0.2\"", "cambist = { path = \"../cambist/crates\" }"] {
        assert!(!is_there(other, &outside), "{other}");
    }
}
