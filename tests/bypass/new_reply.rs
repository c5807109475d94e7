//! Asks for a reply by its constructor.
//@ outside
//@ error: E0624
pub fn new_reply() -> pep::Reply {
    pep::Reply::new(200, Vec::new(), pep::Body::Empty)
}
