;; Loops for ever in the handler.
(core module $main
  (func $spin (loop $again (br $again)))
  (func (export "run") (param i32 i32) (result i32) (call $spin) (unreachable)))
