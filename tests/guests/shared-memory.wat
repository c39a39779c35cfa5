;; Wants a memory that threads share.
(core module $main
  (memory 1 2 shared)
  (func (export "run") (param i32 i32) (result i32) (unreachable)))
