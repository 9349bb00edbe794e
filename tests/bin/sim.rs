//! `cambist_sim::main`, for the tests to start.
fn main() -> impl std::process::Termination {
    cambist_sim::main()
}
