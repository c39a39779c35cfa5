//! `hardstop:job/secrets`.

use hardstop_domain::capability::secret::SecretName;

use crate::binding::hardstop::job::secrets::Host;
use crate::state::State;

impl Host for State {
    fn get(&mut self, name: String) -> Result<String, String> {
        let name: SecretName = name.parse().map_err(|error| format!("{error}"))?;
        if let Some(text) = self.grant.secrets.get(&name) {
            return Ok(text);
        }
        let asked = self.grant.capabilities.secrets.get(&name).copied();
        let of_type = self.grant.type_name.as_ref();
        let refusal = self.shared.config.secrets.refusal(of_type, asked, &name);
        Err(self.refuse(refusal))
    }
}
