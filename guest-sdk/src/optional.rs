//! Bindings of what a component may export beside its tools. Each module's macro says that a component does;
//! without it nothing of the interface appears there.

#[rustfmt::skip]
pub mod completion;
#[rustfmt::skip]
pub mod icons;
#[rustfmt::skip]
pub mod prompts;
#[rustfmt::skip]
pub mod resources;
#[rustfmt::skip]
pub mod skills;
