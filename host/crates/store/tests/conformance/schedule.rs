use std::sync::Arc;
use std::time::Duration;

use hardstop_domain::*;
use hardstop_store::*;

use crate::fixture::*;

const MINUTE_US: i64 = 60_000_000;

fn spec(interval_ms: u64, overlap: Overlap, missed: Missed) -> ScheduleSpec {
    ScheduleSpec {
        timing: Timing::Every {
            interval_ms: interval_ms.try_into().unwrap(),
        },
        overlap,
        missed,
    }
}

fn hourly(overlap: Overlap) -> ScheduleSpec {
    spec(3_600_000, overlap, Missed::Once)
}

fn named(text: &str) -> ScheduleName {
    text.parse().unwrap()
}

fn new(schedule: &str, spec: ScheduleSpec) -> NewSchedule {
    NewSchedule {
        name: named(schedule),
        type_name: name("a"),
        input: "{\"n\": 1}".to_owned(),
        priority: 7,
        spec,
    }
}

async fn put(db: &Fixture, schedule: &str, spec: ScheduleSpec) -> PutSchedule {
    db.store.put_schedule(new(schedule, spec)).await.unwrap()
}

/// Moves a schedule back in time, as if it had been due so long ago and its interval counted from there.
async fn due_ago(db: &Fixture, schedule: &str, ago_us: i64) {
    let time = match db.database {
        Database::Postgres => format!("clock_timestamp() - {ago_us} * interval '1 microsecond'"),
        Database::Sqlite => {
            format!("cast(unixepoch('subsec') * 1000000 AS integer) - {ago_us}")
        }
    };
    let sql = format!(
        "UPDATE hardstop.schedule SET created_at = {time}, next_at = {time} WHERE name = '{schedule}'"
    );
    assert_eq!(db.execute(&sql).await, 1);
    // Two clock readings: what it counts from is what it was due at.
    db.execute("UPDATE hardstop.schedule SET created_at = next_at")
        .await;
}

fn anything() -> FireCheck {
    Arc::new(|_, _| Ok(()))
}

async fn fire(db: &Fixture) -> Fired {
    db.store.fire_due(&anything()).await.unwrap()
}

async fn detail(db: &Fixture, schedule: &str) -> ScheduleDetail {
    let detail = db.store.schedule(&named(schedule)).await.unwrap();
    detail.expect("the schedule exists")
}

/// What became of its times, oldest first.
async fn results(db: &Fixture, schedule: &str) -> Vec<FireResult> {
    let fires = detail(db, schedule).await.fires;
    fires.iter().rev().map(|fire| fire.result).collect()
}

/// How many jobs there are.
async fn jobs(db: &Fixture) -> usize {
    let query = JobQuery {
        limit: 1_000,
        ..JobQuery::default()
    };
    db.store.jobs(&query).await.unwrap().len()
}

async fn finish_one(db: &Fixture, type_id: TypeId) {
    let session = db.session().await;
    let job = db.claim(session, type_id, 1).await.remove(0);
    assert_eq!(db.settle(complete(&job)).await, Settled::Written);
}

pub async fn starts_its_chain_when_due(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    assert_eq!(fire(&db).await.next_due_in, None);
    let made = put(&db, "x/daily", hourly(Overlap::Skip)).await;
    assert!(made.created);
    let fired = fire(&db).await;
    assert!(fired.started.is_empty());
    let next = fired.next_due_in.unwrap();
    assert!(next <= Duration::from_secs(3_600) && next > Duration::from_secs(3_500));
    due_ago(&db, "x/daily", 1_000).await;
    let fired = fire(&db).await;
    let [(by, chain)] = fired.started.as_slice() else {
        panic!("{fired:?}");
    };
    assert_eq!((by.as_str(), fired.failed.len()), ("x/daily", 0));
    assert!(fired.next_due_in.unwrap() > Duration::from_secs(3_500));
    let session = db.session().await;
    let job = db.claim_one(session, a).await;
    assert_eq!((job.chain_id, job.priority), (*chain, 7));
    assert_eq!(job.input, "{\"n\": 1}");
    let detail = detail(&db, "x/daily").await;
    assert_eq!(detail.schedule.last_chain, Some(*chain));
    let [fire] = detail.fires.as_slice() else {
        panic!("{detail:?}");
    };
    assert_eq!(
        (fire.result, fire.chain_id, fire.note.as_deref()),
        (FireResult::Started, Some(*chain), None)
    );
    // On its grid: exactly an hour after the time that it was due.
    let next_at = detail.schedule.next_at.unwrap();
    assert_eq!(next_at.0 - fire.at.0, 3_600_000_000);
}

