//! Who follows whom: a walk on which each relay takes over from each other one, in as few takeovers as that takes.

/// The relay, by its number, of each of `generations` generations in turn, if there are `relays` of them.
///
/// The walk is an Eulerian circuit (Hierholzer's) over all ordered pairs: it begins with one round in the order that was
/// given, ends where it began, and is walked again as long as generations are asked for. One relay follows itself.
pub fn walk(relays: usize, generations: usize) -> Vec<usize> {
    circuit(relays).into_iter().cycle().take(generations).collect()
}

/// All ordered pairs of different relays, each once; the last one is followed by the first.
fn circuit(relays: usize) -> Vec<usize> {
    // How far ahead the next one is to which nobody has gone from here yet.
    let mut ahead = vec![1; relays];
    let (mut path, mut circuit) = (vec![0], Vec::new());
    while let Some(&here) = path.last() {
        if ahead[here] < relays {
            path.push((here + ahead[here]) % relays);
            ahead[here] += 1;
        } else {
            circuit.extend(path.pop());
        }
    }
    circuit.reverse();
    // It is a circle: its end is its beginning.
    circuit.truncate((circuit.len() - 1).max(1));
    circuit
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_ordered_pair_comes_once_before_any_comes_twice() {
        for relays in 2..=9 {
            let pairs = relays * (relays - 1);
            let walked = walk(relays, 2 * pairs + 1);
            for round in [&walked[..=pairs], &walked[pairs..]] {
                let seen: BTreeSet<(usize, usize)> =
                    round.windows(2).map(|pair| (pair[0], pair[1])).collect();
                assert!(seen.iter().all(|(from, to)| from != to && *from < relays && *to < relays));
                assert_eq!((seen.len(), round.len()), (pairs, pairs + 1), "{relays} relays");
            }
        }
    }

    #[test]
    fn the_first_takeovers_go_round_in_the_order_that_was_given() {
        assert_eq!(walk(4, 13), [0, 1, 2, 3, 0, 2, 0, 3, 1, 3, 2, 1, 0]);
        assert_eq!(walk(2, 5), [0, 1, 0, 1, 0]);
        assert_eq!(walk(1, 4), [0, 0, 0, 0]);
    }
}
