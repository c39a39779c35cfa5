;; Returns how many blockers it has, five digits.
(core module $libc
  (memory (export "memory") 32)
  (global $next (mut i32) (i32.const 32768))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $address i32)
    (local.set $address (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
    (global.set $next (i32.add (local.get $address) (local.get 3)))
    (local.get $address)))
(core module $main
  (import "libc" "memory" (memory 1))
  (func (export "run_blocked") (param $input i32) (param $length i32) (param $blocker i32)
    (param $count i32) (result i32)
    (local $digit i32)
    (local.set $digit (i32.const 517))
    (loop $again
      (local.set $digit (i32.sub (local.get $digit) (i32.const 1)))
      (i32.store8 (local.get $digit)
        (i32.add (i32.const 48) (i32.rem_u (local.get $count) (i32.const 10))))
      (local.set $count (i32.div_u (local.get $count) (i32.const 10)))
      (br_if $again (i32.gt_u (local.get $digit) (i32.const 512))))
    (i32.store (i32.const 1040) (i32.const 512))
    (i32.store (i32.const 1044) (i32.const 5))
    (i32.const 1024)))
