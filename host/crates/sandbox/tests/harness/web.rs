//! Servers on this machine, a sandbox that may reach them, and the guest in `tests/guests/web`.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, LazyLock, Mutex};

use hardstop_domain::capability::HttpCapability;
use hardstop_domain::capability::http::{HttpRule, HttpRules};
use hardstop_domain::capability::secret::{SecretName, SecretRule, SecretUse, TypeRules};
use hardstop_domain::{Capabilities, Limits, Report};
use hardstop_sandbox::{
    HttpConfig, Prepared, Profile, Resolve, Resolving, Revealing, Sandbox, SandboxConfig,
    SecretConfig, SecretSource, SecretValue,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::OnceCell;
use tokio_rustls::TlsAcceptor;
use zeroize::Zeroizing;

use super::{attempt, guests, limits};

/// How many servers all tests of one process may have. The operator's rules are fixed when the sandbox is
/// made, and name ports.
const PORTS: usize = 60;
/// The value of every secret that can be had.
pub const CANARY: &str = "canary/7f3a+\"quoted\"";

static WORLD: LazyLock<World> = LazyLock::new(World::new);

struct World {
    sandbox: Sandbox,
    prepared: OnceCell<Prepared>,
    free: Mutex<Vec<std::net::TcpListener>>,
    acceptor: TlsAcceptor,
}

impl World {
    fn new() -> Self {
        let free: Vec<_> = (0..PORTS)
            .map(|_| std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap())
            .collect();
        let ports = || free.iter().map(|free| free.local_addr().unwrap().port());
        let folder = tempfile::tempdir().unwrap();
        let roots = folder.path().join("ca.pem");
        let (authority, acceptor) = certificates();
        std::fs::write(&roots, authority).unwrap();
        let http = HttpConfig {
            allow: rules(
                ports().flat_map(|port| [format!("http://*:{port}"), format!("https://*:{port}")]),
            ),
            allow_private: ports()
                .map(|port| format!("127.0.0.1:{port}").parse().unwrap())
                .collect(),
            extra_roots: vec![roots],
            resolver: Arc::new(Names),
        };
        let all = || TypeRules::try_from(vec!["*".to_owned()]).unwrap();
        let rule = || SecretRule {
            hosts: rules(ports().map(|port| format!("http://127.0.0.1:{port}"))),
            usable_by: all(),
            readable_by: TypeRules::default(),
        };
        let readable = || SecretRule {
            readable_by: all(),
            ..rule()
        };
        let secrets = [
            ("TOKEN", rule()),
            ("READABLE", readable()),
            ("BROKEN", readable()),
        ];
        let sandbox = Sandbox::new(SandboxConfig {
            guest_threads: 2,
            instances_max: 16,
            secrets: SecretConfig {
                rules: Arc::new(
                    secrets
                        .map(|(name, rule)| (name.parse().unwrap(), rule))
                        .into(),
                ),
                source: Arc::new(Canary),
            },
            http,
            ..super::config()
        });
        Self {
            sandbox: sandbox.unwrap(),
            prepared: OnceCell::new(),
            free: Mutex::new(free),
            acceptor,
        }
    }
}

/// An authority as PEM, and a server with its certificate for `secure.test`.
fn certificates() -> (String, TlsAcceptor) {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["secure.test".to_owned()])
        .unwrap()
        .signed_by(&key, &issuer)
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    (issuer.pem(), TlsAcceptor::from(Arc::new(config)))
}

/// What the names of the tests stand for.
#[derive(Debug)]
struct Names;

impl Resolve for Names {
    fn resolve(&self, name: String) -> Resolving {
        Box::pin(async move {
            let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
            match name.as_str() {
                "elsewhere.test" => Ok(vec!["127.0.0.2".parse().unwrap()]),
                "mixed.test" => Ok(vec![here, "10.0.0.1".parse().unwrap()]),
                "silent.test" => std::future::pending().await,
                "unknown.test" => Err(io::Error::other("no such name")),
                "empty.test" => Ok(Vec::new()),
                _ => Ok(vec![here]),
            }
        })
    }
}

