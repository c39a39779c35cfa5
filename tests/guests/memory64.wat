;; Wants a memory with 64-bit addresses.
(core module $main
  (memory i64 1)
  (func (export "run") (param i32 i32) (result i32) (unreachable)))
