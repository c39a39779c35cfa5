;; Traps in the start function, before there is anything to call.
(core module $main
  (func $start (unreachable))
  (start $start)
  (func (export "run") (param i32 i32) (result i32) (unreachable)))