pub async fn three_hosts_at_once_fire_it_once(db: Fixture) {
    db.deploy(["a"]).await;
    let others = [db.another().await, db.another().await];
    for round in 0..5 {
        for n in 0..8 {
            let schedule = format!("s{round}-{n}");
            put(&db, &schedule, hourly(Overlap::Allow)).await;
            due_ago(&db, &schedule, 1_000).await;
        }
        let check = anything();
        let (one, two, three) = tokio::join!(
            db.store.fire_due(&check),
            others[0].fire_due(&check),
            others[1].fire_due(&check)
        );
        let fired = [one, two, three].map(|fired| fired.unwrap().started.len());
        // One that lost the race for all of them may still be asked again.
        let rest = fire(&db).await.started.len();
        assert_eq!(fired.iter().sum::<usize>() + rest, 8, "{fired:?}");
        for n in 0..8 {
            let schedule = format!("s{round}-{n}");
            assert_eq!(results(&db, &schedule).await, [FireResult::Started]);
        }
    }
    assert_eq!(jobs(&db).await, 40);
    for other in others {
        other.close().await;
    }
}

pub async fn skips_while_the_chain_before_is_open(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    put(&db, "s", hourly(Overlap::Skip)).await;
    due_ago(&db, "s", 1_000).await;
    assert_eq!(fire(&db).await.started.len(), 1);
    due_ago(&db, "s", 1_000).await;
    assert_eq!(fire(&db).await.started.len(), 0);
    assert_eq!(jobs(&db).await, 1);
    let detail = detail(&db, "s").await;
    let note = detail.fires[0].note.clone().unwrap();
    let chain = detail.schedule.last_chain.unwrap();
    assert_eq!(note, format!("chain {chain} was still open"));
    finish_one(&db, a).await;
    due_ago(&db, "s", 1_000).await;
    assert_eq!(fire(&db).await.started.len(), 1);
    use FireResult::*;
    assert_eq!(results(&db, "s").await, [Started, Skipped, Started]);
}

pub async fn allows_and_queues(db: Fixture) {
    db.deploy(["a"]).await;
    for (schedule, overlap) in [("allow", Overlap::Allow), ("queue", Overlap::Queue)] {
        put(&db, schedule, hourly(overlap)).await;
        for _ in 0..3 {
            due_ago(&db, schedule, 1_000).await;
            assert_eq!(fire(&db).await.started.len(), 1, "{schedule}");
        }
        assert_eq!(results(&db, schedule).await, [FireResult::Started; 3]);
    }
    assert_eq!(jobs(&db).await, 6);
}

pub async fn a_queued_chain_waits_for_the_one_before(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    put(&db, "s", hourly(Overlap::Queue)).await;
    let mut chains = Vec::new();
    for _ in 0..3 {
        due_ago(&db, "s", 1_000).await;
        chains.push(fire(&db).await.started.remove(0).1);
    }
    let states = async |expected: [State; 3]| {
        for (chain, expected) in chains.iter().zip(expected) {
            assert_eq!(db.state(JobId(chain.0)).await, expected);
        }
    };
    states([State::Ready, State::Blocked, State::Blocked]).await;
    // However the one before ends.
    let session = db.session().await;
    let job = db.claim_one(session, a).await;
    db.settle(settlement(&job, Next::Discard)).await;
    states([State::Discarded, State::Ready, State::Blocked]).await;
    finish_one(&db, a).await;
    states([State::Discarded, State::Completed, State::Ready]).await;
    finish_one(&db, a).await;
    // Nothing to wait for.
    due_ago(&db, "s", 1_000).await;
    let chain = fire(&db).await.started.remove(0).1;
    assert_eq!(db.state(JobId(chain.0)).await, State::Ready);
}

