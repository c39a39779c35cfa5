//! What every store does. A case that is not listed here is dead code, which the compiler reports.

mod audit;
mod blocker;
mod cancel;
mod chain;
mod claim;
mod dead_letter;
mod dedup;
mod delete;
mod deploy;
mod deployment;
mod enqueue;
mod explain;
mod external;
mod keep;
mod lineage;
mod listener;
mod migrate;
mod pause;
mod promote;
mod read;
mod request;
mod reschedule;
mod rescue;
mod retention;
mod retry;
mod schedule;
mod session;
mod settle;
mod statistic;
mod subscription;
mod token;
mod wake;

macro_rules! suite {
    ($($module:ident { $($case:ident),+ $(,)? })+) => {
        mod sqlite {
            suite!(@store Sqlite $($module { $($case),+ })+);
        }
        mod sqlite_memory {
            suite!(@store SqliteMemory $($module { $($case),+ })+);
        }
        mod postgres {
            suite!(@store Postgres $($module { $($case),+ })+);
        }
        mod postgres_schema {
            suite!(@store PostgresSchema $($module { $($case),+ })+);
        }
    };
    (@store $store:ident $($module:ident { $($case:ident),+ })+) => {$(
        mod $module {
            use crate::conformance::$module as cases;
            use crate::fixture::{Fixture, Setting, run};

            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    run(Setting::$store, async |db: Fixture| {
                        cases::$case(db.clone()).await;
                        db.check_counts().await;
                    })
                    .await;
                }
            )+
        }
    )+};
}

