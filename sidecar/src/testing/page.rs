//! Pages of `docs/` that are made of the code in part.

use std::path::Path;

/// Holds a page, `path` from this crate's root, against what is made of it. With `CAMBIST_WRITE` set it is written
/// instead.
#[expect(clippy::disallowed_methods, reason = "whoever runs the test says whether it writes")]
pub(crate) fn held(path: &str, made: impl FnOnce(&str) -> String) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let page = std::fs::read_to_string(&file).expect("the page is there");
    let made = made(&page);
    if std::env::var_os("CAMBIST_WRITE").is_some() {
        return std::fs::write(file, made).expect("the page can be written");
    }
    assert!(
        page == made,
        "{path} is out of date: this test writes what is made in it anew with CAMBIST_WRITE=1; it would be\n{made}"
    );
}

/// The page with something else between the marks of this name.
pub(crate) fn region(page: &str, name: &str, content: &str) -> String {
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->\n"));
    let (before, rest) = page.split_once(&begin).expect("its begin is marked");
    let (_, after) = rest.split_once(&end).expect("its end is marked");
    format!("{before}{begin}\n{content}\n{end}{after}")
}
