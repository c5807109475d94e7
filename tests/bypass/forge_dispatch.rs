//! Orders an upstream without the path.
//@ outside
//@ error: E0451
pub fn forge_dispatch(was: pep::Dispatch) -> pep::Dispatch {
    pep::Dispatch { modern: true, ..was }
}
