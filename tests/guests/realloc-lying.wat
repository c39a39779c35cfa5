;; Hands the host an address outside its memory to write the arguments to.
(core module $libc
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0x7ffffff0)))
(core module $main
  (func (export "run") (param i32 i32) (result i32) (unreachable)))
