;; Opens 500 pollables that are ready at once, and polls all of them over and over.
(core module $libc
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 32768)))
(core module $main
  (import "libc" "memory" (memory 1))
  (import "host" "poll" (func $poll (param i32)))
  (func (export "run") (param i32 i32) (result i32)
    (call $poll (i32.const 500))
    (unreachable)))
