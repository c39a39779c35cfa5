//! `hardstop:job/config`.

use hardstop_domain::capability::Refusal;

use crate::binding::hardstop::job::config::Host;
use crate::journal::cut;
use crate::state::State;

/// How much of an unknown key is repeated in a refusal, in bytes.
const KEY_BYTES_MAX: usize = 128;

impl Host for State {
    fn get(&mut self, key: String) -> Result<String, String> {
        if let Some(value) = self.grant.capabilities.config.get(&key) {
            return Ok(value.clone());
        }
        let key = cut(self.grant.secrets.redactor().text(key), KEY_BYTES_MAX);
        let refusal = Refusal::config(self.grant.name(), &key);
        Err(self.refuse(refusal))
    }
}
