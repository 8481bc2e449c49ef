//! Says what to do when the flag is missing under which the simulator's executor exists.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var_os("CARGO_CFG_MADSIM").is_none() {
        println!(
            "cargo::error=dormouse-sim needs `--cfg madsim` in rustflags and rustdocflags: copy .cargo/config.toml of the dormouse \
             repository into your project, and see that no RUSTFLAGS in the environment hides it"
        );
    }
}
