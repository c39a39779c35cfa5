//! Chains that wait for chains: a graph started in one call must have no cycle.

use std::collections::HashMap;

use crate::id::ChainId;

/// A cycle among chains that are to be started together, as the chains on it in order, the first one
/// again at the end; none where there is no cycle. `blockers` names what each chain waits for. Chains
/// that are not a key of it exist already and cannot wait for new ones.
pub fn find_cycle(blockers: &HashMap<ChainId, Vec<ChainId>>) -> Option<Vec<ChainId>> {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        OnPath,
        Done,
    }
    let mut marks: HashMap<ChainId, Mark> = HashMap::with_capacity(blockers.len());
    // Roots in order, so that the same batch always gives the same cycle.
    let mut roots: Vec<ChainId> = blockers.keys().copied().collect();
    roots.sort();
    for root in roots {
        if marks.contains_key(&root) {
            continue;
        }
        // A path of chains, each with how many of its blockers have been followed.
        let mut path: Vec<(ChainId, usize)> = vec![(root, 0)];
        marks.insert(root, Mark::OnPath);
        while let Some((chain, followed)) = path.last_mut() {
            let Some(next) = blockers[&*chain].get(*followed).copied() else {
                marks.insert(*chain, Mark::Done);
                path.pop();
                continue;
            };
            *followed += 1;
            match marks.get(&next) {
                Some(Mark::Done) => {}
                Some(Mark::OnPath) => {
                    let cycle = path.iter().map(|(chain, _)| *chain);
                    let mut cycle: Vec<ChainId> =
                        cycle.skip_while(|chain| *chain != next).collect();
                    cycle.push(next);
                    return Some(cycle);
                }
                None if blockers.contains_key(&next) => {
                    marks.insert(next, Mark::OnPath);
                    path.push((next, 0));
                }
                None => {}
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use uuid::Uuid;

    fn graph(edges: &[(u128, &[u128])]) -> HashMap<ChainId, Vec<ChainId>> {
        let id = |n: &u128| ChainId(Uuid::from_u128(*n));
        edges
            .iter()
            .map(|(chain, blockers)| (id(chain), blockers.iter().map(id).collect()))
            .collect()
    }

    fn numbers(cycle: Option<Vec<ChainId>>) -> Option<Vec<u128>> {
        cycle.map(|cycle| cycle.iter().map(|chain| chain.0.as_u128()).collect())
    }

    #[test]
    fn a_cycle_is_told_in_order() {
        assert_eq!(
            numbers(find_cycle(&graph(&[
                (1, &[2]),
                (2, &[3, 9]),
                (3, &[4]),
                (4, &[2])
            ]))),
            Some(vec![2, 3, 4, 2])
        );
        assert_eq!(
            numbers(find_cycle(&graph(&[(1, &[1])]))),
            Some(vec![1, 1]),
            "a chain that waits for itself"
        );
    }

    #[test]
    fn a_diamond_and_a_long_line_are_none() {
        assert_eq!(
            find_cycle(&graph(&[(1, &[2, 3]), (2, &[4]), (3, &[4]), (4, &[])])),
            None
        );
        let line: HashMap<_, _> = (0..100_000_u128)
            .map(|n| {
                (
                    ChainId(Uuid::from_u128(n)),
                    vec![ChainId(Uuid::from_u128(n + 1))],
                )
            })
            .collect();
        assert_eq!(find_cycle(&line), None);
    }

    proptest! {
        #[test]
        fn edges_that_go_up_never_close(edges in prop::collection::vec((0..50_u128, 1..50_u128), 0..200)) {
            let mut graph: HashMap<ChainId, Vec<ChainId>> = HashMap::new();
            for (from, by) in edges {
                let to = ChainId(Uuid::from_u128(from + by));
                graph.entry(ChainId(Uuid::from_u128(from))).or_default().push(to);
            }
            prop_assert_eq!(find_cycle(&graph), None);
        }
    }
}