suite! {
    audit {
        each_change_is_recorded_with_what_was_and_is,
        a_deployment_is_recorded_with_limits_and_grants,
        what_changes_nothing_leaves_no_record,
        a_token_is_recorded_without_its_hash,
        records_are_filtered_and_paged,
    }
    request {
        a_request_that_is_sent_again_starts_nothing_more,
        another_request_cannot_have_the_key,
        a_request_that_failed_leaves_its_key_free,
        requests_that_come_at_once_start_once,
        everything_that_is_made_is_made_once,
        keys_are_forgotten_after_a_day,
    }
    statistic {
        counters_hold_while_sessions_work_at_once,
        the_oldest_ready_job_is_found_in_any_priority,
        what_a_session_saw_is_read_by_steps,
        folding_loses_nothing,
        statistics_that_cannot_be_are_refused,
    }
    subscription {
        ends_of_jobs_are_told_to_those_who_want_them,
        what_is_not_committed_is_told_to_nobody,
        events_of_a_job_keep_their_order,
        one_host_delivers_at_a_time,
        a_failed_delivery_is_retried_given_up_or_stops,
        a_paused_subscription_gathers_and_stays_paused,
        deliveries_are_made_again,
        subscriptions_that_cannot_be_are_refused,
        a_failing_type_is_told_once_for_each_episode,
        a_stuck_type_is_told_unless_it_is_held,
        old_deliveries_are_forgotten,
        what_is_done_with_a_subscription_is_recorded,
    }
    listener {
        every_end_is_heard_by_those_who_want_it,
        what_is_rolled_back_is_heard_by_nobody,
        the_same_is_told_again_until_it_was_heard,
        a_stream_goes_on_at_another_host,
        a_stream_that_nobody_hears_ends,
        a_stream_that_falls_too_far_behind_ends,
        what_is_far_back_is_forgotten,
        one_that_nobody_hears_gives_way,
        a_failing_type_is_heard_by_who_listens_for_it,
        listeners_that_cannot_be_are_refused,
    }
    token {
        a_token_is_found_until_it_is_revoked,
        a_token_expires_by_the_databases_clock,
        tokens_are_listed_newest_first,
        tokens_that_cannot_be_are_refused,
    }
    blocker {
        the_last_blocker_to_close_makes_ready_with_outputs_in_order,
        a_blocker_that_closed_before_is_not_waited_for,
        a_chain_closes_with_its_last_job,
        a_graph_starts_in_one_call,
        cycles_and_unknown_chains_start_nothing,
        too_many_blockers_are_refused,
        a_failed_blocker_cancels_all_the_way_down,
        a_blocker_that_had_failed_cancels_at_the_start,
        a_held_job_runs_once_its_blocker_was_replayed,
        a_held_job_can_be_forced_or_cancelled,
        a_replayed_dependent_waits_for_what_is_open_again,
        a_replayed_dependent_keeps_what_a_failed_blocker_does,
        a_due_time_is_kept_while_blocked,
        two_blockers_that_close_at_once,
        a_blocker_that_continues_while_a_dependent_is_added,
        two_chains_that_go_on_waiting_for_each_other,
        a_job_goes_on_with_what_its_children_made,
        a_settlement_whose_blockers_cannot_be_is_refused_alone,
        ten_thousand_blockers_of_one_job,
        one_chain_that_blocks_ten_thousand_jobs,
        whoever_comes_next_tells_the_dependents,
    }
    dedup {
        an_open_chain_makes_a_start_superfluous,
        every_end_of_a_chain_frees_its_key,
        a_window_looks_back_at_closed_chains,
        a_key_twice_in_a_batch_starts_once,
        a_blocker_that_was_not_started_is_the_chain_in_its_place,
        concurrent_starts_with_one_key_start_once,
        starts_beside_the_end_of_the_holder,
        a_replay_takes_the_key_again_or_says_who_has_it,
        keys_and_windows_are_bounded,
    }
    lineage {
        children_and_continuations_know_where_they_stand,
        descendants_are_counted_exactly,
        two_at_once_never_pass_the_bound,
    }
    reschedule {
        a_scheduled_job_is_triggered,
        a_ready_job_is_put_off_and_back,
        a_start_names_a_time,
        what_cannot_be_moved_says_so,
        a_chain_is_cancelled_wherever_it_stands,
        a_chain_that_continues_meanwhile,
        snoozes_are_counted_and_added_up,
    }
    enqueue {
        a_job_is_ready_at_once,
        a_delayed_job_is_scheduled,
        everything_arrives_at_the_claim,
        an_unknown_type_starts_nothing,
        a_known_id_starts_nothing,
        an_id_twice_starts_nothing,
        values_that_cannot_be_stored_are_refused,
        a_thousand_at_once,
        two_hosts_at_once_with_the_same_id,
    }
    claim {
        counts_attempts_and_runs,
        goes_by_priority_due_time_and_id,
        takes_turns_between_types_within_quotas,
        leaves_types_that_are_not_named,
        claimers_never_get_the_same_job,
        is_refused_to_a_session_that_ended,
        gives_nothing_to_a_session_that_expired,
        takes_a_type_named_twice_once,
    }
    keep {
        a_job_completed_at_once_leaves_nothing,
        its_payload_goes_with_it_or_with_its_day,
        its_end_is_told,
        failures_stay,
        one_that_was_given_back_stays,
        one_for_which_others_wait_stays,
        one_with_a_key_stays,
        jobs_of_longer_chains_stay,
        one_that_starts_others_stays_and_they_need_not,
    }
    settle {
        a_completion_closes_the_chain,
        a_continuation_carries_the_chain_on,
        children_start_with_their_parent,
        a_retry_counts_the_attempt,
        a_retry_without_delay_is_ready,
        a_snooze_does_not_count,
        a_release_keeps_its_place,
        a_discard_is_final_and_recorded,
        a_cancellation_is_final_and_recorded,
        a_wrong_lease_is_stale,
        is_stale_after_a_rescue_and_a_claim_by_the_same_session,
        a_batch_sent_again_is_written_once,
        an_old_batch_is_known_though_its_jobs_run_again,
        a_bad_settlement_is_refused_alone,
        what_cannot_be_written_is_refused_before,
        a_lease_twice_in_a_batch_is_settled_once,
        a_job_under_two_leases_in_a_batch_is_settled_under_its_own,
        two_at_once_write_once,
        a_thousand_at_once,
        an_expired_session_may_settle_until_it_is_rescued,
    }
    session {
        a_heartbeat_renews_and_tells_what_is_held,
        a_heartbeat_tells_what_is_held_under_some_leases,
        an_ended_session_is_told_so,
        closing_gives_jobs_back_uncounted,
        numbers_are_never_used_twice,
        are_listed_until_they_end,
        tell_how_their_worker_stands_and_are_asked_to_drain_once,
        what_an_attempt_says_is_read_while_it_runs,
        what_nobody_removed_goes_with_the_upkeep,
    }
    rescue {
        gives_jobs_back_uncounted,
        leaves_live_sessions_alone,
        discards_what_was_lost_too_often,
        finds_jobs_of_a_session_that_is_gone,
        finds_what_lies_before_between_and_behind_live_sessions,
        two_at_once_rescue_each_job_once,
        racing_a_heartbeat_either_wins_whole,
        racing_a_claim_loses_no_job,
    }
    external {
        a_type_without_a_component_is_stored_and_keeps_its_kind,
        a_completion_closes_the_chain_once,
        a_failure_discards,
        a_continuation_inherits_from_its_chain,
        a_continuation_waits_for_its_blockers,
        the_end_of_one_frees_its_dependents,
        what_cannot_be_completed_says_why,
        a_deadline_discards_and_is_the_end,
        a_completion_racing_another_or_the_deadline_is_written_once,
    }
    promote {
        makes_due_jobs_ready,
        tells_when_the_next_is_due,
        is_bounded,
        two_at_once_promote_each_job_once,
    }
    deploy {
        stores_the_component_and_its_types,
        a_later_deployment_replaces_the_specification,
        what_contradicts_itself_is_refused,
        two_at_once_are_both_made,
        files_are_stored_with_it,
    }
    deployment {
        the_history_tells_of_each_deployment_and_change,
        a_rollback_goes_further_back_each_time,
        a_canary_is_beside_what_is_in_force_until_it_ends,
        attempts_name_what_they_ran,
        a_job_has_the_larger_memory_once_it_ran_out_and_until_it_is_replayed,
        a_component_in_quarantine_is_not_claimed_until_another_is_in_force,
        a_release_counts_from_then_on,
        a_canary_in_quarantine_ends_and_nothing_is_held,
        two_hosts_at_once_begin_a_quarantine_once,
        what_is_counted_is_bounded_and_the_last_attempts_decide,
        a_held_job_is_explained,
    }
    cancel {
        a_queued_job,
        a_running_job_loses_its_lease,
        a_final_or_unknown_job,
        racing_a_settlement_one_wins,
    }
    retry {
        a_discarded_job_runs_again_and_keeps_its_records,
        a_cancelled_job_reopens_its_chain,
        a_scheduled_job_at_once,
        not_what_runs_or_went_well,
        not_beside_another_live_job_of_the_chain,
        two_at_once_reopen_once,
    }
    dead_letter {
        are_found_by_every_filter,
        pages_meet_exactly,
        bad_queries_are_refused,
        are_replayed_each_by_itself,
        a_replay_can_be_followed,
        one_that_cannot_be_replayed_spoils_no_other,
        two_replays_at_once_take_each_job_once,
    }
    delete {
        takes_everything_of_a_chain,
        stops_what_runs,
        is_refused_while_others_wait_or_takes_them_along,
        a_chain_that_goes_on_meanwhile_is_deleted_whole,
        two_at_once_delete_once,
        racing_a_start_that_names_the_chain_one_wins,
    }
    retention {
        what_is_old_goes_and_what_is_needed_stays,
        steps_are_bounded_and_forever_is_for_ever,
        what_is_gone_leaves_nothing_behind,
        many_hosts_at_once_remove_each_job_once,
    }
    read {
        a_job_in_full,
        pages_meet_exactly_within_a_millisecond,
        pages_meet_while_jobs_finish,
        by_type_and_state,
        by_the_time_that_the_id_names,
        by_key_through_the_chains_that_had_it,
        rare_states_by_their_own_indexes,
        a_job_with_all_that_surrounds_it,
        a_chain_oldest_first,
        what_jobs_of_a_type_used_newest_first,
        nothing_where_there_is_nothing,
    }
    chain {
        is_listed_with_its_first_type_and_last_state,
        pages_meet_while_chains_go_on_and_close,
        by_the_time_that_the_id_names,
        by_key,
        what_cannot_be_asked_for_is_refused,
        in_full,
        with_the_first_hundred_dependents,
        nothing_where_there_is_nothing,
    }
    explain {
        a_ready_job_and_those_ahead_of_it,
        counts_no_further_than_it_must,
        a_blocked_job,
        pauses_in_force,
        sessions_that_serve_the_type,
        a_running_job_and_its_session,
        an_external_job,
        why_the_last_run_failed,
        a_final_or_unknown_job,
    }
    wake {
        a_start_is_heard_here_and_elsewhere,
        only_what_makes_work_wakes,
        a_cancellation_is_heard,
        every_change_that_makes_jobs_ready_is_heard,
    }
    pause {
        a_paused_type_is_not_claimed_and_others_are,
        everything_may_be_paused,
        what_runs_goes_on,
        a_pause_ends_at_its_time,
        bad_pauses_are_refused,
    }
    schedule {
        starts_its_chain_when_due,
        three_hosts_at_once_fire_it_once,
        skips_while_the_chain_before_is_open,
        allows_and_queues,
        a_queued_chain_waits_for_the_one_before,
        missed_times_are_skipped_or_made_up_for,
        a_long_absence_is_made_up_for_in_turns,
        a_pause_makes_up_for_nothing,
        a_trigger_starts_a_chain_and_leaves_its_time,
        what_cannot_start_is_recorded_and_stays,
        a_time_that_was_recorded_is_not_fired_again,
        is_changed_and_deleted,
        bad_schedules_are_refused,
        changes_are_heard,
    }
    migrate {
        a_migrated_database_is_this_hosts,
        a_newer_schema_is_recognised,
        an_older_schema_is_recognised,
        an_altered_migration_is_recognised,
        maintenance_may_run_any_time,
    }
}

mod unmigrated {
    use super::migrate;
    use crate::fixture::{Setting, run_unmigrated};

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn sqlite_two_at_once() {
        run_unmigrated(Setting::Sqlite, migrate::two_at_once_apply_each_once).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn postgres_schema_two_at_once() {
        let case = migrate::two_at_once_apply_each_once;
        run_unmigrated(Setting::PostgresSchema, case).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn postgres_two_at_once() {
        run_unmigrated(Setting::Postgres, migrate::two_at_once_apply_each_once).await;
    }
}
