;; Grows by a page and writes to it, over and over, and computes for ever once it is refused.
(core module $main
  (import "libc" "memory" (memory 1))
  (func (export "run") (param i32 i32) (result i32)
    (local $page i32)
    (loop $again
      (local.set $page (memory.grow (i32.const 1)))
      (if (i32.ne (local.get $page) (i32.const -1))
        (then (i32.store (i32.shl (local.get $page) (i32.const 16)) (i32.const 7))))
      (br $again))
    (unreachable)))
