;; Sleeps for an hour where it should describe itself.
(core module $main
  (import "host" "sleep" (func $sleep (param i64)))
  (func (export "describe") (result i32) (call $sleep (i64.const 3600000000000)) (unreachable))
  (func (export "run") (param i32 i32) (result i32) (unreachable)))
