//! Socket options that no crate offers: TCP-MD5 keys (RFC 2385) and the TTL check of GTSM (RFC 5082); and
//! the limit on how many sockets there may be.

#![expect(
    unsafe_code,
    reason = "setsockopt(2), getsockopt(2), setrlimit(2) and getrlimit(2), and nothing else"
)]

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};

use ipnet::IpNet;
use libc::{c_int, socklen_t};
use socket2::{SockAddr, SockAddrStorage};

/// Linux's `struct tcp_md5sig` (`linux/tcp.h`), which libc does not declare.
#[repr(C)]
struct TcpMd5Sig {
    address: SockAddrStorage,
    flags: u8,
    prefix_len: u8,
    key_len: u16,
    interface: c_int,
    key: [u8; libc::TCP_MD5SIG_MAXKEYLEN],
}

/// `TCP_MD5SIG_FLAG_PREFIX` of `linux/tcp.h`.
const FLAG_PREFIX: u8 = 1;

/// Requires that segments to and from `range` are signed with `key`; without a key, no longer.
///
/// The kernel applies the longest range that holds an address, as our own matching does.
pub(super) fn set_md5(socket: &impl AsFd, range: IpNet, key: Option<&str>) -> io::Result<()> {
    let key = key.unwrap_or_default().as_bytes();
    let mut option = TcpMd5Sig {
        address: SockAddr::from(SocketAddr::new(range.network(), 0)).as_storage(),
        flags: FLAG_PREFIX,
        prefix_len: range.prefix_len(),
        key_len: 0,
        interface: 0,
        key: [0; libc::TCP_MD5SIG_MAXKEYLEN],
    };
    let Some(place) = option.key.get_mut(..key.len()) else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a TCP-MD5 key has at most 80 octets"));
    };
    place.copy_from_slice(key);
    option.key_len = u16::try_from(key.len()).unwrap_or_default();
    set(socket, libc::IPPROTO_TCP, libc::TCP_MD5SIG_EXT, &option)
}

/// Drops segments whose TTL or hop limit is below `ttl`; 0 lets all pass.
pub(super) fn set_min_ttl(socket: &impl AsFd, ipv6: bool, ttl: u8) -> io::Result<()> {
    let (level, name) =
        if ipv6 { (libc::IPPROTO_IPV6, libc::IPV6_MINHOPCOUNT) } else { (libc::IPPROTO_IP, libc::IP_MINTTL) };
    set(socket, level, name, &c_int::from(ttl))
}

/// Lets a listening socket keep the SYN of each connection, for [`syn_ttl`].
pub(super) fn save_syn(socket: &impl AsFd, save: bool) -> io::Result<()> {
    set(socket, libc::IPPROTO_TCP, libc::TCP_SAVE_SYN, &c_int::from(save))
}

/// The TTL or hop limit of the SYN that an accepted connection began with; none if it was not kept.
///
/// What came before [`set_min_ttl`] was in force passed unchecked, but no farther sender can have sent
/// this SYN.
pub(super) fn syn_ttl(socket: &impl AsFd) -> io::Result<Option<u8>> {
    let mut syn = [0_u8; 128];
    let mut length = socklen_t::try_from(syn.len()).unwrap_or_default();
    // SAFETY: the descriptor is open for as long as `socket` is borrowed; the kernel writes at most
    // `length` octets to `syn`, which has as many.
    let outcome = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_SAVED_SYN,
            syn.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if outcome != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(match syn.first().map(|octet| octet >> 4) {
        Some(4) => syn.get(8).copied(),
        Some(6) => syn.get(7).copied(),
        _ => None,
    })
}

/// Lets the process have as many open files as its hard limit permits: each session is one. Answers how
/// many that were before and are now.
///
/// # Errors
/// What the kernel says; the limit is as it was.
pub fn raise_file_limit() -> io::Result<(u64, u64)> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel writes one `rlimit`, to one that lives here.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let before = std::mem::replace(&mut limit.rlim_cur, limit.rlim_max);
    // SAFETY: the kernel reads one `rlimit`, which lives here.
    if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok((before, limit.rlim_cur))
}

fn set<T>(socket: &impl AsFd, level: c_int, name: c_int, value: &T) -> io::Result<()> {
    let length = socklen_t::try_from(size_of::<T>()).unwrap_or_default();
    // SAFETY: the descriptor is open for as long as `socket` is borrowed; the kernel reads `length`
    // octets at `value`, all of them initialised: integers, and records of integers without padding.
    let outcome = unsafe {
        libc::setsockopt(socket.as_fd().as_raw_fd(), level, name, std::ptr::from_ref(value).cast(), length)
    };
    if outcome == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use socket2::{Domain, Socket, Type};

    use super::*;

    #[test]
    fn the_kernel_takes_keys_for_addresses_and_ranges_of_both_families() {
        for (domain, range) in
            [(Domain::IPV4, "192.0.2.1/32"), (Domain::IPV4, "192.0.2.0/24"), (Domain::IPV6, "2001:db8::/64")]
        {
            let socket = Socket::new(domain, Type::STREAM, None).unwrap();
            let range: IpNet = range.parse().unwrap();
            set_md5(&socket, range, Some("secret")).unwrap();
            set_md5(&socket, range, None).unwrap();
        }
    }

    #[test]
    fn a_key_that_is_too_long_is_refused() {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let error = set_md5(&socket, "192.0.2.1/32".parse().unwrap(), Some(&"x".repeat(81))).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn the_kernel_takes_a_least_ttl_in_both_families() {
        for (domain, ipv6) in [(Domain::IPV4, false), (Domain::IPV6, true)] {
            set_min_ttl(&Socket::new(domain, Type::STREAM, None).unwrap(), ipv6, 255).unwrap();
        }
    }
}
