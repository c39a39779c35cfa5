//! `hardstop schedule ...`.

use std::fmt::Write as _;
use std::process::ExitCode;

use hardstop_domain::schedule::MISSED_CAP_DEFAULT;
use hardstop_domain::{Missed, Overlap, Timestamp};
use hardstop_store::{Fire, Schedule, ScheduleDetail};
use serde_json::json;

use super::args::{MissedArg, OverlapArg, PutArgs, ScheduleCommand};
use super::{Context, output};
use crate::error::Error;
use crate::service::{ScheduleRequest, timed, upcoming};

/// How many of its next times `show` prints.
const NEXT_SHOWN: usize = 5;

pub async fn execute(context: &Context, command: ScheduleCommand) -> Result<ExitCode, Error> {
    let service = context.service(false);
    let done = |name: &str, what: &str| {
        let printed = json!({ "name": name, "done": what });
        context.output.one(&printed, || format!("{what} {name}\n"));
    };
    match command {
        ScheduleCommand::Put(args) => {
            let request = request(args)?;
            let name = request.name.clone();
            let put = service.put_schedule(request).await?;
            let printed = json!({ "name": name, "created": put.created, "next_at": put.next_at });
            context.output.one(&printed, || {
                let verb = if put.created { "created" } else { "changed" };
                let next = put.next_at.map_or_else(
                    || "it is paused".to_owned(),
                    |at| format!("it fires next at {at}"),
                );
                format!("{verb} {name}: {next}\n")
            });
        }
        ScheduleCommand::List => {
            let schedules = service.schedules().await?;
            let printed = schedules
                .iter()
                .map(|schedule| timed(schedule, schedule, 1));
            let printed: Vec<_> = printed.collect();
            context.output.many(&printed, || {
                let header = [
                    "schedule", "type", "when", "next", "next utc", "overlap", "missed",
                ];
                output::table(header, schedules.iter().map(row))
            });
            if schedules.is_empty() && context.output.is_human() {
                eprintln!("no schedules: `hardstop schedule put` makes one");
            }
        }
        ScheduleCommand::Show { name } => {
            let detail = service.schedule(&name).await?;
            let printed = timed(&detail, &detail.schedule, NEXT_SHOWN);
            context.output.one(&printed, || show(&detail));
        }
        ScheduleCommand::Pause { name } => {
            service.set_schedule_paused(&name, true).await?;
            done(&name, "paused");
        }
        ScheduleCommand::Resume { name } => {
            service.set_schedule_paused(&name, false).await?;
            done(&name, "resumed");
        }
        ScheduleCommand::Trigger { name } => {
            let chain = service.trigger_schedule(&name).await?;
            context
                .output
                .one(&json!({ "chain_id": chain }), || format!("{chain}\n"));
        }
        ScheduleCommand::Delete { name } => {
            service.delete_schedule(&name).await?;
            done(&name, "deleted");
        }
    }
    service.close().await;
    Ok(ExitCode::SUCCESS)
}

fn request(args: PutArgs) -> Result<ScheduleRequest, Error> {
    let missed = match (args.missed, args.missed_cap) {
        (MissedArg::All, cap) => Missed::All {
            cap: cap.unwrap_or(MISSED_CAP_DEFAULT),
        },
        (_, Some(_)) => {
            return Err(
                Error::usage("--missed-cap bounds --missed all, which is not given")
                    .hint("add --missed all, or leave --missed-cap out"),
            );
        }
        (MissedArg::Skip, None) => Missed::Skip,
        (MissedArg::Once, None) => Missed::Once,
    };
    Ok(ScheduleRequest {
        name: args.name,
        type_name: args.type_name,
        input: output::read_input(&args.input)?,
        priority: args.priority,
        cron: args.timing.cron,
        time_zone: args.time_zone,
        every: args.timing.every,
        overlap: match args.overlap {
            OverlapArg::Skip => Overlap::Skip,
            OverlapArg::Queue => Overlap::Queue,
            OverlapArg::Allow => Overlap::Allow,
        },
        missed,
    })
}

fn row(schedule: &Schedule) -> [String; 7] {
    let [local, utc] = next(schedule);
    [
        schedule.name.to_string(),
        type_name(schedule),
        schedule.spec.timing.to_string(),
        local,
        utc,
        overlap(schedule).to_owned(),
        missed(schedule),
    ]
}

fn type_name(schedule: &Schedule) -> String {
    match &schedule.type_name {
        Some(name) => name.to_string(),
        None => "(gone)".to_owned(),
    }
}

/// Its next time by its zone's clocks and in UTC.
fn next(schedule: &Schedule) -> [String; 2] {
    match schedule.next_at {
        Some(at) => [schedule.spec.timing.zone().show(at), at.to_string()],
        None if schedule.paused => ["paused", ""].map(str::to_owned),
        None => ["never", ""].map(str::to_owned),
    }
}

fn overlap(schedule: &Schedule) -> &'static str {
    match schedule.spec.overlap {
        Overlap::Skip => "skip",
        Overlap::Queue => "queue",
        Overlap::Allow => "allow",
    }
}

fn missed(schedule: &Schedule) -> String {
    match schedule.spec.missed {
        Missed::Skip => "skip".to_owned(),
        Missed::Once => "once".to_owned(),
        Missed::All { cap } => format!("all, up to {cap}"),
    }
}

fn show(detail: &ScheduleDetail) -> String {
    let schedule = &detail.schedule;
    let mut text = format!("{}\n\n", schedule.name);
    for (name, value) in [
        ("type", type_name(schedule)),
        ("when", schedule.spec.timing.to_string()),
        ("priority", schedule.priority.to_string()),
        ("overlap", overlap(schedule).to_owned()),
        ("missed", missed(schedule)),
        ("made", schedule.created_at.to_string()),
        ("changed", schedule.updated_at.to_string()),
    ] {
        let _ = writeln!(text, "{name:<12}{value}");
    }
    let _ = writeln!(text, "\ninput\n{}", output::indent_json(&detail.input));
    let zone = schedule.spec.timing.zone();
    let times: Vec<Timestamp> = upcoming(schedule, NEXT_SHOWN);
    if times.is_empty() {
        let [why, _] = next(schedule);
        let _ = writeln!(text, "\nnext        {why}");
    } else {
        let rows = times.iter().map(|at| [zone.show(*at), at.to_string()]);
        let _ = write!(text, "\n{}", output::table(["next", "utc"], rows));
    }
    if !detail.fires.is_empty() {
        let header = ["last", "result", "chain", "note"];
        let _ = write!(
            text,
            "\n{}",
            output::table(header, detail.fires.iter().map(fire))
        );
    }
    text
}

fn fire(fire: &Fire) -> [String; 4] {
    [
        fire.at.to_string(),
        fire.result.name().to_owned(),
        fire.chain_id.map(|id| id.to_string()).unwrap_or_default(),
        fire.note.clone().unwrap_or_default(),
    ]
}
