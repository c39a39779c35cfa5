;; Logs for ever, a kilobyte at a time.
(core module $main
  (import "libc" "memory" (memory 1))
  (import "host" "log" (func $log (param i32 i32 i32 i32 i32)))
  (func (export "run") (param i32 i32) (result i32)
    (memory.fill (i32.const 4096) (i32.const 0x78) (i32.const 1024))
    (loop $again
      (call $log (i32.const 2) (i32.const 4096) (i32.const 1024) (i32.const 0) (i32.const 0))
      (br $again))
    (unreachable)))
