//! The `cambist` program.
#![forbid(unsafe_code)]
fn main() {
    cambist_cli::main();
}
