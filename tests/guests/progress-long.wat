;; Reports progress with a message of a megabyte, over and over.
(core module $main
  (import "libc" "memory" (memory 1))
  (import "host" "progress" (func $progress (param f32 i32 i32 i32)))
  (func (export "run") (param i32 i32) (result i32)
    (drop (memory.grow (i32.const 32)))
    (loop $again
      (call $progress (f32.const 0.5) (i32.const 1) (i32.const 4096) (i32.const 1000000))
      (br $again))
    (unreachable)))
