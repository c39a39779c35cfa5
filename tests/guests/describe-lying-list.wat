;; Describes a hundred million types.
(core module $main
  (import "libc" "memory" (memory 1))
  (func (export "describe") (result i32)
    (i32.store (i32.const 1024) (i32.const 1032))
    (i32.store (i32.const 1028) (i32.const 100000000))
    (i32.const 1024))
  (func (export "run") (param i32 i32) (result i32) (unreachable)))
