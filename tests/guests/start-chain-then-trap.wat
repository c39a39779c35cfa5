;; Starts a chain and then traps: the chain must not come to be.
(core module $main
  (import "libc" "memory" (memory 1))
  (import "host" "start" (func $start (param i32 i32 i32 i32 i32 i64 i32 i32 i32)))
  (data (i32.const 512) "child")
  (func (export "run") (param $input i32) (param $length i32) (result i32)
    (call $start (i32.const 512) (i32.const 5) (local.get $input) (local.get $length)
      (i32.const 0) (i64.const 0) (i32.const 0) (i32.const 0) (i32.const 1024))
    (unreachable)))
