(component
  ;; Exports something, but no handler.
  (core module $main (func (export "greet")))
  (core instance $main (instantiate $main))
  (func (export "greet") (canon lift (core func $main "greet"))))
