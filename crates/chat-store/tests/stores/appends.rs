//! Appending turns, and loading them.

use chat_store::{AppendError, ConversationId, Store};

use crate::support::{Place, head, turn};

pub(crate) fn turns_are_loaded_in_order(place: &Place) {
    let (store, id) = (place.open(), ConversationId::new());
    let turns = [turn("1?", "One."), turn("2?", "Two."), turn("3?", "Three.")];
    place.run(async {
        assert_eq!(store.load(id, 10).await.unwrap(), None);
        for (len, turn) in (0..).zip(&turns) {
            store.append(&head(id, "t"), len, turn).await.unwrap();
        }
    });
    // Another process would see the same.
    for store in [store, place.open()] {
        for last in [0, 1, 2, 3, 4, usize::MAX] {
            let loaded = place.run(store.load(id, last)).unwrap().expect("a conversation");
            assert_eq!((loaded.len, loaded.about), (3, head(id, "t").about));
            assert_eq!(loaded.turns, turns[3 - last.min(3)..], "the last {last}");
        }
    }
}

pub(crate) fn any_text_is_kept(place: &Place) {
    let (store, id) = (place.open(), ConversationId::new());
    let texts = [
        "",
        "naïve 東京 🦀 👩‍👩‍👧",
        "\u{202e}שלום مرحبا",
        "\0 \u{1}\u{7f}\u{fffd}\u{10ffff}",
        "'; DROP TABLE turn; -- \\ \" $1 ?1",
    ];
    let large = "ü".repeat(1 << 20);
    for (len, text) in (0..).zip(texts.into_iter().chain([&*large])) {
        let turn = turn(text, text);
        place.run(store.append(&head(id, text), len, &turn)).unwrap();
        let loaded = place.run(store.load(id, 1)).unwrap().unwrap();
        assert_eq!((&*loaded.about.title, &loaded.turns[0]), (text, &turn));
        assert_eq!((loaded.turns[0].question(), loaded.turns[0].answer()), (text.to_owned(), text.to_owned()));
    }
}

pub(crate) fn the_same_turn_again_changes_nothing(place: &Place) {
    let (store, id) = (place.open(), ConversationId::new());
    let turns = [turn("1?", "One."), turn("2?", "Two.")];
    for (len, turn) in (0..).zip(&turns) {
        for _ in 0..2 {
            place.run(store.append(&head(id, "t"), len, turn)).unwrap();
        }
    }
    place.run(store.append(&head(id, "t"), 0, &turns[0])).expect("also after later turns");
    assert_eq!(place.run(store.load(id, 9)).unwrap().unwrap().turns, turns);
}

pub(crate) fn another_turn_at_the_place_is_returned(place: &Place) {
    let (store, id) = (place.open(), ConversationId::new());
    let turns = [turn("1?", "One."), turn("2?", "Two.")];
    for (len, first) in (0..).zip(&turns) {
        place.run(store.append(&head(id, "t"), len, first)).unwrap();
        // An equal turn with another id is another turn.
        let other = turn(&first.question(), &first.answer());
        match place.run(store.append(&head(id, "lost"), len, &other)) {
            Err(AppendError::Conflict(found)) => assert_eq!(found, *first),
            result => panic!("{result:?}"),
        }
    }
    let loaded = place.run(store.load(id, 9)).unwrap().unwrap();
    assert_eq!((loaded.turns, loaded.about), (turns.to_vec(), head(id, "t").about));
}

pub(crate) fn a_gap_is_rejected(place: &Place) {
    let (store, id) = (place.open(), ConversationId::new());
    let append = |len| place.run(store.append(&head(id, "t"), len, &turn("?", "!")));
    assert!(matches!(append(1), Err(AppendError::Shorter(0))));
    append(0).unwrap();
    for len in [2, u64::MAX] {
        assert!(matches!(append(len), Err(AppendError::Shorter(1))));
    }
    assert_eq!(place.run(store.load(id, 9)).unwrap().unwrap().len, 1);
}

pub(crate) fn the_head_is_stored_again(place: &Place) {
    let (store, id) = (place.open(), ConversationId::new());
    for (len, title) in [(0, "a"), (1, "b")] {
        place.run(store.append(&head(id, title), len, &turn("?", "!"))).unwrap();
        assert_eq!(place.run(store.load(id, 9)).unwrap().unwrap().about.title, title);
    }
}
