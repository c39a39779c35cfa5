;; Reports progress, so that a test knows that it has begun, and loops for ever in the handler.
(core module $main
  (import "host" "progress" (func $progress (param f32 i32 i32 i32)))
  (func $spin (loop $again (br $again)))
  (func (export "run") (param i32 i32) (result i32)
    (call $progress (f32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
    (call $spin)
    (unreachable)))
