//! stub
pub(crate) fn run(_: std::net::SocketAddr, _: std::net::SocketAddr) -> anyhow::Result<()> {
    Ok(())
}
