;; Loops for ever before there is an instance to call.
(core module $main
  (func $spin (loop $again (br $again)))
  (start $spin)
  (func (export "run") (param i32 i32) (result i32) (unreachable)))
