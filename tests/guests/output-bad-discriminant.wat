;; Returns a result that is neither an outcome nor a failure.
(core module $main
  (import "libc" "memory" (memory 1))
  (func (export "run") (param i32 i32) (result i32)
    (i32.store8 (i32.const 512) (i32.const 77))
    (i32.const 512)))
