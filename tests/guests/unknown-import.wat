(component
  ;; Wants to be called by others, as if a job could receive requests.
  (import "wasi:http/incoming-handler@0.2.0" (instance)))
