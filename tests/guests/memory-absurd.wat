;; Wants 4 GiB from the start: more than any slot of the pool holds.
(core module $libc
  (memory (export "memory") 65536)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024)))
(core module $main
  (func (export "run") (param i32 i32) (result i32) (unreachable)))
