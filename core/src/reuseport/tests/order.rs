use super::*;

/// Who gets what arrives: the slots, or by hash everybody if one of them is not there.
fn only_theirs(group: &Order, slots: Slots) -> bool {
    let range = slots.first as usize..(slots.first + slots.count) as usize;
    group.0.get(range).unwrap_or(&group.0).iter().all(Option::is_none)
}

/// Closes all of ours as a group does, while `joins` more of theirs join before each close; how often we were exposed.
fn walk(mut group: Order, joins: usize) -> usize {
    let mut exposed = 0;
    for left in (1..=group.ours()).rev() {
        assert!(only_theirs(&group, group.theirs().unwrap()), "{group:?}");
        let closing = group.closing().unwrap();
        assert!(only_theirs(&group, closing.slots), "before: {closing:?} {group:?}");
        assert!(group.at(closing.slot).is_some(), "one of ours: {closing:?} {group:?}");
        group.closed(closing.slot);
        let sure = only_theirs(&group, closing.slots);
        assert_eq!(sure, !closing.exposed, "after: {closing:?} {group:?}");
        assert!(sure || left > 1, "nobody of ours is left to catch what comes: {group:?}");
        exposed += usize::from(closing.exposed);
        group.joined(group.0.len() - group.ours() + joins);
    }
    assert_eq!(group.closing(), None);
    exposed
}

#[test]
fn nothing_comes_to_us_wherever_ours_are_but_once_where_theirs_is_one_alone() {
    for count in 2_usize..10 {
        for whose in 1..(1_u32 << count) - 1 {
            let slots = (0..count).map(|slot| (whose >> slot & 1 == 0).then_some(slot)).collect();
            let group = Order::new(slots);
            let alone = (whose.count_ones() == 1).then_some(whose.trailing_zeros() as usize);
            for joins in 0..3 {
                // Behind slot 1 it is the last sooner or later, unless others join in time.
                let moves = alone.is_some_and(|slot| slot > 1 && (slot == count - 1 || joins == 0));
                assert_eq!(walk(group.clone(), joins), usize::from(moves), "{group:?}");
            }
        }
    }
}

#[test]
fn the_last_of_ours_is_closed_first() {
    let mut group = Order::new((0..3).map(Some).collect());
    assert_eq!((group.theirs(), group.closing()), (None, None));
    group.joined(3);
    assert_eq!(group.theirs(), Some(Slots { first: 3, count: 3 }));
    let slots = Slots { first: 3, count: 2 };
    assert_eq!(group.closing(), Some(Closing { slot: 2, slots, exposed: false }));
    assert_eq!((group.at(2), group.at(3), group.at(9)), (Some(2), None, None));
}
