;; Logs one entry whose list of fields reaches beyond its memory.
(core module $main
  (import "host" "log" (func $log (param i32 i32 i32 i32 i32)))
  (func (export "run") (param i32 i32) (result i32)
    (call $log (i32.const 2) (i32.const 0) (i32.const 0) (i32.const 65520) (i32.const 1000))
    (unreachable)))
