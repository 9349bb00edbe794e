//! `cambist_cli::main`, for the tests to start.
fn main() -> impl std::process::Termination {
    cambist_cli::main()
}
