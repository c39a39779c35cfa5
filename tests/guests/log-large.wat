;; Logs one message of 3,000,000 bytes.
(core module $main
  (import "libc" "memory" (memory 1))
  (import "libc" "complete" (func $complete (param i32 i32) (result i32)))
  (import "host" "log" (func $log (param i32 i32 i32 i32 i32)))
  (func (export "run") (param $input i32) (param $length i32) (result i32)
    (drop (memory.grow (i32.const 64)))
    (call $log (i32.const 2) (i32.const 4096) (i32.const 3000000) (i32.const 0) (i32.const 0))
    (call $complete (local.get $input) (local.get $length))))
