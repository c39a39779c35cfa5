//! `hardstop:job/progress`.

use crate::binding::hardstop::job::progress::Host;
use crate::lock::lock;
use crate::state::State;

impl Host for State {
    fn set(&mut self, fraction: f32, message: Option<String>) {
        lock(&self.journal).set_progress(fraction, message);
    }
}
