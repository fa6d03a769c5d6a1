//! Who else listens at a port that this process has already.
//!
//! A port in use is found by opening it without sharing it (`semantics.md` §4.7). That fails as well when it is this process that has
//! it, under another address, as when `127.0.0.1:8080` becomes `:8080`; and opened to be shared it would quietly be shared with another
//! program of the same user too. So the system's list of sockets is read then. It is long where there are many connections, which is
//! why nothing else reads it.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

/// How the system lists a socket that listens.
const LISTENS: &str = "0A";

/// Whether a socket of another process listens where this address would. Where the system does not tell, nobody does.
pub fn has_neighbour(address: SocketAddr) -> bool {
    // Another look before somebody is accused: one of our own may have been closed between the reading of the two lists.
    is_seen(address) && is_seen(address)
}

fn is_seen(address: SocketAddr) -> bool {
    let lists = ["/proc/self/net/tcp", "/proc/self/net/tcp6"].map(fs::read_to_string);
    let mut listening: BTreeSet<u64> =
        lists.iter().flatten().flat_map(|list| listening_at(list, address)).collect();
    if !listening.is_empty() && forget_own(&mut listening, Path::new("/proc/self/fd")).is_err() {
        return false;
    }
    !listening.is_empty()
}

/// Takes those out that are open in this process. One that two processes have is this one's.
fn forget_own(listening: &mut BTreeSet<u64>, descriptors: &Path) -> io::Result<()> {
    for entry in fs::read_dir(descriptors)? {
        // The one that reads the directory is gone when it is looked at.
        let Ok(target) = fs::read_link(entry?.path()) else { continue };
        let inode = target.to_str().and_then(|text| text.strip_prefix("socket:[")?.strip_suffix(']'));
        if let Some(inode) = inode.and_then(|inode| inode.parse().ok()) {
            listening.remove(&inode);
        }
    }
    Ok(())
}

/// The inodes of sockets in this list that listen where this address would.
fn listening_at(list: &str, address: SocketAddr) -> impl Iterator<Item = u64> {
    list.lines().filter_map(move |line| {
        let mut columns = line.split_ascii_whitespace();
        let (local, state) = (columns.nth(1)?, columns.nth(1)?);
        let inode = columns.nth(5)?;
        let (ip, port) = local.split_once(':')?;
        let is_there = state == LISTENS
            && u16::from_str_radix(port, 16) == Ok(address.port())
            && meet(parse(ip)?, address.ip().to_canonical());
        if is_there { inode.parse().ok() } else { None }
    })
}

/// Whether sockets at these two can get the same connection. `[::]` takes IPv4 too, unless it is told not to, which the list does not say.
fn meet(one: IpAddr, other: IpAddr) -> bool {
    let takes = |all: IpAddr, one: IpAddr| all.is_unspecified() && (all.is_ipv6() || one.is_ipv4());
    one == other || takes(one, other) || takes(other, one)
}

/// An address as the list has it: words of 32 bits, each as a number of this machine.
fn parse(text: &str) -> Option<IpAddr> {
    let mut bytes = [0; 16];
    for (word, place) in bytes.chunks_exact_mut(4).zip((0..text.len()).step_by(8)) {
        word.copy_from_slice(&u32::from_str_radix(text.get(place..place + 8)?, 16).ok()?.to_ne_bytes());
    }
    match text.len() {
        8 => Some(Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3]).into()),
        32 => Some(IpAddr::from(Ipv6Addr::from(bytes)).to_canonical()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::net::TcpListener;

    use super::*;

    #[test]
    fn what_this_process_has_is_no_neighbour() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let list = fs::read_to_string("/proc/self/net/tcp").unwrap();
        let mut inodes: BTreeSet<u64> = listening_at(&list, address).collect();
        assert_eq!(inodes.len(), 1, "it is in the list");
        assert!(!has_neighbour(address));
        inodes.insert(1);
        forget_own(&mut inodes, Path::new("/proc/self/fd")).unwrap();
        assert_eq!(inodes.into_iter().collect::<Vec<_>>(), [1], "one that nobody here has");
        drop(listener);
        let list = fs::read_to_string("/proc/self/net/tcp").unwrap();
        assert_eq!(listening_at(&list, address).count(), 0);
    }

    #[test]
    fn the_list_is_read_as_the_system_writes_it() {
        let word = |bytes: [u8; 4]| format!("{:08X}", u32::from_ne_bytes(bytes));
        let (home, any) = (word([127, 0, 0, 1]), word([0; 4]));
        let rest = "00000000:00000000 00:00000000 00000000  1000        0";
        let list = format!(
            "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
             0: {home}:1F90 {any}:0000 0A {rest} 11 1 ffff 100 0 0 10 0\n   \
             1: {any}:1F90 {any}:0000 0A {rest} 12 1 ffff 100 0 0 10 0\n   \
             2: {home}:1F90 {home}:D431 01 {rest} 13 1 ffff 100 0 0 10 0\n   \
             3: {home}:1F91 {any}:0000 0A {rest} 14 1 ffff 100 0 0 10 0\n   \
             4: {any}{any}{any}{any}:1F90 {any}{any}{any}{any}:0000 0A {rest} 15 1 ffff\n   \
             5: {any}{any}{any}{}:1F90 {any}{any}{any}{any}:0000 0A {rest} 16 1 ffff\nnonsense\n",
            word([0, 0, 0, 1])
        );
        for (address, expected) in [
            ("127.0.0.1:8080", &[11, 12, 15][..]),
            ("127.0.0.2:8080", &[12, 15]),
            ("0.0.0.0:8080", &[11, 12, 15]),
            ("[::]:8080", &[11, 12, 15, 16]),
            ("[::1]:8080", &[15, 16]),
            ("127.0.0.1:8082", &[]),
        ] {
            let found: Vec<u64> = listening_at(&list, address.parse().unwrap()).collect();
            assert_eq!(found, expected, "{address}");
        }
    }
}
