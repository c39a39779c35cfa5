;; Logs bytes that are no UTF-8.
(core module $main
  (import "libc" "memory" (memory 1))
  (import "host" "log" (func $log (param i32 i32 i32 i32 i32)))
  (data (i32.const 512) "\ff\fe\fd")
  (func (export "run") (param i32 i32) (result i32)
    (call $log (i32.const 2) (i32.const 512) (i32.const 3) (i32.const 0) (i32.const 0))
    (unreachable)))
