//! The same random commands for SQLite, Postgres and the model: every answer is the same, and after every
//! command so is all that can be seen.
//!
//! `HARDSTOP_PROPERTY_CASES` sets how many sequences of commands are tried. One that fails is made as short as
//! possible, printed, and kept in `tests/property.seeds`, from where it is tried first the next time.

mod command;
mod world;

use proptest::test_runner::{Config, FileFailurePersistence, TestCaseError, TestRunner};
use tokio::runtime::Handle;

use crate::fixture::{Fixture, Setting, run};
use command::{Command, Resolver, commands};
use world::{Seen, World};

const CASES_DEFAULT: u32 = 32;
/// After how many commands counters are compared with a full count.
const COUNT_EVERY: usize = 8;
const SEEDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/property.seeds");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_stores_do_as_the_model_does() {
    run(Setting::Sqlite, async |sqlite: Fixture| {
        run(Setting::Postgres, async |postgres: Fixture| {
            let cases = match std::env::var("HARDSTOP_PROPERTY_CASES") {
                Ok(text) => text.parse().expect("HARDSTOP_PROPERTY_CASES is a number"),
                Err(_) => CASES_DEFAULT,
            };
            let mut runner = TestRunner::new(Config {
                cases,
                max_shrink_iters: 1_000,
                failure_persistence: Some(Box::new(FileFailurePersistence::Direct(SEEDS))),
                source_file: Some(file!()),
                ..Config::default()
            });
            for db in [&sqlite, &postgres] {
                db.deploy(world::TYPES).await;
            }
            let result = tokio::task::block_in_place(|| {
                runner.run(&commands(), |commands| {
                    Handle::current().block_on(case(&sqlite, &postgres, &commands))
                })
            });
            if let Err(error) = result {
                panic!("{error}");
            }
        })
        .await;
    })
    .await;
}

async fn case(
    sqlite: &Fixture,
    postgres: &Fixture,
    commands: &[Command],
) -> Result<(), TestCaseError> {
    let mut model = World::model();
    let mut stores = [World::store(sqlite).await, World::store(postgres).await];
    let mut resolver = Resolver::default();
    // Without a session little can happen.
    let commands = [Command::OpenSession].into_iter().chain(commands.to_vec());
    for (number, command) in commands.enumerate() {
        let Some(step) = resolver.resolve(&command, model.as_model()) else {
            continue;
        };
        let before = model.as_model().clone();
        let wanted = model.execute(&step).await;
        let seen = model.view(&before).await;
        for store in &mut stores {
            let answer = store.execute(&step).await;
            let name = store.name();
            if answer != wanted {
                return Err(TestCaseError::fail(format!(
                    "command {number}, {step:?}:\nthe model answers {wanted:?}\n{name} answers {answer:?}"
                )));
            }
            let looks = store.view_as(&model, &before).await;
            if looks != seen {
                let (ours, theirs) = world::difference(&seen, &looks);
                return Err(TestCaseError::fail(format!(
                    "after command {number}, {step:?}:\nthe model has {ours:#?}\n{name} has {theirs:#?}"
                )));
            }
            // A full count takes longer than most commands, and what counters miss stays missed.
            if number % COUNT_EVERY == 0 {
                compare_counts(store, &looks, &format!("after command {number}, {step:?}")).await?;
            }
        }
        resolver.note(&wanted);
    }
    let last = model.as_model().clone();
    for store in &mut stores {
        let looks = store.view_as(&model, &last).await;
        compare_counts(store, &looks, "in the end").await?;
    }
    Ok(())
}

/// Fails where a store's counters are not what its jobs are.
async fn compare_counts(store: &World, seen: &[Seen], when: &str) -> Result<(), TestCaseError> {
    let [counters, counted] = world::counts(store, seen).await;
    let name = store.name();
    match counters == counted {
        true => Ok(()),
        false => Err(TestCaseError::fail(format!(
            "{when}:\nthe counters of {name} say {counters:?}\nits jobs are {counted:?}"
        ))),
    }
}
