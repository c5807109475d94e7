//! Copies an order.
//@ outside
//@ error: E0277
pub fn copy_dispatch(order: pep::Dispatch) -> (pep::Dispatch, pep::Dispatch) {
    (pep::Dispatch::clone(&order), order)
}
