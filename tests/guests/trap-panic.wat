;; Writes a panic's message to standard error and traps, as Rust does.
(core module $main
  (import "libc" "memory" (memory 1))
  (import "host" "stderr" (func $stderr (param i32 i32)))
  (data (i32.const 512) "\0athread 'main' (1) panicked at src/lib.rs:10:5:\0aindex out of bounds\0anote: run with `RUST_BACKTRACE=1`\0a")
  (func (export "run") (param i32 i32) (result i32)
    (call $stderr (i32.const 512) (i32.const 107))
    (unreachable)))
