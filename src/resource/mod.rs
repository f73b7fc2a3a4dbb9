//! Kinds of desired things: what each declares, which facts it needs, and its diff against them. Pure.

pub mod component;
pub mod plain;
