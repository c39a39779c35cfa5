;; Asks for values that nobody granted, for ever, by keys of a kilobyte, each different from the one before.
(core module $libc
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 32768)))
(core module $main
  (import "libc" "memory" (memory 1))
  (import "host" "config" (func $config (param i32 i32 i32)))
  (func (export "run") (param i32 i32) (result i32)
    (memory.fill (i32.const 4096) (i32.const 0x61) (i32.const 1024))
    (loop $again
      (i32.store (i32.const 4096)
        (i32.or (i32.const 0x61616161)
          (i32.and (i32.add (i32.load (i32.const 4096)) (i32.const 1)) (i32.const 0x0f0f0f0f))))
      (call $config (i32.const 4096) (i32.const 1024) (i32.const 2048))
      (br $again))
    (unreachable)))
