;; A WASI preview 1 command that calls itself without end.
(module
  (import "wasi_snapshot_preview1" "proc_exit" (func (param i32)))
  (memory (export "memory") 1)
  (func $down (export "_start") (call $down) (call $down)))
