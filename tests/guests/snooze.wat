;; Asks to run again in five seconds.
(core module $main
  (import "libc" "memory" (memory 1))
  (func (export "run") (param i32 i32) (result i32)
    (i32.store8 (i32.const 1032) (i32.const 2))
    (i64.store (i32.const 1040) (i64.const 5000))
    (i32.const 1024)))
