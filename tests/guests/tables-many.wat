;; Three tables of ten elements.
(core module $main
  (import "libc" "complete" (func $complete (param i32 i32) (result i32)))
  (table 10 funcref)
  (table 10 funcref)
  (table 10 funcref)
  (func (export "run") (param $input i32) (param $length i32) (result i32)
    (call $complete (local.get $input) (local.get $length))))
