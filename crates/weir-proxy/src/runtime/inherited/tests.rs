//! What may be taken over, by which name it is known again, and whose the files of Unix sockets are.

#![allow(clippy::unwrap_used)]

use std::net::{TcpStream, UdpSocket};

use super::*;

fn any() -> ListenAddress {
    ListenAddress::Tcp("127.0.0.1:0".parse().unwrap())
}

#[test]
fn sockets_are_known_again_by_what_was_written_and_else_by_where_they_listen() {
    let mut inherited = Inherited::default();
    let before = [Listener::bind(&any(), 2).unwrap(), Listener::bind(&any(), 1).unwrap()];
    for listener in &before {
        let name = Some(listener.written().to_owned());
        let added = inherited.add(name, listener.duplicates().unwrap()).unwrap();
        assert_eq!(added, *listener.address());
    }
    for listener in &before {
        let taken = inherited.take(&any()).unwrap();
        assert_eq!(taken.address(), listener.address(), "in the order in which they were written");
    }
    assert!(inherited.take(&any()).is_none());
    let BoundAddress::Tcp(address) = *before[0].address() else { panic!("TCP was asked for") };
    inherited.add(None, before[0].duplicates().unwrap()).unwrap();
    assert!(inherited.take(&any()).is_none());
    let taken = inherited.take(&ListenAddress::Tcp(address)).unwrap();
    assert_eq!(taken.numbers_for(0, 1).count(), 2);
    assert_eq!(inherited.left().count(), 0);
}

/// A manager keeps its sockets: what waits in one that nobody accepts from would wait for ever.
#[test]
fn sockets_that_come_one_by_one_belong_together_and_can_be_taken_out() {
    let before = Listener::bind(&any(), 2).unwrap();
    let BoundAddress::Tcp(address) = *before.address() else { panic!("TCP was asked for") };
    let admin = TcpListener::bind("127.0.0.1:0").unwrap();
    let admin_address = admin.local_addr().unwrap();
    let mut inherited = Inherited::default();
    for socket in before.duplicates().unwrap() {
        inherited.add(None, vec![socket]).unwrap();
    }
    inherited.add(None, vec![admin.into()]).unwrap();
    inherited.add(Some("127.0.0.1:0".to_owned()), before.duplicates().unwrap()).unwrap();
    let mut apart = inherited.split(&ListenAddress::Tcp(admin_address));
    assert_eq!((apart.left().count(), inherited.left().count()), (1, 2));
    assert!(inherited.take_tcp(admin_address).is_none());
    assert!(apart.take_tcp(admin_address).is_some());
    let taken = inherited.take(&ListenAddress::Tcp(address)).unwrap();
    assert_eq!(taken.numbers_for(0, 1).count(), 2);
    assert_eq!(inherited.left().count(), 1, "those of a process before are others");
}

#[test]
fn the_file_of_a_socket_that_somebody_else_has_too_stays() {
    let path = std::env::temp_dir().join(format!("weir-inherited-foreign-{}", std::process::id()));
    let theirs = UnixListener::bind(&path).unwrap();
    let address = ListenAddress::Unix(path.clone());
    for written in [None, Some(format!("unix:{}", path.display()))] {
        let mut inherited = Inherited::default();
        let is_handed_on = written.is_some();
        inherited.add(written, vec![theirs.try_clone().unwrap().into()]).unwrap();
        if is_handed_on {
            inherited.leave_file();
        }
        let taken = inherited.take(&address).unwrap();
        assert!(taken.is_left());
        drop(taken);
        assert!(path.exists());
    }
    let mut inherited = Inherited::default();
    inherited.add(None, vec![theirs.into()]).unwrap();
    let (_socket, is_foreign) = inherited.take_unix(&path).unwrap();
    assert!(is_foreign && path.exists());
    std::fs::remove_file(path).unwrap();
}

#[test]
fn a_connection_waits_while_the_sockets_change_hands() {
    let mut inherited = Inherited::default();
    let mut before = Listener::bind(&any(), 1).unwrap();
    let BoundAddress::Tcp(address) = *before.address() else { panic!("TCP was asked for") };
    let client = TcpStream::connect(address).unwrap();
    inherited.add(Some("127.0.0.1:0".to_owned()), before.duplicates().unwrap()).unwrap();
    before.leave();
    drop(before);
    let taken = inherited.take(&any()).unwrap().socket(0).unwrap();
    let ListeningSocket::Tcp(socket) = &taken else { panic!("TCP was asked for") };
    socket.set_nonblocking(false).unwrap();
    assert_eq!(socket.accept().unwrap().1, client.local_addr().unwrap());
}

#[test]
fn the_file_of_a_unix_socket_stays_with_whoever_has_the_socket() {
    let path = std::env::temp_dir().join(format!("weir-inherited-test-{}", std::process::id()));
    let address = ListenAddress::Unix(path.clone());
    let mut before = Listener::bind(&address, 2).unwrap();
    let mut inherited = Inherited::default();
    inherited.add(Some(before.written().to_owned()), before.duplicates().unwrap()).unwrap();
    before.leave();
    drop(before);
    assert!(path.exists());
    let after = inherited.take(&address).unwrap();
    std::os::unix::net::UnixStream::connect(&path).unwrap();
    drop(after);
    assert!(!path.exists());
}

#[test]
fn nothing_but_listening_stream_sockets_is_taken() {
    let tcp = || TcpListener::bind("127.0.0.1:0").unwrap();
    let listener = tcp();
    let connection = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let file = std::fs::File::open("/dev/null").unwrap();
    let (paired, _other) = std::os::unix::net::UnixStream::pair().unwrap();
    let bad: Vec<Vec<OwnedFd>> = vec![
        vec![],
        vec![file.into()],
        vec![connection.into()],
        vec![paired.into()],
        vec![UdpSocket::bind("127.0.0.1:0").unwrap().into()],
        vec![tcp().into(), tcp().into()],
    ];
    let mut inherited = Inherited::default();
    for sockets in bad {
        let error = inherited.add(None, sockets).unwrap_err().to_string();
        assert!(!error.is_empty());
    }
    assert_eq!(inherited.left().count(), 0);
    let path = std::env::temp_dir().join(format!("weir-inherited-bad-{}", std::process::id()));
    let unix = UnixListener::bind(&path).unwrap();
    assert!(matches!(inherited.add(None, vec![unix.into(), tcp().into()]), Err(NoListener::Mixed)));
    std::fs::remove_file(path).unwrap();
}
