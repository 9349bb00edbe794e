//! The sidecar program.
#![forbid(unsafe_code)]
fn main() {
    cambist_sidecar::main();
}
