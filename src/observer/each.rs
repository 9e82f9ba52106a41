//! A value for each family.

use serde::{Deserialize, Serialize};

use crate::bgp::Family;

/// A value for each [`Family`].
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Each<T> {
    ipv4: T,
    ipv6: T,
}

impl<T> Each<T> {
    pub(super) const fn of(&self, family: Family) -> &T {
        match family {
            Family::Ipv4 => &self.ipv4,
            Family::Ipv6 => &self.ipv6,
        }
    }

    pub(super) const fn of_mut(&mut self, family: Family) -> &mut T {
        match family {
            Family::Ipv4 => &mut self.ipv4,
            Family::Ipv6 => &mut self.ipv6,
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        [&self.ipv4, &self.ipv6].into_iter()
    }
}

impl<T: Copy> Each<T> {
    /// In the order of [`Family::ALL`].
    pub(super) const fn array(&self) -> [T; 2] {
        [self.ipv4, self.ipv6]
    }
}
