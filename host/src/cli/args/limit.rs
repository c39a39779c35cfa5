//! Flags that set limits: one for each that a job can lower.

use clap::builder::ValueParser;
use clap::{Arg, ArgMatches, Args, Command, Error, FromArgMatches};
use hardstop_domain::limit::Unit;
use hardstop_domain::{LimitName, LimitsPatch};

/// The limits that were asked for, as a manifest would.
#[derive(Debug, Clone, Default)]
pub struct LimitArgs(LimitsPatch);

impl LimitArgs {
    /// As a manifest would ask for them.
    pub fn patch(&self) -> LimitsPatch {
        self.0.clone()
    }
}

impl Args for LimitArgs {
    fn augment_args(command: Command) -> Command {
        let flags = LimitName::ALL
            .into_iter()
            .filter_map(|name| Some((name, name.flag()?)));
        flags.fold(command, |command, (name, flag)| {
            let unit = match name.unit() {
                Unit::Duration => "DURATION",
                Unit::Size => "SIZE",
                Unit::Count => "N",
            };
            let arg = Arg::new(id(name))
                .long(flag)
                .value_name(unit)
                .value_parser(ValueParser::new(move |text: &str| name.parse(text)))
                .help(name.description())
                .help_heading("Limits");
            command.arg(arg)
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for LimitArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let asked = LimitName::ALL
            .into_iter()
            .filter(|name| name.flag().is_some());
        let asked = asked.filter_map(|name| Some((name, *matches.get_one(&id(name))?)));
        Ok(Self(asked.collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Apart from the other flags, of which one is `--input`.
fn id(name: LimitName) -> String {
    format!("limit {name}")
}
