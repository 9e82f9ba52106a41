//! The command `thirdleaf`.

fn main() {}
