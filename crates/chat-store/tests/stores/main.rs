//! The same cases in memory, on SQLite and on a real Postgres server.

mod appends;
mod conversations;
mod lists;
mod long;
mod processes;
mod versions;

#[path = "../support/mod.rs"]
mod support;

use support::Place;
use support::postgres::Server;

/// A case: it gets an empty place.
type Case = fn(&Place);

/// Runs each case on SQLite as a test of its own, and all on one Postgres server. Those of `any` are also tests in memory.
macro_rules! cases {
    (any { $($any:ident::$any_name:ident)* } durable { $($module:ident::$name:ident)* }) => {
        mod memory {
            $(
                #[test]
                fn $any_name() {
                    crate::$any::$any_name(&crate::Place::memory());
                }
            )*
        }

        cases! { $($any::$any_name)* $($module::$name)* }
    };
    ($($module:ident::$name:ident)*) => {
        mod sqlite {
            $(
                #[test]
                fn $name() {
                    crate::$module::$name(&crate::Place::sqlite());
                }
            )*
        }

        const CASES: &[(&str, Case)] = &[$((stringify!($name), $module::$name)),*];
    };
}

cases! {
    any {
        appends::turns_are_loaded_in_order
        appends::any_text_is_kept
        appends::the_same_turn_again_changes_nothing
        appends::another_turn_at_the_place_is_returned
        appends::a_gap_is_rejected
        appends::the_head_is_stored_again
        lists::the_newest_comes_first
        lists::pages_have_every_conversation_once
        lists::a_deleted_conversation_is_gone
        conversations::a_chat_continues
        conversations::changed_settings_are_stored_with_the_next_turn
        conversations::calls_of_tools_are_answered_after_a_resume
        conversations::a_resume_goes_back_to_the_question
        conversations::a_session_continues
        conversations::a_session_with_an_unusable_id_does_not_continue
        conversations::a_cancelled_answer_is_stored
        conversations::a_conflict_returns_the_answer
        conversations::sessions_that_began_at_once_become_one
        conversations::turns_wait_until_the_store_is_back
        conversations::a_reload_returns_no_stored_turn
        conversations::a_dropped_reply_is_saved_later
        conversations::a_deleted_conversation_is_not_continued
    }
    durable {
        long::loading_the_last_turns_reads_only_them
        processes::two_processes_append_at_once
        processes::a_killed_process_leaves_whole_turns
        processes::processes_migrate_at_once
        versions::a_newer_version_is_rejected
        versions::an_empty_place_is_migrated_once
    }
}

#[test]
fn postgres_passes_all_cases() {
    let Some(server) = Server::start() else { return };
    for (name, case) in CASES {
        println!("{name}");
        case(&Place::postgres(server.schema()));
    }
}

/// The other processes of the cases run this test with an order in their environment.
#[test]
fn child() {
    processes::obey();
}
