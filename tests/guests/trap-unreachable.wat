;; Does what a panic comes to.
(core module $main
  (func $_ZN5guest5inner17h0123456789abcdefE (unreachable))
  (func $_ZN5guest5outer17hfedcba9876543210E (call $_ZN5guest5inner17h0123456789abcdefE))
  (func (export "run") (param i32 i32) (result i32)
    (call $_ZN5guest5outer17hfedcba9876543210E) (i32.const 0)))
