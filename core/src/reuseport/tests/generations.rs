//! More than two generations of a group, and generations that come and go in an order of their own.

use super::*;

#[test]
fn a_predecessor_that_is_still_there_is_to_leave_first() {
    alone(|| {
        let mut first = group(2);
        let mut second = successor(&first, 2);
        let third = successor(&first, 2);
        let error = second.start_retiring(2, NONE).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
        let clients = clients(&first, 32);
        assert_eq!(first.retire(2, NONE, answer).unwrap().successors, 4);
        second.retire(2, NONE, answer).unwrap();
        third.sockets().for_each(|(_, socket)| answer(socket));
        assert_eq!(lost(clients), 0);
    });
}

#[test]
fn one_that_is_told_to_leave_while_its_predecessor_is_leaving_serves_until_that_has_left() {
    alone(|| {
        let mut first = group(2);
        let mut second = successor(&first, 2);
        let third = successor(&first, 2);
        let before = clients(&first, 64);
        let copies: Vec<OwnedFd> =
            second.sockets().map(|(_, socket)| socket.try_clone_to_owned().unwrap()).collect();
        let (leaves, since) = (std::thread::spawn(move || second.retire(2, NONE, answer)), Instant::now());
        while copies.iter().any(|socket| queue_length(socket.as_fd()).unwrap() > 0) {
            assert!(since.elapsed() < PATIENCE, "who came to the second is served there");
            sleep(Duration::from_millis(1));
        }
        assert!(!leaves.is_finished(), "the first is still there");
        drop(copies);
        first.retire(2, NONE, answer).unwrap();
        assert_eq!(leaves.join().unwrap().unwrap().closed, 2);
        let after = clients(&third, 32);
        third.sockets().for_each(|(_, socket)| answer(socket));
        assert_eq!((lost(before), lost(after)), (0, 0));
    });
}

#[test]
fn when_the_successors_are_gone_we_serve_on_and_can_begin_again() {
    alone(|| {
        // How many of ours are left when they go: all, or some.
        for (ours, theirs, left) in [(1, 1, 1), (3, 4, 3), (3, 3, 2), (4, 4, 1)] {
            let mut predecessor = group(ours);
            let doomed = successor(&predecessor, theirs);
            predecessor.start_retiring(theirs, NONE).unwrap();
            while predecessor.sockets().count() > left {
                predecessor.step().unwrap();
            }
            drop(doomed);
            let error = predecessor.step().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::PeerGone, "{error}");
            assert_eq!(predecessor.step().unwrap_err().kind(), ErrorKind::WrongState, "it is off");
            let before = clients(&predecessor, 32);

            let successors = successor(&predecessor, left);
            predecessor.start_retiring(left, NONE).unwrap();
            let after = clients(&successors, 32);
            assert_eq!(waiting(&predecessor).iter().sum::<u32>(), 32, "only those from before");
            finish(&mut predecessor);
            successors.sockets().for_each(|(_, socket)| answer(socket));
            assert_eq!(
                (lost(before), lost(after)),
                (0, 0),
                "{ours} of ours, {left} left, {theirs} of theirs"
            );
        }
    });
}

#[test]
fn those_that_stay_of_the_successors_stand_in_for_those_that_leave() {
    alone(|| {
        // How many of ours are left when some of theirs leave.
        for left in [3, 2, 1] {
            let mut predecessor = group(3);
            let doomed = successor(&predecessor, 2);
            let stays = successor(&predecessor, 1);
            predecessor.start_retiring(3, NONE).unwrap();
            while predecessor.sockets().count() > left {
                predecessor.step().unwrap();
            }
            drop(doomed);
            let before = clients(&predecessor, 32);
            assert!(matches!(predecessor.step().unwrap(), Step::Wait(_)));
            let after = clients(&stays, 32);
            assert!(waiting(&stays).iter().sum::<u32>() >= 32, "all that is new");
            finish(&mut predecessor);
            stays.sockets().for_each(|(_, socket)| answer(socket));
            assert_eq!((lost(before), lost(after)), (0, 0), "{left} of ours left");
        }
    });
}

#[test]
fn successors_that_moved_into_the_slots_of_our_predecessors_are_known_there() {
    alone(|| {
        for (second_has, third_has) in [(2, 2), (1, 2), (3, 1), (2, 5)] {
            let mut first = group(2);
            let mut second = successor(&first, second_has);
            let third = successor(&first, third_has);
            first.retire(2, NONE, answer).unwrap();
            second.start_retiring(third_has, NONE).unwrap();
            let mut served = Vec::new();
            loop {
                match second.step().unwrap() {
                    Step::Accept(index) => answer(second.socket(index).unwrap()),
                    Step::Done(_) => break,
                    _ => served.extend(clients(&third, 16)),
                }
            }
            third.sockets().for_each(|(_, socket)| answer(socket));
            assert_eq!(lost(served), 0, "{second_has} of the second, {third_has} of the third");
        }
    });
}

#[test]
fn a_generation_whose_slots_were_shuffled_retires_without_exposing_anything() {
    alone(|| {
        // Ours move into the slots of predecessors that close in this order.
        for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
            let first = group(3);
            let mut second = successor(&first, 4);
            let mut elders: Vec<_> =
                first.sockets().map(|(_, socket)| socket.try_clone_to_owned().ok()).collect();
            drop(first);
            order.into_iter().for_each(|which| drop(elders[which].take()));
            let third = successor(&second, 4);
            second.start_retiring(4, NONE).unwrap();
            let mut served = Vec::new();
            loop {
                match second.step().unwrap() {
                    Step::Accept(index) => panic!("something came to socket {index}"),
                    Step::Done(_) => break,
                    _ => served.extend(clients(&third, 16)),
                }
                assert_eq!(waiting(&second).iter().sum::<u32>(), 0, "{order:?}");
            }
            third.sockets().for_each(|(_, socket)| answer(socket));
            assert_eq!(lost(served), 0);
        }
    });
}

#[test]
fn whoever_joins_meanwhile_is_waited_for_again() {
    alone(|| {
        let mut predecessor = group(2);
        let early = successor(&predecessor, 2);
        predecessor.start_retiring(2, NONE).unwrap();
        // It takes the steering away, so that some come to us.
        let late = successor(&predecessor, 2);
        let clients = clients(&predecessor, 64);
        assert!(waiting(&predecessor).iter().sum::<u32>() > 0);
        assert!(matches!(predecessor.step().unwrap(), Step::Wait(_)));
        let more = self::clients(&predecessor, 64);
        assert_eq!(finish(&mut predecessor), Retired { closed: 2, successors: 4, waits: 2 });
        early.sockets().chain(late.sockets()).for_each(|(_, socket)| answer(socket));
        assert_eq!((lost(clients), lost(more)), (0, 0));
    });
}

#[test]
fn nothing_is_left_of_the_steering_for_the_next_generation() {
    alone(|| {
        let mut first = group(2);
        let second = successor(&first, 2);
        first.retire(2, NONE, answer).unwrap();
        let for_two = clients(&second, 64);
        assert!(!waiting(&second).contains(&0), "{:?}", waiting(&second));
        let third = successor(&second, 2);
        let for_all = clients(&second, 256);
        assert!(!waiting(&third).contains(&0), "{:?}", waiting(&third));
        for (_, socket) in second.sockets().chain(third.sockets()) {
            answer(socket);
        }
        assert_eq!((lost(for_two), lost(for_all)), (0, 0));
    });
}
