;; Logs one message of 48 MiB: more than the host takes in at a call.
(core module $main
  (import "libc" "memory" (memory 1))
  (import "host" "log" (func $log (param i32 i32 i32 i32 i32)))
  (func (export "run") (param i32 i32) (result i32)
    (drop (memory.grow (i32.const 768)))
    (call $log (i32.const 2) (i32.const 4096) (i32.const 50331648) (i32.const 0) (i32.const 0))
    (unreachable)))
