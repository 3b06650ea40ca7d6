//! Builds again when a migration comes: they are compiled in.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
