//! Rebuilds the crate when a migration or a platform changes, which the macros that embed them do not notice.

fn main() {
    println!("cargo:rerun-if-changed=../migrations");
    println!("cargo:rerun-if-changed=../platforms");
}
