;; Asks for too much memory, is refused, and goes on without.
(core module $main
  (import "libc" "memory" (memory 1))
  (import "libc" "complete" (func $complete (param i32 i32) (result i32)))
  (func (export "run") (param $input i32) (param $length i32) (result i32)
    (drop (memory.grow (i32.const 60000)))
    (call $complete (local.get $input) (local.get $length))))
