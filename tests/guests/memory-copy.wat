;; Copies all its memory over itself, a byte further, over and over.
(core module $libc
  (memory (export "memory") 1000)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024)))
(core module $main
  (import "libc" "memory" (memory 1000))
  (func (export "run") (param i32 i32) (result i32)
    (loop $again
      (memory.copy (i32.const 1) (i32.const 0) (i32.const 65535999))
      (br $again))
    (unreachable)))