pub async fn missed_times_are_skipped_or_made_up_for(db: Fixture) {
    db.deploy(["a"]).await;
    // Due ten and a half minutes ago and every minute since: ten were missed, and the last one not.
    for (schedule, missed, started) in [
        ("skip", Missed::Skip, 1),
        ("once", Missed::Once, 2),
        ("all", Missed::All { cap: 4 }, 5),
    ] {
        put(&db, schedule, spec(60_000, Overlap::Allow, missed)).await;
        due_ago(&db, schedule, 10 * MINUTE_US + MINUTE_US / 2).await;
        let fired = fire(&db).await;
        assert_eq!(fired.started.len(), started, "{schedule}");
        let results = results(&db, schedule).await;
        assert_eq!(results.len(), 11, "{schedule}: {results:?}");
        let (lost, made_up) = results.split_at(11 - started);
        assert!(
            lost.iter().all(|result| *result == FireResult::Missed),
            "{results:?}"
        );
        assert!(
            made_up.iter().all(|result| *result == FireResult::Started),
            "{results:?}"
        );
        let next = detail(&db, schedule).await.schedule.next_at.unwrap();
        let now = detail(&db, schedule).await.fires[0].created_at;
        assert!(next > now && next.0 <= now.0 + MINUTE_US);
    }
    let late = &detail(&db, "once").await.fires[1];
    assert_eq!(late.note.as_deref(), Some("90s late: over 1m is missed"));
    assert_eq!(jobs(&db).await, 8);
}

pub async fn a_long_absence_is_made_up_for_in_turns(db: Fixture) {
    db.deploy(["a"]).await;
    let all = Missed::All { cap: 250 };
    put(&db, "s", spec(60_000, Overlap::Allow, all)).await;
    due_ago(&db, "s", 1_000 * MINUTE_US + MINUTE_US / 2).await;
    let mut started = Vec::new();
    while started.iter().sum::<usize>() < 251 {
        let fired = fire(&db).await;
        started.push(fired.started.len());
        assert!(started.len() < 10, "{started:?}");
    }
    assert_eq!(started, [100, 100, 51]);
    assert!(fire(&db).await.started.is_empty());
    assert_eq!(jobs(&db).await, 251);
    // The history of the schedule is bounded.
    db.store.maintain().await.unwrap();
    let kept = "DELETE FROM hardstop.schedule_fire WHERE schedule = 's'";
    assert_eq!(db.execute(kept).await, u64::from(FIRES_KEPT));
}

pub async fn a_pause_makes_up_for_nothing(db: Fixture) {
    db.deploy(["a"]).await;
    let every_minute = spec(60_000, Overlap::Allow, Missed::All { cap: 100 });
    put(&db, "s", every_minute.clone()).await;
    let name = named("s");
    assert!(db.store.set_schedule_paused(&name, true).await.unwrap());
    let paused = detail(&db, "s").await.schedule;
    assert!(paused.paused && paused.next_at.is_none());
    let fired = fire(&db).await;
    assert_eq!((fired.started.len(), fired.next_due_in), (0, None));
    // Changed while it is paused, it stays so.
    let changed = put(&db, "s", every_minute.clone()).await;
    assert_eq!((changed.created, changed.next_at), (false, None));
    assert!(db.store.set_schedule_paused(&name, false).await.unwrap());
    let resumed = detail(&db, "s").await.schedule;
    assert!(!resumed.paused);
    let next_at = resumed.next_at.unwrap();
    assert!(fire(&db).await.started.is_empty());
    // Resumed twice, its time stays.
    assert!(db.store.set_schedule_paused(&name, false).await.unwrap());
    assert_eq!(detail(&db, "s").await.schedule.next_at, Some(next_at));
    // Overdue for long, paused and resumed: nothing is due.
    due_ago(&db, "s", 90 * MINUTE_US).await;
    for paused in [true, false] {
        assert!(db.store.set_schedule_paused(&name, paused).await.unwrap());
    }
    assert!(fire(&db).await.started.is_empty());
    let unknown = db.store.set_schedule_paused(&named("t"), true).await;
    assert!(!unknown.unwrap());
}

