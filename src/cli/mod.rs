//! The command line: one file per command, all wiring, errors to exit codes and hints. I/O.

pub mod project;

/// Runs the program with the process's own arguments.
pub fn main() -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
