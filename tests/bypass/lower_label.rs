//! Takes a label out of a set.
//@ outside
//@ error: E0616
pub fn lower_label(mut labels: pdp::label::LabelSet) {
    labels.0.clear();
}
