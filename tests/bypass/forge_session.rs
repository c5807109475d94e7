//! Opens a session that no server opened.
//@ outside
//@ error: E0624
pub fn forge_session(channels: &pep::Channels, channel: pep::Channel) {
    let _open = channels.open(channel, 0);
}
