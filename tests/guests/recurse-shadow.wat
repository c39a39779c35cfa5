;; Calls itself for ever, with its data on a stack of its own at the bottom of its memory, as
;; compilers lay it out: the stack runs below address zero before the host's limit is reached.
(core module $main
  (import "libc" "memory" (memory 1))
  (global $stack (mut i32) (i32.const 32768))
  (func $_ZN6shadow7recurse17h0123456789abcdefE (param i32) (result i32)
    (global.set $stack (i32.sub (global.get $stack) (i32.const 64)))
    (i32.store (global.get $stack) (local.get 0))
    (i32.add
      (call $_ZN6shadow7recurse17h0123456789abcdefE (i32.add (local.get 0) (i32.const 1)))
      (i32.load (global.get $stack))))
  (func (export "run") (param i32 i32) (result i32)
    (call $_ZN6shadow7recurse17h0123456789abcdefE (i32.const 0))))
