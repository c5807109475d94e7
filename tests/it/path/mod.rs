//! The path of a frame, feature by feature: a script, and the trail it leaves. The language is told in `world/script.rs`.

/// One test for each script, and the list of them all for the coverage test.
macro_rules! scripts {
    ($($(#[$doc:meta])* $name:ident: $script:literal => $expected:literal;)*) => {
        $(
            $(#[$doc])*
            #[test]
            fn $name() {
                $crate::world::check($script, $expected);
            }
        )*

        /// Every script of this file, by the name of its test.
        pub(crate) const ALL: &[(&str, &str)] = &[$((stringify!($name), $script)),*];
    };
}

pub(crate) mod wire;
pub(crate) mod frames;
pub(crate) mod streams;
pub(crate) mod methods;
pub(crate) mod asides;
pub(crate) mod jobs;
pub(crate) mod tools;
pub(crate) mod law;
pub(crate) mod approval;
pub(crate) mod slips;
pub(crate) mod labels;
pub(crate) mod scope;
pub(crate) mod tokens;
pub(crate) mod stops;
pub(crate) mod effects;
pub(crate) mod origin;
pub(crate) mod failures;

/// Every script there is.
pub(crate) fn all() -> impl Iterator<Item = &'static (&'static str, &'static str)> {
    [
        wire::ALL,
        frames::ALL,
        streams::ALL,
        methods::ALL,
        asides::ALL,
        jobs::ALL,
        tools::ALL,
        law::ALL,
        approval::ALL,
        slips::ALL,
        labels::ALL,
        scope::ALL,
        tokens::ALL,
        stops::ALL,
        effects::ALL,
        origin::ALL,
        failures::ALL,
    ]
    .into_iter()
    .flatten()
}
