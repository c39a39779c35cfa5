;; Wants 32 MiB from the start.
(core module $libc
  (memory (export "memory") 512)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024)))
(core module $main
  (func (export "run") (param i32 i32) (result i32) (unreachable)))
