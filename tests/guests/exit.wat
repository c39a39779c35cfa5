;; A handler that calls `exit(ok)` instead of returning an outcome.
(core module $main
  (import "host" "exit" (func $exit (param i32)))
  (func (export "run") (param i32 i32) (result i32)
    (call $exit (i32.const 0))
    (unreachable)))
