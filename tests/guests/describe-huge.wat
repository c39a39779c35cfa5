;; Describes a type whose name has nine mebibytes.
(core module $main
  (import "libc" "memory" (memory 1))
  (func (export "describe") (result i32)
    (drop (memory.grow (i32.const 160)))
    (memory.fill (i32.const 65536) (i32.const 0x78) (i32.const 9437184))
    (i32.store (i32.const 1024) (i32.const 1032))
    (i32.store (i32.const 1028) (i32.const 1))
    (i32.store (i32.const 1032) (i32.const 65536))
    (i32.store (i32.const 1036) (i32.const 9437184))
    (i32.const 1024))
  (func (export "run") (param i32 i32) (result i32) (unreachable)))
