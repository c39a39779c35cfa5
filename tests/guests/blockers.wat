;; Returns a list of what its blockers came to: an output as it is, a failure as the text of its state
;; (0 discarded, 1 cancelled), its kind and its message, and `null` for what is gone.
(core module $main
  (import "libc" "memory" (memory 1))
  (import "libc" "complete" (func $complete (param i32 i32) (result i32)))
  (data (i32.const 512) "[],\220 \22null")
  (global $end (mut i32) (i32.const 4096))
  (func $write (param $text i32) (param $length i32)
    (memory.copy (global.get $end) (local.get $text) (local.get $length))
    (global.set $end (i32.add (global.get $end) (local.get $length))))
  (func (export "run_blocked") (param $input i32) (param $length i32) (param $blocker i32)
    (param $count i32) (result i32)
    (local $result i32)
    (call $write (i32.const 512) (i32.const 1))
    (block $done
      (loop $again
        (br_if $done (i32.eqz (local.get $count)))
        ;; A blocker has 32 bytes: the id's address and length, the case of the result, the result.
        (local.set $result (i32.add (local.get $blocker) (i32.const 12)))
        (block $next
          (if (i32.eqz (i32.load8_u offset=8 (local.get $blocker)))
            (then
              (call $write (i32.load (local.get $result)) (i32.load offset=4 (local.get $result)))
              (br $next)))
          (if (i32.eq (i32.load8_u offset=8 (local.get $blocker)) (i32.const 2))
            (then (call $write (i32.const 519) (i32.const 4)) (br $next)))
          (i32.store8 (i32.const 516) (i32.add (i32.load8_u (local.get $result)) (i32.const 48)))
          (call $write (i32.const 515) (i32.const 3))
          (call $write (i32.load offset=4 (local.get $result))
            (i32.load offset=8 (local.get $result)))
          (call $write (i32.const 517) (i32.const 1))
          (call $write (i32.load offset=12 (local.get $result))
            (i32.load offset=16 (local.get $result)))
          (call $write (i32.const 518) (i32.const 1)))
        (local.set $blocker (i32.add (local.get $blocker) (i32.const 32)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (if (local.get $count) (then (call $write (i32.const 514) (i32.const 1))))
        (br $again)))
    (call $write (i32.const 513) (i32.const 1))
    (call $complete (i32.const 4096) (i32.sub (global.get $end) (i32.const 4096)))))
