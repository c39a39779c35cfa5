;; Sleeps for an hour, in the host.
(core module $main
  (import "host" "sleep" (func $sleep (param i64)))
  (func (export "run") (param i32 i32) (result i32)
    (call $sleep (i64.const 3600000000000))
    (unreachable)))
