//! From the name of a host to the addresses that a connection may go to.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Mutex;

use hardstop_domain::capability::Refusal;
use hardstop_domain::capability::address::not_public;
use hardstop_domain::capability::http::{Host, HttpTarget};
use wasmtime_wasi_http::Error;

use super::exchange::Exchange;
use crate::lock::lock;

/// A look-up under way.
pub type Resolving = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Looks up names.
pub trait Resolve: fmt::Debug + Send + Sync {
    /// The addresses of a name, in the order in which they are to be tried.
    fn resolve(&self, name: String) -> Resolving;
}

/// Asks the system: its hosts file, its name servers, its order.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, name: String) -> Resolving {
        Box::pin(async move {
            let addresses = tokio::net::lookup_host((name, 0)).await?;
            Ok(addresses.map(|address| address.ip()).collect())
        })
    }
}

/// The names that an attempt has looked up: each once, so that no name changes its address under it.
#[derive(Default)]
pub(super) struct Names(Mutex<HashMap<String, Vec<IpAddr>>>);

impl Exchange {
    /// The addresses to connect to. Every one is checked, and one that may not be reached stands against
    /// all of them.
    pub(super) async fn addresses(&self) -> Result<Vec<SocketAddr>, Error> {
        let addresses = match &self.target.host {
            Host::Address(address) => vec![*address],
            Host::Name(name) => self.look_up(name).await?,
        };
        for address in &addresses {
            self.check_address(*address)?;
        }
        let port = self.target.port;
        let to = |address: IpAddr| SocketAddr::new(address.to_canonical(), port);
        Ok(addresses.into_iter().map(to).collect())
    }

    async fn look_up(&self, name: &str) -> Result<Vec<IpAddr>, Error> {
        if let Some(known) = lock(&self.names.0).get(name) {
            return Ok(known.clone());
        }
        self.meter.lookup()?;
        let no_address = |rcode: String| Error::DnsError {
            rcode: Some(rcode),
            info_code: None,
        };
        let resolving = self.client.resolver.resolve(name.to_owned());
        let addresses = resolving
            .await
            .map_err(|error| no_address(error.to_string()))?;
        if addresses.is_empty() {
            return Err(no_address("the name has no address".to_owned()));
        }
        lock(&self.names.0).insert(name.to_owned(), addresses.clone());
        Ok(addresses)
    }

    fn check_address(&self, address: IpAddr) -> Result<(), Error> {
        let HttpTarget { port, .. } = self.target;
        let Some(what) = not_public(address) else {
            return Ok(());
        };
        let mut allowed = self.client.allow_private.iter();
        if allowed.any(|rule| rule.covers(address, port)) {
            return Ok(());
        }
        self.refusals.add(Refusal::address(
            &self.type_name,
            &self.target,
            address,
            what,
        ));
        Err(Error::DestinationIpProhibited)
    }
}
