//! Builds again when a migration changes (sqlx::migrate! reads the folders at build time).

fn main() {
    println!("cargo::rerun-if-changed=migrations");
}
