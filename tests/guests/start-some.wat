;; Starts as many chains of type `child` as its input says, a digit, and fails with the refusal where
;; it is refused one.
(core module $main
  (import "libc" "memory" (memory 1))
  (import "libc" "complete" (func $complete (param i32 i32) (result i32)))
  (import "libc" "fail" (func $fail (param i32 i32) (result i32)))
  (import "host" "start" (func $start (param i32 i32 i32 i32 i32 i64 i32 i32 i32)))
  (data (i32.const 512) "child")
  (func (export "run") (param $input i32) (param $length i32) (result i32)
    (local $left i32)
    (local.set $left (i32.sub (i32.load8_u (local.get $input)) (i32.const 48)))
    (block $started
      (loop $again
        (br_if $started (i32.eqz (local.get $left)))
        (call $start (i32.const 512) (i32.const 5) (local.get $input) (local.get $length)
          (i32.const 0) (i64.const 0) (i32.const 0) (i32.const 0) (i32.const 1024))
        ;; The error's case is at 1028, its text at 1032.
        (if (i32.load8_u (i32.const 1024))
          (then (return (call $fail (i32.load (i32.const 1032)) (i32.load (i32.const 1036))))))
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (br $again)))
    (call $complete (local.get $input) (local.get $length))))
