//! The component around a guest's core modules.

/// What `tests/guests/README.md` promises of the default `$libc`. A result is written at 64.
const LIBC: &str = r#"
(core module $libc
  (memory (export "memory") 1)
  (global $next (mut i32) (i32.const 32768))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $address i32)
    (local.set $address (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
    (global.set $next (i32.add (local.get $address) (local.get 3)))
    (local.get $address))
  (func (export "complete") (param i32 i32) (result i32)
    (i32.store8 (i32.const 64) (i32.const 0))
    (i32.store8 (i32.const 72) (i32.const 0))
    (i32.store (i32.const 80) (local.get 0))
    (i32.store (i32.const 84) (local.get 1))
    (i32.const 64))
  (func (export "fail") (param i32 i32) (result i32)
    (i32.store8 (i32.const 64) (i32.const 1))
    (i32.store8 (i32.const 72) (i32.const 0))
    (i32.store (i32.const 76) (local.get 0))
    (i32.store (i32.const 80) (local.get 1))
    (i32.store8 (i32.const 88) (i32.const 0))
    (i32.store8 (i32.const 104) (i32.const 0))
    (i32.const 64)))
"#;

/// A type `test` whose schemas take anything. Describes itself at 128.
const DESCRIBE: &str = r#"
(core module $describe
  (import "libc" "memory" (memory 1))
  (func (export "describe") (result i32)
    (i32.store (i32.const 128) (i32.const 136))
    (i32.store (i32.const 132) (i32.const 1))
    (i32.store (i32.const 136) (i32.const 192))
    (i32.store (i32.const 140) (i32.const 4))
    (i32.store (i32.const 144) (i32.const 192))
    (i32.store (i32.const 148) (i32.const 4))
    (i32.store (i32.const 152) (i32.const 200))
    (i32.store (i32.const 156) (i32.const 2))
    (i32.store (i32.const 160) (i32.const 200))
    (i32.store (i32.const 164) (i32.const 2))
    (i32.store (i32.const 192) (i32.const 0x74736574))
    (i32.store16 (i32.const 200) (i32.const 0x7d7b))
    (i32.const 128)))
"#;

/// Picks the input out of the sixteen values that a `job` is lowered to.
const GLUE: &str = r#"
(core module $glue
  (import "main" "run" (func $run (param i32 i32) (result i32)))
  (func (export "run")
    (param i32 i32 i32 i32 i32 i32 i32 i32 i64) (param $input i32) (param $length i32)
    (param i32 i32 i32 i32 i32)
    (result i32)
    (call $run (local.get $input) (local.get $length))))
"#;

/// The same with the list of blockers.
const BLOCKED_GLUE: &str = r#"
(core module $glue
  (import "main" "run_blocked" (func $run (param i32 i32 i32 i32) (result i32)))
  (func (export "run")
    (param i32 i32 i32 i32 i32 i32 i32 i32 i64) (param $input i32) (param $length i32)
    (param $blockers i32) (param $count i32) (param i32 i32 i32)
    (result i32)
    (call $run (local.get $input) (local.get $length) (local.get $blockers) (local.get $count))))
"#;