pub async fn a_trigger_starts_a_chain_and_leaves_its_time(db: Fixture) {
    let [a] = db.deploy(["a"]).await;
    put(&db, "s", hourly(Overlap::Skip)).await;
    let before = detail(&db, "s").await.schedule.next_at;
    let chain = db.store.trigger_schedule(&named("s")).await.unwrap();
    let second = db.store.trigger_schedule(&named("s")).await.unwrap();
    assert_ne!(chain, second, "the overlap policy does not count");
    let after = detail(&db, "s").await;
    assert_eq!(after.schedule.next_at, before);
    assert_eq!(after.schedule.last_chain, second);
    assert_eq!(results(&db, "s").await, [FireResult::Triggered; 2]);
    let session = db.session().await;
    let claimed = db.claim(session, a, 10).await;
    assert_eq!(claimed.len(), 2);
    let unknown = db.store.trigger_schedule(&named("t")).await;
    assert_eq!(unknown.unwrap(), None);
    // Paused ones too.
    db.store
        .set_schedule_paused(&named("s"), true)
        .await
        .unwrap();
    assert!(
        db.store
            .trigger_schedule(&named("s"))
            .await
            .unwrap()
            .is_some()
    );
    assert!(detail(&db, "s").await.schedule.paused);
}

pub async fn what_cannot_start_is_recorded_and_stays(db: Fixture) {
    db.deploy(["a"]).await;
    put(&db, "s", hourly(Overlap::Skip)).await;
    put(&db, "t", hourly(Overlap::Skip)).await;
    // The input does not fit any more.
    due_ago(&db, "s", 1_000).await;
    let refuse: FireCheck = Arc::new(|active, job| {
        assert_eq!(active.spec.name, job.type_name);
        Err("its input is not a number".to_owned())
    });
    let fired = db.store.fire_due(&refuse).await.unwrap();
    assert_eq!(
        fired.failed,
        [(named("s"), "its input is not a number".to_owned())]
    );
    assert!(fired.started.is_empty());
    // Its type is gone.
    db.execute("UPDATE hardstop.schedule SET type_id = 77 WHERE name = 's'")
        .await;
    due_ago(&db, "s", 1_000).await;
    let fired = fire(&db).await;
    assert_eq!(fired.failed[0].1, "its type is not deployed any more");
    assert!(db.store.trigger_schedule(&named("s")).await.is_err());
    let detail_of_s = detail(&db, "s").await;
    assert_eq!(detail_of_s.schedule.type_name, None);
    assert_eq!(results(&db, "s").await, [FireResult::Failed; 2]);
    assert!(detail_of_s.schedule.next_at > Some(detail_of_s.fires[0].at));
    // A newer host's specification.
    db.execute("UPDATE hardstop.schedule SET spec = '{}' WHERE name = 's'")
        .await;
    due_ago(&db, "s", 1_000).await;
    // One that cannot be fired keeps none of the others from it.
    due_ago(&db, "t", 1_000).await;
    let fired = fire(&db).await;
    assert!(
        fired.failed[0].1.contains("cannot read the schedule"),
        "{fired:?}"
    );
    assert_eq!(fired.started.len(), 1);
    assert!(fire(&db).await.failed.is_empty(), "not again at once");
}

pub async fn a_time_that_was_recorded_is_not_fired_again(db: Fixture) {
    db.deploy(["a"]).await;
    put(&db, "s", hourly(Overlap::Allow)).await;
    due_ago(&db, "s", 1_000).await;
    assert_eq!(fire(&db).await.started.len(), 1);
    // As if the clock had been set back and the schedule made anew.
    let at = "UPDATE hardstop.schedule SET next_at = (SELECT max(at) FROM hardstop.schedule_fire)";
    db.execute(at).await;
    let fired = fire(&db).await;
    assert!(
        fired.started.is_empty() && fired.failed.len() == 1,
        "{fired:?}"
    );
    assert_eq!(jobs(&db).await, 1);
    assert!(fire(&db).await.failed.is_empty(), "it has moved on");
}

