;; Logs one entry with two million empty fields.
(core module $main
  (import "libc" "memory" (memory 1))
  (import "host" "log" (func $log (param i32 i32 i32 i32 i32)))
  (func (export "run") (param i32 i32) (result i32)
    (drop (memory.grow (i32.const 512)))
    (call $log (i32.const 2) (i32.const 0) (i32.const 0) (i32.const 65536) (i32.const 2000000))
    (unreachable)))
