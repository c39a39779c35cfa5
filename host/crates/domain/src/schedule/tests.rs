use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp as Instant, ToSpan};
use proptest::prelude::*;

use super::*;

fn cron(expression: &str, zone: &str) -> Timing {
    Timing::Cron {
        expression: expression.parse().expect(expression),
        time_zone: zone.parse().expect(zone),
    }
}

fn every(ms: u64) -> Timing {
    Timing::Every {
        interval_ms: ms.try_into().expect("an interval"),
    }
}

fn at(text: &str) -> Timestamp {
    Timestamp(text.parse::<Instant>().expect(text).as_microsecond())
}

/// The next times, written as UTC to the minute.
fn next_times(timing: &Timing, after: &str, count: usize) -> Vec<String> {
    let mut after = at(after);
    let mut times = Vec::new();
    for _ in 0..count {
        let Some(next) = timing.next(after, Timestamp(0)) else {
            break;
        };
        times.push(next.to_string()[..16].to_owned());
        after = next;
    }
    times
}

#[track_caller]
fn fires(expression: &str, zone: &str, after: &str, expected: &[&str]) {
    let found = next_times(&cron(expression, zone), after, expected.len());
    assert_eq!(found, expected, "{expression} {zone}");
}

#[test]
fn fields_mean_what_they_say() {
    let utc = "2026-11-21T07:00:00Z"; // A Saturday.
    for (expression, expected) in [
        ("0 9 * * mon-fri", "2026-11-23T09:00"),
        ("0 9 * * 1-5", "2026-11-23T09:00"),
        ("0 9 * * fri-sun", "2026-11-21T09:00"),
        ("0 9 * * 7", "2026-11-22T09:00"),
        ("0 9 * * 0", "2026-11-22T09:00"),
        ("*/15 * * * *", "2026-11-21T07:15"),
        ("5/20 * * * *", "2026-11-21T07:05"),
        ("10-30/10 * * * *", "2026-11-21T07:10"),
        ("0,59 6 * * *", "2026-11-22T06:00"),
        ("0 0 1 Jan,JUL *", "2027-01-01T00:00"),
        ("0 0 29 2 *", "2028-02-29T00:00"),
        // Both days restricted: either will do; with a star, both must fit.
        ("0 0 13 * fri", "2026-11-27T00:00"),
        ("0 0 */31 * mon", "2027-02-01T00:00"),
        ("@hourly", "2026-11-21T08:00"),
        ("@daily", "2026-11-22T00:00"),
        ("@weekly", "2026-11-22T00:00"),
        ("@monthly", "2026-12-01T00:00"),
        ("@yearly", "2027-01-01T00:00"),
    ] {
        fires(expression, "UTC", utc, &[expected]);
    }
    // 29 February on a Sunday.
    let rare = next_times(&cron("0 0 29 2 */7", "UTC"), utc, 2);
    assert_eq!(rare, ["2032-02-29T00:00", "2060-02-29T00:00"]);
}

