;; A WASI preview 1 command: writes a kilobyte at a time to the stream that its input names, `1` or `2`, without end.
(module
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    (local $stream i32)
    (i32.store (i32.const 0) (i32.const 1024))
    (i32.store (i32.const 4) (i32.const 1))
    (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
    (local.set $stream (i32.sub (i32.load8_u (i32.const 1024)) (i32.const 48)))
    (memory.fill (i32.const 1024) (i32.const 120) (i32.const 1024))
    (i32.store (i32.const 4) (i32.const 1024))
    (loop $more
      (drop (call $write (local.get $stream) (i32.const 0) (i32.const 1) (i32.const 8)))
      (br $more))))
