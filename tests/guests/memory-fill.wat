;; Fills all its memory over and over: each instruction is one call that cannot be interrupted.
(core module $libc
  (memory (export "memory") 1000)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024)))
(core module $main
  (import "libc" "memory" (memory 1000))
  (func (export "run") (param i32 i32) (result i32)
    (loop $again
      (memory.fill (i32.const 0) (i32.const 7) (i32.const 65536000))
      (br $again))
    (unreachable)))
