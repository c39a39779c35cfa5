//! The `hardstop` command: parse, run, exit code.

fn main() -> std::process::ExitCode {
    hardstop::cli::main()
}
