//! Bodies that are kept in memory alone.

use tokio::io::AsyncWriteExt;

use super::scene::{content, local, read, sized};
use crate::body::replay::{ReplayLimits, ReplayPool, State};

const LIMITS: ReplayLimits = ReplayLimits { memory_bytes: 256 * 1024, disk_bytes: None, lossy: false };

#[test]
fn each_of_several_readers_gets_every_byte() {
    local(async {
        let pool = ReplayPool::new(1 << 20, None);
        let sent = content(200_000);
        let (replay, mut client) = sized(sent.len(), LIMITS, &pool);
        let (mut first, mut second) = (replay.reader(), replay.reader());
        let (one, two, _) = tokio::join!(read(&mut first), read(&mut second), client.write_all(&sent));
        assert!(one.unwrap() == sent && two.unwrap() == sent);
        assert_eq!(replay.state(), State::Whole { bytes: 200_000 });
        assert_eq!(read(&mut replay.reader()).await.unwrap(), sent);
        let held = pool.used_bytes();
        assert!((200_000..210_000).contains(&held), "{held}");
        drop((replay, first, second));
        assert_eq!(pool.used_bytes(), 0);
    });
}
