//! Which pools blocks are from: the smallest prefixes that cover them, as far as they belong together.

use std::collections::BTreeSet;

use ipnet::IpNet;

/// A pool, as far as its blocks show it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pool {
    /// Covers its blocks.
    pub(super) prefix: IpNet,
    /// How many there are.
    pub(super) blocks: usize,
    /// The nodes that announce them.
    pub(super) nodes: BTreeSet<usize>,
}

/// A block, and who announces it.
pub(super) type Block<'a> = (IpNet, &'a BTreeSet<usize>);

/// Blocks within a prefix of this length are of one pool, however far they are apart: a /16 is the usual pool.
const fn free(prefix: &IpNet) -> u8 {
    match prefix {
        IpNet::V4(_) => 16,
        IpNet::V6(_) => 48,
    }
}

/// No pool is wider.
const fn widest(prefix: &IpNet) -> u8 {
    match prefix {
        IpNet::V4(_) => 12,
        IpNet::V6(_) => 32,
    }
}

/// Pools that at least two nodes have a block of, and the blocks that belong to none. All blocks are of one
/// family, in order.
pub(super) fn pools<'a>(blocks: &[Block<'a>]) -> (Vec<Pool>, Vec<Block<'a>>) {
    let mut groups: Vec<Vec<Block<'a>>> = Vec::new();
    for block in blocks {
        match groups.last_mut() {
            Some(group)
                if group.first().is_some_and(|first| common(&first.0, &block.0) >= free(&block.0)) =>
            {
                group.push(*block);
            }
            _ => groups.push(vec![*block]),
        }
    }
    // A single node may announce anything; what it says must not widen what others say.
    let (shared, single): (Vec<_>, Vec<_>) =
        groups.into_iter().partition(|group| group.len() > 1 && nodes(group).len() > 1);
    let mut pools = Vec::new();
    merge(&shared, &mut pools);
    (pools, single.into_iter().flatten().collect())
}

/// Makes one pool of neighbouring groups if they fill at least half of what would cover them.
fn merge(groups: &[Vec<Block<'_>>], pools: &mut Vec<Pool>) {
    let blocks = || groups.iter().flatten();
    let (Some(first), Some(last)) = (blocks().next(), blocks().next_back()) else { return };
    let length = common(&first.0, &last.0);
    let is_dense = || {
        let room =
            1_usize.checked_shl(u32::from(free(&first.0).saturating_sub(length))).unwrap_or(usize::MAX);
        length >= widest(&first.0) && groups.len() >= room / 2
    };
    if groups.len() == 1 || is_dense() {
        let prefix = IpNet::new(first.0.addr(), length).map_or(first.0, |prefix| prefix.trunc());
        pools.push(Pool { prefix, blocks: blocks().count(), nodes: nodes(blocks()) });
        return;
    }
    // Where the two halves meet.
    let half = groups
        .iter()
        .position(|group| group.first().is_some_and(|block| common(&first.0, &block.0) == length));
    let (lower, upper) = groups.split_at(half.unwrap_or(1).max(1));
    merge(lower, pools);
    merge(upper, pools);
}

fn nodes<'b, 'a: 'b>(blocks: impl IntoIterator<Item = &'b Block<'a>>) -> BTreeSet<usize> {
    blocks.into_iter().flat_map(|(_, nodes)| nodes.iter().copied()).collect()
}

