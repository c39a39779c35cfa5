(component
  ;; Wants to send HTTP requests.
  (import "wasi:http/outgoing-handler@0.2.0" (instance)))
