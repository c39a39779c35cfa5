//! Black-box tests: the real binary, real components, real databases.
//!
//! A test of a promise that holds on both databases is written once; [`on_both!`] makes two of it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

/// Makes `sqlite::name` and `postgres::name` of functions that take a [`hardstop_tests::Kind`].
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[test]
            fn $name() {
                super::$name(hardstop_tests::Kind::Sqlite);
            })+
        }
        mod postgres {
            $(#[test]
            fn $name() {
                super::$name(hardstop_tests::Kind::Postgres);
            })+
        }
    };
}

/// The same, and `served::name`: each command is asked of a server before the database.
macro_rules! both_ways {
    ($($name:ident),+ $(,)?) => {
        on_both!($($name),+);

        mod served {
            $(#[test]
            fn $name() {
                super::$name(hardstop_tests::Kind::Served);
            })+
        }
    };
}

mod admission;
mod api;
mod bench;
mod chain;
mod cli;
mod client;
mod command;
mod crash;
mod dashboard;
mod dead_letter;
mod deployment;
mod event;
mod explain;
mod external;
mod http;
mod job;
mod keep;
mod lineage;
mod mass;
mod metrics;
mod outage;
mod pickup;
mod policy;
mod schedule;
mod statement;
mod tidy;
mod trace;
mod worker;
mod zoo;
