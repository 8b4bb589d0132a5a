//! Listing and deleting conversations.

use chat_store::{AppendError, ConversationId, Store, Summary};

use crate::support::{Place, head, turn};

pub(crate) fn the_newest_comes_first(place: &Place) {
    let store = place.open();
    assert_eq!(place.run(store.list(None, 10)).unwrap(), []);
    let ids = [(); 3].map(|()| ConversationId::new());
    let append = |id, len| {
        // A time later than that of the turn before.
        let newest = || place.run(store.list(None, 1)).unwrap().first().map(|newest| newest.updated);
        let before = newest();
        while before.is_some_and(|before| std::time::SystemTime::now() < before + std::time::Duration::from_millis(2)) {
            std::thread::yield_now();
        }
        place.run(store.append(&head(id, &id.to_string()), len, &turn("?", "!"))).unwrap();
    };
    ids.into_iter().for_each(|id| append(id, 0));
    append(ids[0], 1);
    let list = place.run(store.list(None, 10)).unwrap();
    let found: Vec<_> = list.iter().map(|summary| (summary.id, summary.len, summary.about.title.clone())).collect();
    assert_eq!(found, [(0, 2), (2, 1), (1, 1)].map(|(at, len)| (ids[at], len, ids[at].to_string())));
    let age = list[0].updated.elapsed().unwrap_or_default();
    assert!(age.as_secs() < 600, "{age:?}");
}

pub(crate) fn pages_have_every_conversation_once(place: &Place) {
    let store = place.open();
    for _ in 0..23 {
        let id = ConversationId::new();
        place.run(store.append(&head(id, "t"), 0, &turn("?", "!"))).unwrap();
    }
    let all = place.run(store.list(None, 100)).unwrap();
    assert_eq!(all.len(), 23);
    assert!(all.is_sorted_by(|a, b| (a.updated, a.id) > (b.updated, b.id)), "newest first");
    for limit in [1, 5, 23, 100] {
        let mut pages: Vec<Summary> = Vec::new();
        loop {
            let page = place.run(store.list(pages.last().map(Summary::position), limit)).unwrap();
            assert!(page.len() <= limit);
            if page.is_empty() {
                break;
            }
            pages.extend(page);
        }
        assert_eq!(pages, all);
    }
    assert_eq!(place.run(store.list(None, 0)).unwrap(), []);
}

pub(crate) fn a_deleted_conversation_is_gone(place: &Place) {
    let store = place.open();
    let (id, other) = (ConversationId::new(), ConversationId::new());
    let turns = [turn("1?", "One."), turn("2?", "Two.")];
    for (len, turn) in (0..).zip(&turns) {
        place.run(store.append(&head(id, "t"), len, turn)).unwrap();
    }
    place.run(store.append(&head(other, "t"), 0, &turns[0])).unwrap();
    assert!(place.run(store.delete(id)).unwrap());
    assert!(!place.run(store.delete(id)).unwrap());
    assert_eq!(place.run(store.load(id, 9)).unwrap(), None);
    assert_eq!(place.run(store.list(None, 9)).unwrap().len(), 1);
    let append = |len| place.run(store.append(&head(id, "t"), len, &turns[1]));
    assert!(matches!(append(2), Err(AppendError::Shorter(0))));
    append(0).expect("a new conversation");
    assert_eq!(place.run(store.load(id, 9)).unwrap().unwrap().turns, turns[1..]);
    assert_eq!(place.run(store.load(other, 9)).unwrap().unwrap().turns, turns[..1]);
}
