//! What holds the rules, feature by feature: one binary, so that it links once.

mod otlp;