const TYPES: &str = r#"
(type $types_t (instance
  (type $job_type' (record (field "name" string) (field "description" string)
    (field "input-schema" string) (field "output-schema" string)))
  (export "job-type" (type $job_type (eq $job_type')))
  (type $blocker_state' (enum "discarded" "cancelled"))
  (export "blocker-state" (type $blocker_state (eq $blocker_state')))
  (type $blocker_failure' (record (field "state" $blocker_state) (field "kind" string)
    (field "message" string)))
  (export "blocker-failure" (type $blocker_failure (eq $blocker_failure')))
  (type $blocker_result' (variant (case "completed" string) (case "failed" $blocker_failure)
    (case "gone")))
  (export "blocker-result" (type $blocker_result (eq $blocker_result')))
  (type $blocker' (record (field "chain-id" string) (field "result" $blocker_result)))
  (export "blocker" (type $blocker (eq $blocker')))
  (type $job' (record (field "id" string) (field "chain-id" string) (field "type" string)
    (field "attempt" u32) (field "attempts-left" u32) (field "deadline-ms" u64)
    (field "input" string) (field "blockers" (list $blocker)) (field "trace-parent" (option string))))
  (export "job" (type $job (eq $job')))
  (type $policy' (enum "cancel" "run" "hold"))
  (export "on-blocker-failure" (type $policy (eq $policy')))
  (type $scope' (variant (case "open") (case "any" u64)))
  (export "dedup-scope" (type $scope (eq $scope')))
  (type $dedup' (record (field "key" string) (field "scope" $scope)))
  (export "dedup" (type $dedup (eq $dedup')))
  (type $options' (record (field "delay-ms" (option u64)) (field "priority" (option s16))
    (field "blockers" (list string)) (field "on-blocker-failure" (option $policy))
    (field "dedup" (option $dedup))))
  (export "start-options" (type $options (eq $options')))
  (type $next_job' (record (field "type" string) (field "input" string) (field "options" $options)))
  (export "next-job" (type $next_job (eq $next_job')))
  (type $outcome' (variant (case "complete" string) (case "continue-with" $next_job)
    (case "snooze" u64)))
  (export "outcome" (type $outcome (eq $outcome')))
  (type $kind' (enum "retryable" "fatal"))
  (export "failure-kind" (type $kind (eq $kind')))
  (type $failure' (record (field "kind" $kind) (field "message" string)
    (field "retry-after-ms" (option u64)) (field "details" (option string))))
  (export "failure" (type $failure (eq $failure')))))
(import "hardstop:job/types@0.1.0" (instance $types (type $types_t)))
(alias export $types "job-type" (type $job_type))
(alias export $types "job" (type $job))
(alias export $types "next-job" (type $next_job))
(alias export $types "outcome" (type $outcome))
(alias export $types "failure" (type $failure))
"#;

/// The import of the clock that pollables come from. `$pollable` is there already.
macro_rules! clock {
    () => {
        r#"(import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
  (alias outer 1 $pollable (type $pollable'))
  (export "pollable" (type $pollable (eq $pollable')))
  (export "subscribe-duration" (func (param "when" u64) (result (own $pollable))))))
(core func $subscribe (canon lower (func $clock "subscribe-duration")))
"#
    };
}

/// The import of a standard stream, and a function that writes to it.
macro_rules! stream {
    ($name:literal) => {
        (
            $name,
            concat!(
                r#"
(import "wasi:io/error@0.2.0" (instance $io_error (export "error" (type (sub resource)))))
(alias export $io_error "error" (type $error))
(import "wasi:io/streams@0.2.0" (instance $streams
  (export "output-stream" (type $output (sub resource)))
  (alias outer 1 $error (type $error'))
  (export "error" (type $error (eq $error')))
  (type $stream_error' (variant (case "last-operation-failed" (own $error)) (case "closed")))
  (export "stream-error" (type $stream_error (eq $stream_error')))
  (export "[method]output-stream.blocking-write-and-flush" (func (param "self" (borrow $output))
    (param "contents" (list u8)) (result (result (error $stream_error)))))))
(alias export $streams "output-stream" (type $output))
(import "wasi:cli/"#,
                $name,
                r#"@0.2.0" (instance $standard
  (alias outer 1 $output (type $output'))
  (export "output-stream" (type $output (eq $output')))
  (export "get-"#,
                $name,
                r#"" (func (result (own $output))))))
(core func $get_stream (canon lower (func $standard "get-"#,
                $name,
                r#"")))
(core func $write (canon lower (func $streams "[method]output-stream.blocking-write-and-flush")
  (memory $memory)))
(core module $writer
  (import "io" "get" (func $get (result i32)))
  (import "io" "write" (func $write (param i32 i32 i32 i32)))
  (global $stream (mut i32) (i32.const 0))
  (func (export ""#,
                $name,
                r#"") (param i32 i32)
    (if (i32.eqz (global.get $stream)) (then (global.set $stream (call $get))))
    (call $write (global.get $stream) (local.get 0) (local.get 1) (i32.const 32))))
(core instance $writer (instantiate $writer (with "io" (instance
  (export "get" (func $get_stream)) (export "write" (func $write))))))
"#
            ),
            concat!("core:$writer \"", $name, "\""),
        )
    };
}

/// The imports of `"host"`: name, the component's import, its lowering.
const HOST: [(&str, &str, &str); 12] = [
    (
        "log",
        r#"
(import "hardstop:job/log@0.1.0" (instance $log
  (type $level' (enum "trace" "debug" "info" "warn" "error"))
  (export "level" (type $level (eq $level')))
  (export "log" (func (param "level" $level) (param "message" string)
    (param "fields" (list (tuple string string)))))))
"#,
        r#"(func $log "log")"#,
    ),
    (
        "progress",
        r#"
(import "hardstop:job/progress@0.1.0" (instance $progress
  (export "set" (func (param "fraction" float32) (param "message" (option string))))))
"#,
        r#"(func $progress "set")"#,
    ),
    (
        "exit",
        r#"
(import "wasi:cli/exit@0.2.0" (instance $exit (export "exit" (func (param "status" (result))))))
"#,
        r#"(func $exit "exit")"#,
    ),
    (
        "random",
        r#"
(import "wasi:random/random@0.2.0" (instance $random
  (export "get-random-bytes" (func (param "len" u64) (result (list u8))))))
"#,
        r#"(func $random "get-random-bytes")"#,
    ),
    (
        "config",
        r#"
(import "hardstop:job/config@0.1.0" (instance $config
  (export "get" (func (param "key" string) (result (result string (error string)))))))
"#,
        r#"(func $config "get")"#,
    ),
    (
        "start",
        r#"
(import "hardstop:job/chains@0.1.0" (instance $chains
  (alias outer 1 $next_job (type $next_job'))
  (export "next-job" (type $next_job (eq $next_job')))
  (type $error' (variant (case "denied" string) (case "limit" string) (case "invalid" string)))
  (export "start-error" (type $error (eq $error')))
  (export "start" (func (param "job" $next_job) (result (result string (error $error)))))))
(core func $start (canon lower (func $chains "start") (memory $memory) (realloc $realloc)))
(core module $starter
  (import "libc" "memory" (memory 1))
  (import "chains" "start" (func $start (param i32 i32)))
  ;; A `next-job` is lowered through memory: it is written where a description would be, 80 bytes.
  (func (export "start") (param $type i32) (param $type_length i32) (param $input i32)
    (param $input_length i32) (param $delays i32) (param $delay i64) (param $prioritised i32)
    (param $priority i32) (param $result i32)
    (memory.fill (i32.const 128) (i32.const 0) (i32.const 80))
    (i32.store (i32.const 128) (local.get $type))
    (i32.store (i32.const 132) (local.get $type_length))
    (i32.store (i32.const 136) (local.get $input))
    (i32.store (i32.const 140) (local.get $input_length))
    (i32.store8 (i32.const 144) (local.get $delays))
    (i64.store (i32.const 152) (local.get $delay))
    (i32.store8 (i32.const 160) (local.get $prioritised))
    (i32.store16 (i32.const 162) (local.get $priority))
    (call $start (i32.const 128) (local.get $result))))
(core instance $starter (instantiate $starter (with "libc" (instance $libc))
  (with "chains" (instance (export "start" (func $start))))))
"#,
        r#"core:$starter "start""#,
    ),
    (
        "sleep",
        concat!(
            r#"
(import "wasi:io/poll@0.2.0" (instance $poll
  (export "pollable" (type $pollable (sub resource)))
  (export "[method]pollable.block" (func (param "self" (borrow $pollable))))))
(alias export $poll "pollable" (type $pollable))
"#,
            clock!(),
            r#"(core func $block (canon lower (func $poll "[method]pollable.block")))
(core func $drop (canon resource.drop $pollable))
(core module $sleep
  (import "clock" "subscribe" (func $subscribe (param i64) (result i32)))
  (import "clock" "block" (func $block (param i32)))
  (import "clock" "drop" (func $drop (param i32)))
  (func (export "sleep") (param i64) (local $pollable i32)
    (call $block (local.tee $pollable (call $subscribe (local.get 0))))
    (call $drop (local.get $pollable))))
(core instance $sleep (instantiate $sleep (with "clock" (instance
  (export "subscribe" (func $subscribe)) (export "block" (func $block)) (export "drop" (func $drop))))))
"#
        ),
        r#"core:$sleep "sleep""#,
    ),
    (
        "handle",
        concat!(
            r#"
(import "wasi:io/poll@0.2.0" (instance $poll (export "pollable" (type (sub resource)))))
(alias export $poll "pollable" (type $pollable))
"#,
            clock!(),
            r#"(core module $holder
  (import "clock" "subscribe" (func $subscribe (param i64) (result i32)))
  (func (export "handle") (drop (call $subscribe (i64.const 0)))))
(core instance $holder (instantiate $holder (with "clock" (instance
  (export "subscribe" (func $subscribe))))))
"#
        ),
        r#"core:$holder "handle""#,
    ),
    stream!("stderr"),
    stream!("stdout"),
    (
        "poll",
        concat!(
            r#"
(import "wasi:io/poll@0.2.0" (instance $poll
  (export "pollable" (type $pollable (sub resource)))
  (export "poll" (func (param "in" (list (borrow $pollable))) (result (list u32))))))
(alias export $poll "pollable" (type $pollable))
"#,
            clock!(),
            r#"(core func $poll (canon lower (func $poll "poll") (memory $memory) (realloc $realloc)))
(core module $poller
  (import "libc" "memory" (memory 1))
  (import "clock" "subscribe" (func $subscribe (param i64) (result i32)))
  (import "clock" "poll" (func $poll (param i32 i32 i32)))
  (func (export "poll") (param $count i32) (local $opened i32)
    (loop $again
      (i32.store (i32.add (i32.const 4096) (i32.shl (local.get $opened) (i32.const 2)))
        (call $subscribe (i64.const 0)))
      (local.set $opened (i32.add (local.get $opened) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $opened) (local.get $count))))
    (loop $again
      (call $poll (i32.const 4096) (local.get $count) (i32.const 1024))
      (br $again))))
(core instance $poller (instantiate $poller (with "libc" (instance $libc)) (with "clock" (instance
  (export "subscribe" (func $subscribe)) (export "poll" (func $poll))))))
"#
        ),
        r#"core:$poller "poll""#,
    ),
    (
        "connect",
        r#"
(import "wasi:sockets/network@0.2.0" (instance $network
  (type $family' (enum "ipv4" "ipv6"))
  (export "ip-address-family" (type $family (eq $family')))
  (type $code' (enum "unknown" "access-denied" "not-supported" "invalid-argument" "out-of-memory"
    "timeout" "concurrency-conflict" "not-in-progress" "would-block" "invalid-state"
    "new-socket-limit" "address-not-bindable" "address-in-use" "remote-unreachable"
    "connection-refused" "connection-reset" "connection-aborted" "datagram-too-large"
    "name-unresolvable" "temporary-resolver-failure" "permanent-resolver-failure"))
  (export "error-code" (type $code (eq $code')))))
(alias export $network "ip-address-family" (type $family))
(alias export $network "error-code" (type $code))
(import "wasi:sockets/tcp@0.2.0" (instance $tcp (export "tcp-socket" (type (sub resource)))))
(alias export $tcp "tcp-socket" (type $socket))
(import "wasi:sockets/tcp-create-socket@0.2.0" (instance $create
  (alias outer 1 $family (type $family'))
  (export "ip-address-family" (type $family (eq $family')))
  (alias outer 1 $code (type $code'))
  (export "error-code" (type $code (eq $code')))
  (alias outer 1 $socket (type $socket'))
  (export "tcp-socket" (type $socket (eq $socket')))
  (export "create-tcp-socket" (func (param "address-family" $family)
    (result (result (own $socket) (error $code)))))))
(core func $create (canon lower (func $create "create-tcp-socket") (memory $memory)))
(core module $connect
  (import "libc" "memory" (memory 1))
  (import "socket" "create" (func $create (param i32 i32)))
  ;; 1 is `access-denied`.
  (func (export "connect") (result i32)
    (call $create (i32.const 0) (i32.const 32))
    (i32.and (i32.load8_u (i32.const 32)) (i32.eq (i32.load8_u (i32.const 36)) (i32.const 1)))))
(core instance $connect (instantiate $connect (with "libc" (instance $libc))
  (with "socket" (instance (export "create" (func $create))))))
"#,
        r#"core:$connect "connect""#,
    ),
];

/// Makes a component of a file's text, unless it is a whole one already.
pub fn wrap(text: &str) -> String {
    let code = text
        .lines()
        .find(|line| !line.trim_start().starts_with(";;"))
        .unwrap_or_default();
    if !code.starts_with("(core module") {
        return text.to_owned();
    }
    let libc = if text.contains("(core module $libc") {
        ""
    } else {
        LIBC
    };
    let mut imports = String::new();
    let mut exports = String::new();
    for (name, import, lowered) in HOST {
        if !text.contains(&format!("\"host\" \"{name}\"")) {
            continue;
        }
        imports.push_str(import);
        let export = match lowered.strip_prefix("core:") {
            Some(core) => format!("(alias core export {core} (core func $host_{name}))\n"),
            None => format!(
                "(core func $host_{name} (canon lower {lowered} (memory $memory) (realloc $realloc)))\n"
            ),
        };
        imports.push_str(&export);
        exports.push_str(&format!("(export \"{name}\" (func $host_{name}))"));
    }
    let (describe, describer) = match text.contains("(export \"describe\")") {
        true => ("", "$main"),
        false => (DESCRIBE, "$describe"),
    };
    let instance = match describe {
        "" => "",
        _ => r#"(core instance $describe (instantiate $describe (with "libc" (instance $libc))))"#,
    };
    let glue = match text.contains("(export \"run_blocked\")") {
        true => BLOCKED_GLUE,
        false => GLUE,
    };
    let post_return = match text.contains("(export \"post_return\")") {
        true => r#"(post-return (core func $main "post_return"))"#,
        false => "",
    };
    format!(
        r#"(component
{TYPES}
{text}
{libc}
{describe}
{glue}
(core instance $libc (instantiate $libc))
(alias core export $libc "memory" (core memory $memory))
(alias core export $libc "cabi_realloc" (core func $realloc))
{imports}
(core instance $main (instantiate $main (with "libc" (instance $libc))
  (with "host" (instance {exports}))))
{instance}
(core instance $glue (instantiate $glue (with "main" (instance $main))))
(func $describe_f (result (list $job_type))
  (canon lift (core func {describer} "describe") (memory $memory) (realloc $realloc)))
(func $run_f (param "job" $job) (result (result $outcome (error $failure)))
  (canon lift (core func $glue "run") (memory $memory) (realloc $realloc) {post_return}))
(instance $handler (export "describe" (func $describe_f)) (export "run" (func $run_f)))
(export "hardstop:job/handler@0.1.0" (instance $handler)))
"#
    )
}