#[derive(Debug)]
struct Canary;

impl SecretSource for Canary {
    fn reveal<'a>(&'a self, name: &'a SecretName) -> Revealing<'a> {
        Box::pin(async move {
            match name.as_str() {
                "BROKEN" => Err("the safe is locked".to_owned()),
                _ => Ok(SecretValue::new(Zeroizing::new(CANARY.into())).unwrap()),
            }
        })
    }
}

pub fn rules(rules: impl IntoIterator<Item = String>) -> HttpRules {
    let rules: Vec<HttpRule> = rules.into_iter().map(|it| it.parse().unwrap()).collect();
    rules.try_into().unwrap()
}

/// What a manifest asks for that names these rules.
pub fn may_reach(rules_of_manifest: &[String]) -> Capabilities {
    Capabilities {
        http: HttpCapability {
            allow: rules(rules_of_manifest.iter().cloned()),
        },
        ..Capabilities::default()
    }
}

/// The same with a secret.
pub fn with_secret(mut capabilities: Capabilities, name: &str, used: SecretUse) -> Capabilities {
    capabilities.secrets.insert(name.parse().unwrap(), used);
    capabilities
}

/// A server that hands each connection to `respond`. Returns its port.
pub fn serve<F, Fut>(respond: F) -> u16
where
    F: Fn(TcpStream) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let listener = free();
    listener.set_nonblocking(true).unwrap();
    let listener = TcpListener::from_std(listener).unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(respond(stream));
        }
    });
    port
}

fn free() -> std::net::TcpListener {
    let mut free = WORLD.free.lock().unwrap();
    free.pop().expect("raise PORTS")
}

/// A port at which nobody accepts and whose queue is full: the next connection is never answered. It stays
/// so for as long as what is returned beside it lives.
pub async fn jam() -> (u16, (TcpListener, TcpStream)) {
    let address = free().local_addr().unwrap();
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(address).unwrap();
    let listener = socket.listen(0).unwrap();
    let first = TcpStream::connect(address).await.unwrap();
    (address.port(), (listener, first))
}

/// A server that answers each request with the head that it got.
pub fn serve_echo() -> u16 {
    serve(|mut stream| async move {
        let head = read_head(&mut stream).await;
        answer(&mut stream, &head).await;
    })
}

/// The same through TLS, as `secure.test`.
pub fn serve_tls() -> u16 {
    serve(|stream| async move {
        if let Ok(mut stream) = WORLD.acceptor.accept(stream).await {
            let head = read_head(&mut stream).await;
            answer(&mut stream, &head).await;
        }
    })
}

pub async fn answer(stream: &mut (impl AsyncWriteExt + Unpin), body: &str) {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
    // The guest may be gone.
    let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
    let _ = stream.shutdown().await;
}

/// A request's head, and whatever came with it.
pub async fn read_head(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut head = Vec::new();
    let mut buffer = [0; 4096];
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(count) => head.extend_from_slice(&buffer[..count]),
        }
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// Runs a handler of `tests/guests/web`.
pub async fn handle(
    handler: &str,
    input: Value,
    capabilities: Capabilities,
    limits: Limits,
) -> Report {
    let prepared = WORLD
        .prepared
        .get_or_init(|| async {
            let path = guests().join("../../target/wasm32-wasip2/guest/web.wasm");
            let wasm = std::fs::read(&path).unwrap_or_else(|error| {
                panic!(
                    "{}: {error}: `cargo xtask guests` builds it",
                    path.display()
                )
            });
            let profile = Profile::of(&Limits::default());
            WORLD.sandbox.prepare(&wasm, profile).await.unwrap()
        })
        .await;
    let mut attempt = attempt(limits);
    attempt.type_name = handler.parse().unwrap();
    attempt.input = input.to_string();
    attempt.capabilities = capabilities;
    attempt.trace_parent = Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into());
    prepared.run(attempt).await
}

/// Runs `fetch` with a URL.
pub async fn fetch(url: &str, capabilities: Capabilities) -> Report {
    handle("fetch", json!({ "url": url }), capabilities, limits()).await
}
