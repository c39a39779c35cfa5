;; Counts for ever.
(core module $main
  (func (export "run") (param i32 i32) (result i32)
    (local $count i64)
    (loop $again
      (local.set $count (i64.add (local.get $count) (i64.const 1)))
      (br $again))
    (unreachable)))
