use hardstop_domain::*;
use hardstop_sandbox::*;
#[tokio::main]
async fn main() {
    let sb = Sandbox::new(SandboxConfig::default()).unwrap();
    let base = Limits {
        wall_timeout_ms: 2000,
        cpu_time_ms: 500,
        ..Limits::default()
    };
    let wasm = std::fs::read("target/wasm32-wasip2/guest/plain.wasm").unwrap();
    let p = sb.prepare(&wasm, Profile::of(&base)).await.unwrap();
    for conc in [1usize, 2, 16] {
        let n = 40000 / conc;
        let t = std::time::Instant::now();
        let hs: Vec<_> = (0..conc)
            .map(|_| {
                let p = p.clone();
                let base = base.clone();
                tokio::spawn(async move {
                    let mut wall = 0;
                    for _ in 0..n {
                        let a = at("noop", base.clone());
                        let r = p.run(a).await;
                        assert!(matches!(r.outcome, Outcome::Completed { .. }), "{r:?}");
                        wall += r.usage.wall_us;
                    }
                    wall
                })
            })
            .collect();
        let mut wall = 0;
        for h in hs {
            wall += h.await.unwrap();
        }
        println!(
            "conc {conc}: {:.1} us per job, {:.0}/s; wall inside {:.1}",
            t.elapsed().as_micros() as f64 / (n * conc) as f64,
            (n * conc) as f64 / t.elapsed().as_secs_f64(),
            wall as f64 / (n * conc) as f64
        );
    }
}
fn at(name: &str, limits: Limits) -> Attempt {
    let job = JobId(uuid::Uuid::now_v7());
    Attempt {
        job,
        chain: job.into(),
        type_name: name.parse().unwrap(),
        number: 1,
        attempts_left: 2,
        input: "{}".into(),
        trace_parent: None,
        limits,
        capabilities: Capabilities::default(),
        stop: StopSignal::never(),
        watch: None,
    }
}
