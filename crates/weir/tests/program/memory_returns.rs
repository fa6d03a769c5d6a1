//! A worker that had begun two thousand uploads and was silent afterwards held half a gigabyte for as long as it was silent: the
//! allocator gives memory back when it is next asked for some. What a wave has taken must be the system's again a while after it, also where
//! other clients stay connected.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};

use weir_testkit::wait::until_seen;

use super::footprint::{allow_many_descriptors, resident_bytes};
use super::idle_connections::ask_plain;
use super::process::Running;
use super::scratch::Scratch;

/// Clients of the wave, and of those who are connected all the time.
const WAVE: usize = 400;
const IDLE: usize = 450;

/// What each of the wave sends of a body that never comes to its end.
const BYTES: usize = 60 * 1024;

/// Memory that the wave must have taken, so that something is measured.
const TAKEN_BYTES_MIN: usize = 40 << 20;

fn upload(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!("POST /upload HTTP/1.1\r\nHost: a.test\r\nContent-Length: {}\r\n\r\n", 2 * BYTES);
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&vec![b'x'; BYTES]).unwrap();
    stream
}

#[test]
fn what_a_wave_has_taken_is_given_back_after_it() {
    allow_many_descriptors(2 * (WAVE + IDLE));
    let scratch = Scratch::new("memory-returns");
    // They take what they get, as far as the system has room for it, and say nothing.
    let servers = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let [one, other] = servers.each_ref().map(|server| server.local_addr().unwrap());
    let text = format!(
        "admin: off\naccess_log: off\nworkers: 1\nlisten: ['127.0.0.1:0']\nservices: [{{host: '*', routes: [\
         {{path: 'exact:/', respond: {{status: 200, body: ok}}}}, \
         {{path: /upload, upstream: {{servers: ['{one}', '{other}']}}, dispatch: {{mode: race}}}}]}}]\n"
    );
    let mut weir = Running::start(&["run", "-c", &scratch.file("weir.yaml", text)]);
    let address: SocketAddr = weir.address(" listening address=");
    weir.line("started");
    let idle: Vec<TcpStream> = (0..IDLE).map(|_| ask_plain(address)).collect();
    let before = resident_bytes(&weir);
    let wave: Vec<TcpStream> = (0..WAVE).map(|_| upload(address)).collect();
    let most = until_seen(|| resident_bytes(&weir), |bytes| *bytes > before + TAKEN_BYTES_MIN);
    drop((wave, servers));
    until_seen(|| resident_bytes(&weir), |bytes| *bytes < before + (most - before) / 4);
    drop(idle);
}
