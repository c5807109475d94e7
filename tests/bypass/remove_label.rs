//! Asks a set of labels to let one go.
//@ outside
//@ error: E0599
pub fn remove_label(mut labels: pdp::label::LabelSet) {
    labels.remove("untrusted");
}
