;; Loops for ever where it should describe itself.
(core module $main
  (func $spin (loop $again (br $again)))
  (func (export "describe") (result i32) (call $spin) (unreachable))
  (func (export "run") (param i32 i32) (result i32) (unreachable)))
