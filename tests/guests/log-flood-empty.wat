;; Logs for ever, nothing at a time: entries that cost the guest nothing.
(core module $main
  (import "host" "log" (func $log (param i32 i32 i32 i32 i32)))
  (func (export "run") (param i32 i32) (result i32)
    (loop $again
      (call $log (i32.const 2) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
      (br $again))
    (unreachable)))
