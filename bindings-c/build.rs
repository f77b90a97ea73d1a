//! Gives libzdt.so its soname: the C ABI's number, which changes only when old programs would break.

fn main() {
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libzdt.so.0");
    println!("cargo::rerun-if-changed=build.rs");
}