#[test]
fn what_is_no_expression_says_which_field_and_value() {
    for (text, expected) in [
        ("", "has 0 fields, not 5"),
        ("* * * *", "has 4 fields, not 5"),
        ("0 0 * * * *", "has 6 fields, not 5"),
        ("60 * * * *", "`60` is no minute: 0 to 59"),
        ("* 24 * * *", "`24` is no hour: 0 to 23"),
        ("* * 0 * *", "`0` is no day of month: 1 to 31"),
        ("* * * 13 *", "`13` is no month: 1 to 12, or jan to dec"),
        ("* * * * 8", "`8` is no day of week: 0 to 7, or sun to sat"),
        ("* * * * monday", "`monday` is no day of week"),
        ("0,x * * * *", "`x` is no minute"),
        ("0, * * * *", "`` is no minute"),
        ("+5 * * * *", "`+5` is no minute"),
        ("*/0 * * * *", "a step is a number from 1 to 59"),
        ("*/x * * * *", "a step is a number"),
        ("* 22-2 * * *", "a range goes upwards"),
        ("* * * * ?", "`?` is no day of week"),
        ("@reboot", "has 1 fields, not 5"),
        ("0 0 31 2 *", "never fires"),
        ("0 0 30 feb *", "never fires"),
        ("0 0 31 4,6,9,11 *", "never fires"),
        (&"0 ".repeat(200), "over the maximum of 256"),
    ] {
        let error = text.parse::<Cron>().expect_err(text).to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
    for zone in [
        "",
        "Europe/Berlín",
        "Mars/Olympus",
        "../etc/passwd",
        "CEST5",
    ] {
        let error = zone.parse::<Zone>().expect_err(zone);
        assert_eq!(
            error.to_string(),
            format!("time zone `{zone}` is not known")
        );
    }
}

#[test]
fn a_time_of_day_in_the_gap_fires_right_after_it() {
    // 02:00 becomes 03:00.
    let (berlin, before) = ("Europe/Berlin", "2026-03-28T12:00:00Z");
    let expected = ["2026-03-29T01:00", "2026-03-30T00:30"];
    fires("30 2 * * *", berlin, before, &expected);
    fires(
        "0 2 * * *",
        berlin,
        before,
        &["2026-03-29T01:00", "2026-03-30T00:00"],
    );
    let (york, before) = ("America/New_York", "2026-03-07T12:00:00Z");
    let expected = ["2026-03-08T07:00", "2026-03-09T06:30"];
    fires("30 2 * * *", york, before, &expected);
    // Two in the gap, or one there and one at its end, are one.
    let expected = ["2026-03-08T07:00", "2026-03-09T06:00", "2026-03-09T06:30"];
    fires("0,30 2 * * *", york, before, &expected);
    let expected = ["2026-03-08T07:00", "2026-03-09T06:00", "2026-03-09T07:00"];
    fires("0 2,3 * * *", york, before, &expected);
    // Only on the day in question.
    fires("30 2 * * mon", york, before, &["2026-03-09T06:30"]);
    // A gap of half an hour, and one of a whole day.
    let expected = ["2026-10-03T15:30", "2026-10-04T15:15"];
    fires(
        "15 2 * * *",
        "Australia/Lord_Howe",
        "2026-10-03T12:00:00Z",
        &expected,
    );
    let expected = ["2011-12-29T22:00", "2011-12-30T10:00", "2011-12-30T22:00"];
    fires(
        "0 12 * * *",
        "Pacific/Apia",
        "2011-12-29T12:00:00Z",
        &expected,
    );
}

#[test]
fn a_time_of_day_that_comes_twice_fires_once() {
    // 03:00 becomes 02:00.
    let (berlin, before) = ("Europe/Berlin", "2026-10-24T12:00:00Z");
    let expected = ["2026-10-25T00:30", "2026-10-26T01:30"];
    fires("30 2 * * *", berlin, before, &expected);
    // Asked in the middle of the repeated hour.
    fires(
        "30 2 * * *",
        berlin,
        "2026-10-25T01:10:00Z",
        &["2026-10-26T01:30"],
    );
    // 02:00 becomes 01:00.
    let (york, before) = ("America/New_York", "2026-10-31T12:00:00Z");
    let expected = ["2026-11-01T05:30", "2026-11-02T06:30"];
    fires("30 1 * * *", york, before, &expected);
    let expected = ["2026-11-01T05:15", "2026-11-01T07:15", "2026-11-02T06:15"];
    fires("15 1,2 * * *", york, before, &expected);
}

#[test]
fn an_interval_goes_by_real_time() {
    let spring = "2026-03-29T00:00:00Z";
    let expected = ["2026-03-29T00:30", "2026-03-29T01:00", "2026-03-29T01:30"];
    fires("*/30 * * * *", "Europe/Berlin", spring, &expected);
    let expected = ["2026-03-29T00:30", "2026-03-29T01:30", "2026-03-29T02:30"];
    fires("30 * * * *", "Europe/Berlin", spring, &expected);
    // Every other hour of the clock: 00, 04, since 02 does not exist.
    let expected = ["2026-03-29T02:00", "2026-03-29T04:00"];
    fires("0 */2 * * *", "Europe/Berlin", spring, &expected);
    let autumn = "2026-10-24T23:45:00Z";
    let expected = ["2026-10-25T00:30", "2026-10-25T01:30", "2026-10-25T02:30"];
    fires("30 * * * *", "Europe/Berlin", autumn, &expected);
    let expected = [
        "2026-11-01T05:00",
        "2026-11-01T05:30",
        "2026-11-01T06:00",
        "2026-11-01T06:30",
        "2026-11-01T07:00",
    ];
    fires(
        "*/30 * * * *",
        "America/New_York",
        "2026-11-01T04:45:00Z",
        &expected,
    );
    // In one hour of the clock: twice in the hour that comes twice, not at all in the one left out.
    fires(
        "*/40 1 * * *",
        "America/New_York",
        "2026-10-31T12:00:00Z",
        &["2026-11-01T05:00", "2026-11-01T05:40", "2026-11-01T06:00"],
    );
    fires(
        "*/40 2 * * *",
        "America/New_York",
        "2026-03-07T12:00:00Z",
        &["2026-03-09T06:00"],
    );
}

#[test]
fn every_interval_counts_from_the_anchor() {
    let anchor = at("2026-11-21T07:00:00.250Z");
    let timing = every(15 * 60_000);
    let next = |after: &str| timing.next(at(after), anchor).expect("a time").to_string();
    assert_eq!(
        next("2026-11-21T07:00:00.250Z"),
        "2026-11-21T07:15:00.250000Z"
    );
    assert_eq!(
        next("2026-11-21T07:15:00.249999Z"),
        "2026-11-21T07:15:00.250000Z"
    );
    assert_eq!(
        next("2026-11-21T07:15:00.250Z"),
        "2026-11-21T07:30:00.250000Z"
    );
    assert_eq!(next("2027-01-01T00:00:00Z"), "2027-01-01T00:00:00.250000Z");
    // A clock that went back does not make it fire before it was made.
    assert_eq!(next("2026-11-20T00:00:00Z"), "2026-11-21T07:15:00.250000Z");
    for ms in [0, 999, INTERVAL_MS_MAX + 1, u64::MAX] {
        assert_eq!(Interval::try_from(ms), Err(ScheduleError::Interval(ms)));
    }
    assert_eq!(timing.next(Timestamp(i64::MAX), anchor), None);
}

#[test]
fn names() {
    for good in ["a", "reports/daily", "acme.billing_v2/x-1"] {
        assert!(good.parse::<ScheduleName>().is_ok(), "{good}");
    }
    for bad in ["", "/a", "1a", "A", "a b", "é", "a\n", &"a".repeat(129)] {
        assert!(bad.parse::<ScheduleName>().is_err(), "{bad}");
    }
}

#[test]
fn a_specification_reads_back() {
    for (spec, text) in [
        (
            ScheduleSpec {
                timing: cron("0 9 * * mon-fri", "Europe/Berlin"),
                overlap: Overlap::Queue,
                missed: Missed::All { cap: 7 },
            },
            r#"{"timing":"cron","expression":"0 9 * * mon-fri","time_zone":"Europe/Berlin","overlap":"queue","missed":{"all":{"cap":7}}}"#,
        ),
        (
            ScheduleSpec {
                timing: every(1_000),
                overlap: Overlap::Skip,
                missed: Missed::Once,
            },
            r#"{"timing":"every","interval_ms":1000,"overlap":"skip","missed":"once"}"#,
        ),
    ] {
        assert_eq!(serde_json::to_string(&spec).expect("serialises"), text);
        assert_eq!(
            serde_json::from_str::<ScheduleSpec>(text).expect(text),
            spec
        );
    }
    for bad in [
        r#"{"timing":"every","interval_ms":0,"overlap":"skip","missed":"once"}"#,
        r#"{"timing":"cron","expression":"0 0 31 2 *","time_zone":"UTC","overlap":"skip","missed":"once"}"#,
    ] {
        assert!(serde_json::from_str::<ScheduleSpec>(bad).is_err(), "{bad}");
    }
}

/// Due every minute from 12:00:00 on; it is 12:10:30 now, so that the times up to 12:09 were missed.
fn late(missed: Missed, starts_max: usize) -> FirePlan {
    let spec = ScheduleSpec {
        timing: every(60_000),
        overlap: Overlap::Allow,
        missed,
    };
    let anchor = at("2026-11-21T00:00:00Z");
    let due_at = at("2026-11-21T12:00:00Z");
    plan(
        &spec,
        anchor,
        due_at,
        at("2026-11-21T12:10:30Z"),
        starts_max,
    )
}

fn minutes(plan: &FirePlan, kind: FireKind) -> Vec<String> {
    let of_kind = plan.fires.iter().filter(|(_, fired)| *fired == kind);
    of_kind
        .map(|(at, _)| at.to_string()[14..16].to_owned())
        .collect()
}

#[test]
fn missed_times_are_skipped_or_made_up_for() {
    let next = Some(at("2026-11-21T12:11:00Z"));
    let skip = late(Missed::Skip, 100);
    assert_eq!(minutes(&skip, FireKind::Missed).len(), 10);
    assert!(minutes(&skip, FireKind::StartLate).is_empty());
    assert_eq!(minutes(&skip, FireKind::Start), ["10"]);
    assert_eq!((skip.next_at, skip.more_missed), (next, false));
    let once = late(Missed::Once, 100);
    assert_eq!(minutes(&once, FireKind::Missed).len(), 9);
    assert_eq!(minutes(&once, FireKind::StartLate), ["09"]);
    assert_eq!(
        (minutes(&once, FireKind::Start), once.next_at),
        (vec!["10".to_owned()], next)
    );
    let all = late(Missed::All { cap: 3 }, 100);
    assert_eq!(minutes(&all, FireKind::Missed).len(), 7);
    assert_eq!(minutes(&all, FireKind::StartLate), ["07", "08", "09"]);
    assert_eq!(
        (minutes(&all, FireKind::Start), all.next_at),
        (vec!["10".to_owned()], next)
    );
    for plan in [skip, once, all] {
        assert!(plan.fires.is_sorted_by_key(|(at, _)| *at));
    }
}

#[test]
fn a_turn_starts_no_more_than_it_may_and_the_next_goes_on() {
    let first = late(Missed::All { cap: 5 }, 2);
    assert_eq!(minutes(&first, FireKind::Missed).len(), 5);
    assert_eq!(minutes(&first, FireKind::StartLate), ["05", "06"]);
    assert!(minutes(&first, FireKind::Start).is_empty());
    assert_eq!(first.next_at, Some(at("2026-11-21T12:07:00Z")));
}

#[test]
fn a_year_without_hosts_is_planned_at_once() {
    let spec = ScheduleSpec {
        timing: every(1_000),
        overlap: Overlap::Skip,
        missed: Missed::All {
            cap: MISSED_CAP_MAX,
        },
    };
    let (anchor, now) = (at("2025-11-21T00:00:00Z"), at("2026-11-21T00:00:00.5Z"));
    let planned = plan(&spec, anchor, anchor, now, 5_000);
    assert!(planned.more_missed);
    assert_eq!(minutes(&planned, FireKind::Missed).len(), 100);
    assert_eq!(minutes(&planned, FireKind::StartLate).len(), 1_000);
    assert_eq!(minutes(&planned, FireKind::Start).len(), 60);
    assert_eq!(planned.next_at, Some(at("2026-11-21T00:00:01Z")));
    let yearly = ScheduleSpec {
        timing: cron("0 0 1 1 *", "UTC"),
        ..spec
    };
    let planned = plan(&yearly, anchor, at("2026-01-01T00:00:00Z"), now, 5_000);
    assert_eq!(
        planned.fires,
        [(at("2026-01-01T00:00:00Z"), FireKind::StartLate)]
    );
    assert_eq!(planned.next_at, Some(at("2027-01-01T00:00:00Z")));
}

/// What a clerk would do who looks at the clock every minute: the definition, not the algorithm.
fn by_the_clock(text: &str, zone: &TimeZone, after: Instant, minutes: i64) -> Option<Instant> {
    let fields: Vec<Vec<i8>> = text
        .split(' ')
        .take(2)
        .zip([60, 24])
        .map(|(field, count)| match field.strip_prefix("*/") {
            Some(step) => (0..count).step_by(step.parse().expect("a step")).collect(),
            None if field == "*" => (0..count).collect(),
            None => field
                .split(',')
                .map(|n| n.parse().expect("a number"))
                .collect(),
        })
        .collect();
    // By minute and hour: the days of these expressions are all wild.
    let interval = text.split(' ').take(2).any(|field| field.starts_with('*'));
    let fits =
        |time: DateTime| fields[0].contains(&time.minute()) && fields[1].contains(&time.hour());
    // Begin early enough to have seen the hour that is repeated.
    let begin = after.as_second().div_euclid(60) * 60 - 2 * 86_400;
    let clock = |second| zone.to_datetime(Instant::from_second(second).expect("a time"));
    let mut latest = clock(begin);
    for second in (begin + 60..=begin + 2 * 86_400 + minutes * 60).step_by(60) {
        let now = clock(second);
        let fired = if interval {
            fits(now)
        } else if now <= latest {
            false
        } else {
            // Every minute that the clock has passed since, shown or not.
            let mut passed = latest.checked_add(1.minute()).expect("a time");
            let mut any = false;
            while passed <= now {
                any |= fits(passed);
                passed = passed.checked_add(1.minute()).expect("a time");
            }
            any
        };
        latest = latest.max(now);
        let moment = Instant::from_second(second).expect("a time");
        if fired && moment > after {
            return Some(moment);
        }
    }
    None
}

/// Minute and hour fields, dense around the hours in which clocks change.
fn expressions() -> impl Strategy<Value = String> {
    let minute = prop_oneof![
        Just("*".to_owned()),
        (1..60u8).prop_map(|step| format!("*/{step}")),
        (0..60u8).prop_map(|n| n.to_string()),
        (0..60u8, 0..60u8).prop_map(|(a, b)| format!("{a},{b}")),
    ];
    let hour = prop_oneof![
        Just("*".to_owned()),
        (1..24u8).prop_map(|step| format!("*/{step}")),
        (0..5u8).prop_map(|n| n.to_string()),
        (0..5u8, 0..24u8).prop_map(|(a, b)| format!("{a},{b}")),
    ];
    (minute, hour).prop_map(|(minute, hour)| format!("{minute} {hour} * * *"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_next_time_is_that_of_the_clock(
        text in expressions(),
        zone in prop::sample::select(vec![
            "UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "America/Santiago",
        ]),
        // Around the changes of 2026, and anywhere.
        begin in prop::sample::select(vec![
            "2026-03-28T12:00:00Z", "2026-10-24T12:00:00Z", "2026-03-07T18:00:00Z", "2026-10-31T18:00:00Z",
            "2026-04-04T06:00:00Z", "2026-10-03T06:00:00Z", "2026-09-05T18:00:00Z", "2026-07-01T00:00:00Z",
        ]),
        offset_us in 0..172_800_000_000_i64,
    ) {
        let after = Timestamp(at(begin).0 + offset_us);
        let timing = cron(&text, zone);
        let next = timing.next(after, Timestamp(0)).expect("it fires every day");
        prop_assert!(next > after);
        let zone: Zone = zone.parse().expect("a zone");
        let moment = Instant::from_microsecond(after.0).expect("a time");
        let expected = by_the_clock(&text, &zone.zone, moment, 3 * 1_440).expect("within three days");
        prop_assert_eq!(next.0, expected.as_microsecond(), "{} {} after {}", text, zone, after);
    }

    #[test]
    fn the_next_time_fits_every_field_and_is_later(
        text in "([0-9]|[1-5][0-9]|\\*) ([0-9]|1[0-9]|\\*) ([1-9]|1[0-9]|\\*) ([1-9]|\\*) ([0-6]|\\*)",
        after_s in 1_700_000_000..2_000_000_000_i64,
    ) {
        let after = Timestamp(after_s * 1_000_000);
        let next = cron(&text, "UTC").next(after, Timestamp(0)).expect("it fires");
        prop_assert!(next > after);
        let time = TimeZone::UTC.to_datetime(Instant::from_microsecond(next.0).expect("a time"));
        let fields: Vec<&str> = text.split(' ').collect();
        let fits = |field: usize, value: i8| fields[field] == "*" || fields[field] == value.to_string();
        prop_assert!(fits(0, time.minute()) && fits(1, time.hour()) && fits(3, time.month()));
        let (day, weekday) = (fits(2, time.day()), fits(4, time.weekday().to_sunday_zero_offset()));
        if fields[2] != "*" && fields[4] != "*" {
            prop_assert!(day || weekday);
        } else {
            prop_assert!(day && weekday);
        }
    }

    #[test]
    fn an_interval_is_later_and_on_its_grid(ms in INTERVAL_MS_MIN..INTERVAL_MS_MAX, anchor in 0..1_i64 << 50, after in 0..1_i64 << 51) {
        let next = every(ms).next(Timestamp(after), Timestamp(anchor)).expect("a time");
        prop_assert!(next.0 > after && next.0 > anchor);
        prop_assert_eq!((next.0 - anchor) % (ms as i64 * 1_000), 0);
        prop_assert!(next.0 - after.max(anchor) <= ms as i64 * 1_000);
    }

    #[test]
    fn no_text_makes_the_parsers_panic(text in "\\PC{0,40}|[-0-9*/,a-z@ ]{0,30}") {
        let _ = text.parse::<Cron>();
        let _ = text.parse::<Zone>();
        let _ = text.parse::<ScheduleName>();
    }
}
