//! Compiles a component when a sandbox asks it to, and does nothing else.

fn main() -> std::process::ExitCode {
    hardstop_sandbox::compile_if_asked().unwrap_or_else(|| {
        eprintln!("error: this program is started by a sandbox, to compile a component");
        std::process::ExitCode::from(2)
    })
}
