;; A WASI preview 1 command that also wants a function of some other host.
(module
  (import "wasi_snapshot_preview1" "proc_exit" (func (param i32)))
  (import "env" "launch" (func))
  (memory (export "memory") 1)
  (func (export "_start")))
