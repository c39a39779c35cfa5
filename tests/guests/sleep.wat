;; Reports progress, so that a test knows that it has begun, and sleeps for an hour, in the host.
(core module $main
  (import "host" "sleep" (func $sleep (param i64)))
  (import "host" "progress" (func $progress (param f32 i32 i32 i32)))
  (func (export "run") (param i32 i32) (result i32)
    (call $progress (f32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
    (call $sleep (i64.const 3600000000000))
    (unreachable)))
