;; Logs at a level that there is not.
(core module $main
  (import "host" "log" (func $log (param i32 i32 i32 i32 i32)))
  (func (export "run") (param i32 i32) (result i32)
    (call $log (i32.const 99) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
    (unreachable)))
