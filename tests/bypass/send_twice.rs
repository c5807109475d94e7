//! Sends one order twice.
//@ outside
//@ error: E0382
pub fn send_twice(upstream: &dyn pep::ports::Upstream, order: pep::Dispatch) {
    let _once = upstream.send(order);
    let _twice = upstream.send(order);
}
