;; Two memories beside its libc's, each below a limit that they pass together.
(core module $main
  (import "libc" "complete" (func $complete (param i32 i32) (result i32)))
  (memory 20)
  (memory 20)
  (func (export "run") (param $input i32) (param $length i32) (result i32)
    (call $complete (local.get $input) (local.get $length))))