pub async fn is_changed_and_deleted(db: Fixture) {
    db.deploy(["a", "b"]).await;
    let first = put(&db, "s", hourly(Overlap::Skip)).await;
    due_ago(&db, "s", 1_000).await;
    let due = detail(&db, "s").await.schedule.next_at;
    // The same timing: what is due stays due.
    let changed = put(&db, "s", hourly(Overlap::Allow)).await;
    assert_eq!((changed.created, changed.next_at), (false, due));
    assert_eq!(fire(&db).await.started.len(), 1);
    // Another timing: from now on.
    let daily = ScheduleSpec {
        timing: Timing::Cron {
            expression: "0 9 * * mon-fri".parse().unwrap(),
            time_zone: "Europe/Berlin".parse().unwrap(),
        },
        overlap: Overlap::Queue,
        missed: Missed::All { cap: 5 },
    };
    let schedule = NewSchedule {
        type_name: name("b"),
        priority: -3,
        input: "[2]".to_owned(),
        ..new("s", daily.clone())
    };
    let changed = db.store.put_schedule(schedule).await.unwrap();
    assert_ne!(changed.next_at, first.next_at);
    let detail = detail(&db, "s").await;
    let schedule = &detail.schedule;
    assert_eq!(
        (&schedule.type_name, schedule.priority, &schedule.spec),
        (&Some(name("b")), -3, &daily)
    );
    assert_eq!((detail.input.as_str(), detail.fires.len()), ("[2]", 1));
    assert!(schedule.updated_at > schedule.created_at && schedule.last_chain.is_some());
    put(&db, "r", hourly(Overlap::Skip)).await;
    let names: Vec<_> = db.store.schedules().await.unwrap();
    let names: Vec<_> = names.iter().map(|s| s.name.as_str().to_owned()).collect();
    assert_eq!(names, ["r", "s"]);
    assert!(db.store.delete_schedule(&named("s")).await.unwrap());
    assert!(!db.store.delete_schedule(&named("s")).await.unwrap());
    assert_eq!(db.store.schedule(&named("s")).await.unwrap(), None);
    assert_eq!(db.execute("DELETE FROM hardstop.schedule_fire").await, 0);
    assert_eq!(jobs(&db).await, 1, "its chain stays");
}

pub async fn bad_schedules_are_refused(db: Fixture) {
    db.deploy(["a"]).await;
    let good = new("s", hourly(Overlap::Skip));
    for (schedule, expected) in [
        (
            NewSchedule {
                type_name: name("b"),
                ..good.clone()
            },
            "type `b` is not deployed",
        ),
        (
            NewSchedule {
                priority: 101,
                ..good.clone()
            },
            "priority 101",
        ),
        (
            NewSchedule {
                input: "\0".to_owned(),
                ..good.clone()
            },
            "NUL",
        ),
        (
            NewSchedule {
                spec: spec(1_000, Overlap::Skip, Missed::All { cap: 1_001 }),
                ..good.clone()
            },
            "a cap of 1001 missed times is not from 1 to 1000",
        ),
    ] {
        let error = db.store.put_schedule(schedule).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
    assert!(db.store.schedules().await.unwrap().is_empty());
}

pub async fn changes_are_heard(db: Fixture) {
    db.deploy(["a"]).await;
    let mut listener = db.store.listen().await.unwrap();
    // Other kinds may come first: on SQLite, what the fixture writes past the store is anything.
    let mut hear = async |wanted: Wake| {
        let heard = async { while listener.wait().await != wanted {} };
        let heard = tokio::time::timeout(Duration::from_secs(30), heard).await;
        assert!(heard.is_ok(), "no {wanted:?}");
    };
    put(&db, "s", hourly(Overlap::Skip)).await;
    hear(Wake::Rescheduled).await;
    due_ago(&db, "s", 1_000).await;
    fire(&db).await;
    hear(Wake::Ready).await;
    db.store.trigger_schedule(&named("s")).await.unwrap();
    hear(Wake::Ready).await;
    for paused in [true, false] {
        let set = db.store.set_schedule_paused(&named("s"), paused).await;
        assert!(set.unwrap());
    }
    hear(Wake::Rescheduled).await;
}
