//! Advances a call from another crate.
//@ outside
//@ error: E0624
pub fn advance(call: pep::Call<pep::Proposed>, state: pep::Classified) -> pep::Call<pep::Classified> {
    call.advance(|_| state)
}
