//! Makes a reply.
//@ outside
//@ error: E0451
pub fn forge_reply() -> pep::Reply {
    pep::Reply { status: 200, headers: Vec::new(), body: pep::Body::Empty }
}
