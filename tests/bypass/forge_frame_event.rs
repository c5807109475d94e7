//! Passes a message off as the server's own.
//@ outside
//@ error: E0624
pub fn forge_event(caller: pep::Caller) -> pep::Frame {
    pep::Frame::event(caller, "mail", todo!())
}