/// The length of the smallest prefix that covers both.
fn common(one: &IpNet, other: &IpNet) -> u8 {
    let alike = match (one, other) {
        (IpNet::V4(one), IpNet::V4(other)) => {
            (one.network().to_bits() ^ other.network().to_bits()).leading_zeros()
        }
        (IpNet::V6(one), IpNet::V6(other)) => {
            (one.network().to_bits() ^ other.network().to_bits()).leading_zeros()
        }
        _ => 0,
    };
    u8::try_from(alike).unwrap_or(u8::MAX).min(one.prefix_len()).min(other.prefix_len())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    /// Prefixes with the node that announces each.
    fn of(blocks: &[(&str, usize)]) -> (Vec<String>, Vec<String>) {
        let sets: Vec<BTreeSet<usize>> = blocks.iter().map(|(_, node)| [*node].into()).collect();
        let blocks: Vec<Block<'_>> =
            blocks.iter().zip(&sets).map(|((prefix, _), nodes)| (prefix.parse().unwrap(), nodes)).collect();
        let (pools, single) = pools(&blocks);
        let shown = |pool: Pool| format!("{} {}/{}", pool.prefix, pool.blocks, pool.nodes.len());
        (pools.into_iter().map(shown).collect(), single.iter().map(|(block, _)| block.to_string()).collect())
    }

    #[test]
    fn the_smallest_prefix_that_covers_them() {
        let (pools, single) = of(&[("10.244.1.0/26", 1), ("10.244.2.0/26", 2), ("10.244.3.64/26", 3)]);
        assert_eq!((pools, single.len()), (vec!["10.244.0.0/22 3/3".to_owned()], 0));
        let (pools, _) = of(&[("10.244.0.0/26", 1), ("10.244.255.192/26", 2)]);
        assert_eq!(pools, ["10.244.0.0/16 2/2"]);
        let (pools, _) = of(&[("fd00:1::/122", 1), ("fd00:1::40/122", 2)]);
        assert_eq!(pools, ["fd00:1::/121 2/2"]);
    }

    #[test]
    fn what_is_far_apart_are_several() {
        let blocks = [
            ("10.16.0.0/26", 1),
            ("10.16.9.0/26", 2),
            ("10.200.0.0/26", 1),
            ("10.200.0.64/26", 2),
            ("192.168.0.0/26", 1),
            ("192.168.0.64/26", 2),
        ];
        let expected = ["10.16.0.0/20 2/2", "10.200.0.0/25 2/2", "192.168.0.0/25 2/2"];
        assert_eq!(of(&blocks), (expected.map(str::to_owned).to_vec(), vec![]));
    }

    #[test]
    fn a_large_pool_is_one_if_it_is_half_full_and_never_wider_than_a_twelfth() {
        let blocks: Vec<(String, usize)> =
            (0..32).flat_map(|n| [(format!("10.{n}.0.0/26"), 1), (format!("10.{n}.255.0/26"), 2)]).collect();
        let blocks: Vec<_> = blocks.iter().map(|(block, node)| (block.as_str(), *node)).collect();
        let (pools, _) = of(&blocks);
        assert_eq!(pools, ["10.0.0.0/12 32/2", "10.16.0.0/12 32/2"]);
        let sparse = [blocks[0], blocks[1], blocks[20], blocks[21]];
        assert_eq!(of(&sparse).0, ["10.0.0.0/16 2/2", "10.10.0.0/16 2/2"]);
    }

    proptest! {
        /// Whatever is announced: each block is in one pool or on its own, and no pool is too wide.
        #[test]
        fn pools_hold_what_they_are_made_of(blocks in prop::collection::btree_map(any::<u32>(), 0..4_usize, 0..60)) {
            let sets: Vec<BTreeSet<usize>> = (0..4).map(|node| [node].into()).collect();
            let blocks: BTreeMap<IpNet, usize> = blocks
                .into_iter()
                // Few /16s, so that some are shared.
                .map(|(bits, node)| (Ipv4Addr::from_bits(bits & 0x0a0f_ffc0), node))
                .map(|(address, node)| (IpNet::new(address.into(), 26).unwrap(), node))
                .collect();
            let said: Vec<Block<'_>> = blocks.iter().map(|(block, node)| (*block, &sets[*node])).collect();
            let (pools, single) = pools(&said);
            for (block, _) in &said {
                let within = pools.iter().filter(|pool| pool.prefix.contains(block)).count();
                let alone = single.iter().filter(|(other, _)| other == block).count();
                prop_assert!(within <= 1 && within + alone >= 1, "{}: {:?}", block, pools);
            }
            for pool in &pools {
                prop_assert!(pool.prefix.prefix_len() >= 12 && pool.nodes.len() > 1, "{:?}", pool);
            }
            let counted: usize = pools.iter().map(|pool| pool.blocks).sum();
            prop_assert_eq!(counted + single.len(), said.len());
        }
    }

    #[test]
    fn what_one_node_says_widens_nothing() {
        let blocks =
            [("10.244.0.0/26", 1), ("10.244.0.64/26", 2), ("10.245.0.0/26", 1), ("10.245.1.0/26", 1)];
        let (pools, single) = of(&blocks);
        assert_eq!(pools, ["10.244.0.0/25 2/2"]);
        assert_eq!(single, ["10.245.0.0/26", "10.245.1.0/26"]);
    }
}
