;; A WASI preview 1 command: its input is a JSON string, the path of a file from the root, whose bytes it writes to standard output.
;; Exits with 1 where it cannot be opened.
(module
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open"
    (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    (i32.store (i32.const 0) (i32.const 4096))
    (i32.store (i32.const 4) (i32.const 4096))
    (if (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)) (then (unreachable)))
    ;; Without the quotes. 2 is `fd_read`.
    (if (call $open (i32.const 3) (i32.const 0) (i32.const 4097) (i32.sub (i32.load (i32.const 8)) (i32.const 2))
        (i32.const 0) (i64.const 2) (i64.const 2) (i32.const 0) (i32.const 16))
      (then (call $exit (i32.const 1))))
    (loop $more
      (i32.store (i32.const 4) (i32.const 4096))
      (if (call $read (i32.load (i32.const 16)) (i32.const 0) (i32.const 1) (i32.const 8)) (then (unreachable)))
      (if (i32.load (i32.const 8))
        (then
          (i32.store (i32.const 4) (i32.load (i32.const 8)))
          (if (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 12)) (then (unreachable)))
          (br $more))))))
