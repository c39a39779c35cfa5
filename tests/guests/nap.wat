;; Behaves: reports progress, logs, sleeps for 20 ms, and returns its input.
(core module $main
  (import "libc" "memory" (memory 1))
  (import "libc" "complete" (func $complete (param i32 i32) (result i32)))
  (import "host" "sleep" (func $sleep (param i64)))
  (import "host" "log" (func $log (param i32 i32 i32 i32 i32)))
  (import "host" "progress" (func $progress (param f32 i32 i32 i32)))
  (data (i32.const 512) "napping")
  (func (export "run") (param $input i32) (param $length i32) (result i32)
    (call $progress (f32.const 0.5) (i32.const 1) (i32.const 512) (i32.const 7))
    (call $log (i32.const 3) (i32.const 512) (i32.const 7) (i32.const 0) (i32.const 0))
    (call $sleep (i64.const 20000000))
    (call $complete (local.get $input) (local.get $length))))
