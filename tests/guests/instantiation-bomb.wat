(component ;; Nine levels, nine instances of the next at each: some four hundred million.
  (component $c
    (component $c
      (component $c
        (component $c
          (component $c
            (component $c
              (component $c
                (component $c
                  (component $c
                    (component $c)
                    (instance (instantiate $c)) (instance (instantiate $c)) (instance (instantiate $c))
                    (instance (instantiate $c)) (instance (instantiate $c)) (instance (instantiate $c))
                    (instance (instantiate $c)) (instance (instantiate $c)) (instance (instantiate $c)))
                  (instance (instantiate $c)) (instance (instantiate $c)) (instance (instantiate $c))
                  (instance (instantiate $c)) (instance (instantiate $c)) (instance (instantiate $c))
                  (instance (instantiate $c)) (instance (instantiate $c)) (instance (instantiate $c)))
                (instance (instantiate $c)) (instance (instantiate $c)) (instance (instantiate $c))
                (instance (instantiate $c)) (instance (instantiate $c)) (instance (instantiate $c))
                (instance (instantiate $c)) (instance (instantiate $c)) (instance (instantiate $c)))
              (instance (instantiate $c)) (instance (instantiate $c)) (instance (instantiate $c))
              (instance (instantiate $c)) (instance (instantiate $c)) (instance (instantiate $c))
              (instance (instantiate $c)) (instance (instantiate $c)) (instance (instantiate $c)))
            (instance (instantiate $c)) (instance (instantiate $c)) (instance (instantiate $c))
            (instance (instantiate $c)) (instance (instantiate $c)) (instance (instantiate $c))
            (instance (instantiate $c)) (instance (instantiate $c)) (instance (instantiate $c)))
          (instance (instantiate $c)) (instance (instantiate $c)) (instance (instantiate $c))
          (instance (instantiate $c)) (instance (instantiate $c)) (instance (instantiate $c))
          (instance (instantiate $c)) (instance (instantiate $c)) (instance (instantiate $c)))
        (instance (instantiate $c)) (instance (instantiate $c)) (instance (instantiate $c))
        (instance (instantiate $c)) (instance (instantiate $c)) (instance (instantiate $c))
        (instance (instantiate $c)) (instance (instantiate $c)) (instance (instantiate $c)))
      (instance (instantiate $c)) (instance (instantiate $c)) (instance (instantiate $c))
      (instance (instantiate $c)) (instance (instantiate $c)) (instance (instantiate $c))
      (instance (instantiate $c)) (instance (instantiate $c)) (instance (instantiate $c)))
    (instance (instantiate $c)) (instance (instantiate $c)) (instance (instantiate $c))
    (instance (instantiate $c)) (instance (instantiate $c)) (instance (instantiate $c))
    (instance (instantiate $c)) (instance (instantiate $c)) (instance (instantiate $c)))
  (instance (instantiate $c)))
