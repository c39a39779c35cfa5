;; Asks for memory until it is refused, where it should describe itself; then gives up.
(core module $main
  (import "libc" "memory" (memory 1))
  (func (export "describe") (result i32)
    (loop $again
      (br_if $again (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))
    (unreachable))
  (func (export "run") (param i32 i32) (result i32) (unreachable)))
