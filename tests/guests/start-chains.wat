;; Starts a chain of type `child` with its own input, again and again until it is refused: it then
;; fails where it was refused at the first, and completes where it was not.
(core module $main
  (import "libc" "memory" (memory 1))
  (import "libc" "complete" (func $complete (param i32 i32) (result i32)))
  (import "libc" "fail" (func $fail (param i32 i32) (result i32)))
  (import "host" "start" (func $start (param i32 i32 i32 i32 i32 i64 i32 i32 i32)))
  (data (i32.const 512) "child")
  (func (export "run") (param $input i32) (param $length i32) (result i32)
    (local $count i32)
    (loop $again
      (call $start (i32.const 512) (i32.const 5) (local.get $input) (local.get $length)
        (i32.const 1) (i64.const 5000) (i32.const 0) (i32.const 0) (i32.const 1024))
      (if (i32.eqz (i32.load8_u (i32.const 1024)))
        (then
          (local.set $count (i32.add (local.get $count) (i32.const 1)))
          (br $again))))
    (if (result i32) (local.get $count)
      (then (call $complete (local.get $input) (local.get $length)))
      (else (call $fail (i32.load (i32.const 1032)) (i32.load (i32.const 1036)))))))
