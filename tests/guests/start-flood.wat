;; Starts chains for ever, whether or not it is refused.
(core module $libc
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 32768)))
(core module $main
  (import "host" "start" (func $start (param i32 i32 i32 i32 i32 i64 i32 i32 i32)))
  (import "libc" "memory" (memory 1))
  (data (i32.const 512) "child1")
  (func (export "run") (param i32 i32) (result i32)
    (loop $again
      (call $start (i32.const 512) (i32.const 5) (i32.const 517) (i32.const 1)
        (i32.const 0) (i64.const 0) (i32.const 0) (i32.const 0) (i32.const 1024))
      (br $again))
    (unreachable)))
