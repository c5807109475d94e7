//! A reservation is spent by two calls.
//@ inside: task/meter.rs
//@ error: E0308
fn reserve_twice(reservation: &Reservation) -> (Reservation, Reservation) {
    (reservation.clone(), reservation.clone())
}
