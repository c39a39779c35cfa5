//! Handlers that use HTTP and secrets, well and badly, for tests.

use hardstop_guest::http::{HttpError, Request, Response};
use hardstop_guest::{Ctx, Failure, NextJob, Outcome, job};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A request.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Fetch {
    url: String,
    #[serde(default = "get")]
    method: String,
    #[serde(default)]
    headers: Vec<(String, String)>,
    /// So many bytes of body.
    #[serde(default)]
    body_bytes: usize,
    /// Milliseconds.
    #[serde(default)]
    timeout: Option<u64>,
}

fn get() -> String {
    "GET".to_owned()
}

impl Fetch {
    fn request(&self) -> Request {
        let mut request = Request::new(&self.method, &self.url).body(vec![b'x'; self.body_bytes]);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        match self.timeout {
            Some(ms) => request.timeout(std::time::Duration::from_millis(ms)),
            None => request,
        }
    }
}

/// What came back.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Fetched {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl From<Response> for Fetched {
    fn from(response: Response) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            status: response.status(),
            headers: response
                .headers()
                .iter()
                .map(|(name, value)| (name.clone(), text(value)))
                .collect(),
            body: text(response.bytes()),
        }
    }
}

/// Sends one request.
#[job]
fn fetch(ctx: &Ctx, input: Fetch) -> Result<Fetched, Failure> {
    Ok(ctx.fetch(input.request())?.into())
}

/// Sends one request, and completes with what came of it.
#[job]
fn cope(ctx: &Ctx, input: Fetch) -> Result<String, Failure> {
    Ok(match ctx.fetch(input.request()) {
        Ok(response) => format!("status {}", response.status()),
        Err(HttpError::Denied(code)) => format!("denied {code}"),
        Err(HttpError::Limit(code)) => format!("limit {code}"),
        Err(HttpError::Invalid(code)) => format!("invalid {code}"),
        Err(HttpError::Failed(code)) => format!("failed {code}"),
    })
}

/// A request, so often.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Times {
    url: String,
    count: usize,
}

/// Sends the same request again and again; `{n}` in the URL is its number.
#[job]
fn again(ctx: &Ctx, input: Times) -> Result<usize, Failure> {
    for number in 0..input.count {
        ctx.fetch(Request::get(input.url.replace("{n}", &number.to_string())))?;
    }
    Ok(input.count)
}

/// Sends so many requests before it looks at any answer, and returns how many were answered.
#[job]
fn flood(_ctx: &Ctx, input: Times) -> Result<usize, Failure> {
    at_once(&input)
}

#[cfg(target_family = "wasm")]
fn at_once(input: &Times) -> Result<usize, Failure> {
    use wasip2::http::outgoing_handler::handle;
    use wasip2::http::types::{Fields, OutgoingRequest, Scheme};

    let host = input.url.trim_start_matches("http://");
    let mut sent = Vec::new();
    for _ in 0..input.count {
        let request = OutgoingRequest::new(Fields::new());
        let _ = request.set_scheme(Some(&Scheme::Http));
        let _ = request.set_authority(Some(host));
        let _ = request.set_path_with_query(Some("/"));
        sent.push(handle(request, None)?);
    }
    // Kept until all are there: each is under way until its body is read.
    let mut answers = Vec::new();
    for future in &sent {
        future.subscribe().block();
        match future.get() {
            Some(Ok(answer)) => answers.push(answer?),
            _ => return Err(Failure::fatal("no answer")),
        }
    }
    Ok(answers.len())
}

/// Natively there is no interface to send them through.
#[cfg(not(target_family = "wasm"))]
fn at_once(_input: &Times) -> Result<usize, Failure> {
    Err(Failure::fatal("only as a component"))
}

/// Follows redirects, as browsers do.
#[job]
fn follow(ctx: &Ctx, url: String) -> Result<Fetched, Failure> {
    let mut response = ctx.fetch(Request::get(url))?;
    for _ in 0..10 {
        match (response.status(), response.header("location")) {
            (301..=308, Some(next)) => response = ctx.fetch(Request::get(next))?,
            _ => break,
        }
    }
    Ok(response.into())
}

/// A secret, and a request to use it in.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Pay {
    secret: String,
    url: String,
}

/// Sends a secret, or its placeholder, in a header.
#[job]
fn pay(ctx: &Ctx, input: Pay) -> Result<Fetched, Failure> {
    let key = ctx.secret(&input.secret)?;
    let request = Request::get(&input.url).header("authorization", format!("Bearer {key}"));
    Ok(ctx.fetch(request)?.into())
}

/// Where to tell a secret.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Tell {
    secret: String,
    /// `output`, `fail`, `panic`, `children`, `continue` or `key`.
    to: String,
}

/// Tells a secret to everybody: to the log and in progress, and once more in the end.
#[job]
fn tell(ctx: &Ctx, input: Tell) -> Result<Outcome<Vec<String>>, Failure> {
    let key = ctx.secret(&input.secret)?;
    let hex: String = key.bytes().map(|byte| format!("{byte:02x}")).collect();
    log::info!(key = key.as_str(); "the key is {key}");
    println!("printed {key}");
    eprintln!("printed {hex}");
    ctx.progress(0.5, format!("with {key}").as_str());
    let _ = ctx.config(&key);
    match input.to.as_str() {
        "fail" => Err(Failure::fatal(format!("no use for {key}")).details([&key, &hex])),
        "panic" => panic!("no use for {key}"),
        "children" => {
            ctx.start_chain(NextJob::named("told", &[&key, &hex]))?;
            Ok(Outcome::complete(Vec::new()))
        }
        "key" => {
            ctx.start_chain(NextJob::named("told", &0).key(&key))?;
            Ok(Outcome::complete(Vec::new()))
        }
        "continue" => Ok(Outcome::continue_with(NextJob::named(
            "told",
            &[&key, &hex],
        ))),
        _ => Ok(Outcome::complete(vec![key, hex])),
    }
}

/// Takes anything.
#[job]
fn told(_ctx: &Ctx, _input: Vec<String>) -> Result<(), Failure> {
    Ok(())
}

hardstop_guest::export!(fetch, cope, again, flood, follow, pay, tell, told);
