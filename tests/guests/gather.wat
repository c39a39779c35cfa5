;; Starts two chains of type `child` and continues with type `sum`, which waits for both and runs
;; whatever becomes of them.
(core module $main
  (import "libc" "memory" (memory 1))
  (import "host" "start" (func $start (param i32 i32 i32 i32 i32 i64 i32 i32 i32)))
  (data (i32.const 512) "childsum")
  (func (export "run") (param $input i32) (param $length i32) (result i32)
    (call $start (i32.const 512) (i32.const 5) (local.get $input) (local.get $length)
      (i32.const 0) (i64.const 0) (i32.const 0) (i32.const 0) (i32.const 768))
    ;; A result is written at 768, and the address and length of the id at 772.
    (i64.store (i32.const 2048) (i64.load (i32.const 772)))
    (call $start (i32.const 512) (i32.const 5) (local.get $input) (local.get $length)
      (i32.const 0) (i64.const 0) (i32.const 0) (i32.const 0) (i32.const 768))
    (i64.store (i32.const 2056) (i64.load (i32.const 772)))
    (i32.store8 (i32.const 1032) (i32.const 1))
    (i32.store (i32.const 1040) (i32.const 517))
    (i32.store (i32.const 1044) (i32.const 3))
    (i32.store (i32.const 1048) (local.get $input))
    (i32.store (i32.const 1052) (local.get $length))
    (i32.store (i32.const 1076) (i32.const 2048))
    (i32.store (i32.const 1080) (i32.const 2))
    (i32.store8 (i32.const 1084) (i32.const 1))
    (i32.store8 (i32.const 1085) (i32.const 1))
    (i32.const 1024)))
