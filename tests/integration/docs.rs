//! README.md and docs/: in the line above each block of a page stands what holds it.
//!
//! - `<!-- tried: WHAT, ... -->`: the tests that run it, or hold it against what runs. WHAT is a path, or one of [`PLACES`]; it
//!   names the page, and not in a comment, or has each command of the block as a line of its own.
//! - `<!-- file: PATH -->`: it is that file, whole.
//! - `<!-- illustration: WHY -->`: nothing runs it.
//!
//! Blocks that name this file are run by [`reader`], as somebody does who types them.

mod by_hand;
mod manifest;
mod reader;

use std::fmt;
use std::path::{Path, PathBuf};

/// This file, as pages name it.
const HERE: &str = "tests/integration/docs.rs";
/// What compiles the pages' Rust.
const DOCTESTS: &str = "tests/kit/lib.rs";

/// What has docs/install.md tried where, by the names that the page has for the places.
const PLACES: [(&str, &str); 2] =
    [("API server", "tests/live/driver/install.rs"), ("node", "tests/live/driver/install.rs")];

/// How one gets to where the other commands are typed.
const CLONE: &str = concat!("git clone ", env!("CARGO_PKG_REPOSITORY"), " && cd cambist");

/// A page, by its path from the root.
struct Page {
    path: String,
    lines: Vec<String>,
}

/// A block between two fences.
#[derive(Clone, Debug)]
struct Block {
    /// The line of the first fence, from 0.
    at: usize,
    /// The line of the last one.
    end: usize,
    language: String,
    mark: Option<Mark>,
}

/// What a page says of a block.
#[derive(Clone, Debug, PartialEq)]
enum Mark {
    Tried(Vec<String>),
    File(String),
    Illustration,
}

impl Mark {
    fn of(line: &str) -> Option<Self> {
        let said = line.trim().strip_prefix("<!-- ")?.strip_suffix(" -->")?;
        let (kind, rest) = said.split_once(": ").filter(|(_, rest)| !rest.trim().is_empty())?;
        match kind {
            "tried" => Some(Self::Tried(rest.split(',').map(|it| it.trim().to_owned()).collect())),
            "file" => Some(Self::File(rest.to_owned())),
            "illustration" => Some(Self::Illustration),
            _ => None,
        }
    }
}

impl Page {
    fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), lines: text.lines().map(str::to_owned).collect() }
    }

    fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut open: Option<Block> = None;
        for (at, line) in self.lines.iter().enumerate() {
            let Some(language) = line.trim().strip_prefix("```") else { continue };
            match open.take() {
                Some(block) => blocks.push(Block { end: at, ..block }),
                None => {
                    let above = at.checked_sub(1).map(|above| &*self.lines[above]);
                    let (language, mark) = (language.to_owned(), above.and_then(Mark::of));
                    open = Some(Block { at, end: at, language, mark });
                }
            }
        }
        assert!(open.is_none(), "{}: the last block has no end", self.path);
        blocks
    }

    fn text(&self, block: &Block) -> String {
        self.lines[block.at + 1..block.end].iter().map(|line| format!("{line}\n")).collect()
    }

    /// Whether a test's text takes this page, or has the block's commands by themselves.
    fn is_named(&self, block: &Block, text: &str) -> bool {
        let code = |line: &&str| !["# ", "//"].iter().any(|it| line.trim_start().starts_with(it));
        let commands = self.text(block);
        let mut commands = (commands.lines().filter(|line| *line != CLONE))
            .map(|line| line.split(" #").next().unwrap_or_default().trim())
            .peekable();
        let has = |command: &str| text.lines().any(|line| line.trim() == command);
        text.lines().filter(code).any(|line| line.contains(&self.path))
            || (block.language == "sh" && commands.peek().is_some() && commands.all(has))
    }

    /// What is wrong with a block's mark, by files as `read` finds them.
    fn fault(&self, block: &Block, read: &dyn Fn(&str) -> Option<String>) -> Option<String> {
        let missing = |path: &str| Some(format!("{path:?} is not there"));
        match block.mark.as_ref() {
            None => {
                Some("the line above does not say what runs it, or that nothing does".to_owned())
            }
            Some(Mark::Illustration) => (block.language.starts_with("rust"))
                .then(|| format!("Rust is to be compiled: <!-- tried: {DOCTESTS} -->")),
            Some(Mark::File(path)) => match read(path) {
                None => missing(path),
                Some(text) if text == self.text(block) => None,
                Some(_) => Some(format!("it is not {path}; CAMBIST_WRITE=1 writes it anew")),
            },
            Some(Mark::Tried(by)) => by.iter().find_map(|name| {
                let place = PLACES.iter().find(|(place, _)| place == name);
                let path = place.map_or(&**name, |(_, path)| path);
                let Some(text) = read(path) else { return missing(path) };
                // This one takes all pages; every other names those that it runs.
                if path != HERE && !self.is_named(block, &text) {
                    let commands = "nor has its commands";
                    return Some(format!("{path} does not name {}, {commands}", self.path));
                }
                let rust = block.language.starts_with("rust");
                if rust != (path == DOCTESTS) {
                    return Some(format!("{DOCTESTS} compiles Rust, and nothing else"));
                }
                let skipped = ["ignore", "text"].iter().any(|it| block.language.contains(it));
                (rust && skipped).then(|| "rustdoc leaves it out".to_owned())
            }),
        }
    }
}

impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(root().join(path)).ok()
}

/// README.md and all of docs/, by their paths.
fn pages() -> Vec<Page> {
    let mut paths = vec!["README.md".to_owned()];
    for entry in std::fs::read_dir(root().join("docs")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".md") {
            paths.push(format!("docs/{name}"));
        }
    }
    paths.sort_unstable();
    paths.iter().map(|path| Page::new(path, &read(path).unwrap())).collect()
}

/// Whether pages are to be written anew.
#[expect(
    clippy::disallowed_methods,
    reason = "whoever changes what is printed has the pages written"
)]
fn written() -> bool {
    std::env::var_os("CAMBIST_WRITE").is_some()
}

fn write(page: &Page) {
    std::fs::write(root().join(&page.path), page.to_string()).unwrap();
}

#[test]
fn every_block_says_what_runs_it() {
    let mut faults = Vec::new();
    for mut page in pages() {
        let mut changed = false;
        // From the end, so that lines before keep their numbers.
        for block in page.blocks().into_iter().rev() {
            if let (Some(Mark::File(path)), true) = (&block.mark, written()) {
                let file = read(path).unwrap();
                page.lines.splice(block.at + 1..block.end, file.lines().map(str::to_owned));
                changed = true;
            } else if let Some(fault) = page.fault(&block, &read) {
                faults.push(format!("{}:{}: {fault}", page.path, block.at + 1));
            }
        }
        if changed {
            write(&page);
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// The check itself can fail.
#[test]
fn a_block_that_nothing_holds_is_found() {
    let read = |path: &str| match path {
        "tests/run" => Some("runs docs/a.md".to_owned()),
        "tests/steps" => Some("step() {\n    cargo test\n    cargo run\n}\n".to_owned()),
        "tests/words" => Some("# of docs/a.md\n  // docs/a.md\na: 10".to_owned()),
        "a.yaml" => Some("a: 1\n".to_owned()),
        _ => None,
    };
    let fault_of = |mark: &str, language: &str, text: &str| {
        let page = Page::new("docs/a.md", &format!("{mark}\n```{language}\n{text}\n```\n"));
        let blocks = page.blocks();
        assert_eq!(blocks.len(), 1, "{mark}");
        page.fault(&blocks[0], &read).unwrap_or_default()
    };
    let fault = |mark: &str, language: &str| fault_of(mark, language, "a: 1");
    for good in
        ["<!-- tried: tests/run -->", "<!-- file: a.yaml -->", "<!-- illustration: it is -->"]
    {
        assert_eq!(fault(good, "yaml"), "", "{good}");
    }
    let steps = |text: &str| fault_of("<!-- tried: tests/steps -->", "sh", text);
    assert_eq!(steps(&format!("{CLONE}\ncargo test  # all\ncargo run")), "");
    for other in [CLONE, "cargo test --lib", "cargo test\ncargo", "git clone elsewhere\ncargo run"]
    {
        assert!(steps(other).contains("nor has its commands"), "{other}");
    }
    for (mark, language, words) in [
        ("", "sh", "does not say what runs it"),
        ("Some text.", "", "does not say what runs it"),
        ("<!-- illustration: -->", "sh", "does not say what runs it"),
        ("<!-- needs: Azure -->", "sh", "does not say what runs it"),
        ("<!-- tried: tests/gone -->", "sh", "\"tests/gone\" is not there"),
        ("<!-- tried: tests/run, node -->", "sh", "is not there"),
        ("<!-- tried: a.yaml -->", "yaml", "a.yaml does not name docs/a.md"),
        ("<!-- tried: tests/words -->", "sh", "tests/words does not name docs/a.md"),
        ("<!-- file: b.yaml -->", "yaml", "\"b.yaml\" is not there"),
        ("<!-- tried: tests/run -->", "rust", "compiles Rust, and nothing else"),
        ("<!-- illustration: it is -->", "rust,no_run", "is to be compiled"),
    ] {
        let found = fault(mark, language);
        assert!(found.contains(words), "{mark} {language}: {found}");
    }
    let changed = Page::new("docs/a.md", "<!-- file: a.yaml -->\n```yaml\na: 2\n```\n");
    let found = changed.fault(&changed.blocks()[0], &read).unwrap();
    assert!(found.contains("it is not a.yaml"), "{found}");
}

/// GitHub shows the one or the other; they tell the same.
#[test]
fn both_pictures_are_one() {
    let drawn = |scheme: &str| {
        let text = read(&format!("docs/picture-{scheme}.svg")).unwrap();
        let (before, style) = text.split_once("<style>").unwrap();
        let (style, after) = style.split_once("</style>").unwrap();
        let colours = style.split('#').count() - 1;
        assert!(colours >= 10, "{colours} colours");
        for foreign in ["<script", "href=", "url(http", "@import", "<image", "<foreignObject"] {
            assert!(!text.contains(foreign), "{scheme}: {foreign}");
        }
        let shapes: String = style
            .split('#')
            .map(|it| it.trim_start_matches(|c: char| c.is_ascii_hexdigit()))
            .collect();
        format!("{before}{shapes}{after}")
    };
    assert_eq!(drawn("light"), drawn("dark"));
}
