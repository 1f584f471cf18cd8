//! Lists the folders of the guests that attack, so that one without a test does not compile.

use std::error::Error;
use std::path::Path;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../plugins/hostile");
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut tests = Vec::new();
    for entry in fs::read_dir(&folder)? {
        let name = entry?.file_name().into_string().map_err(|name| format!("{} is not UTF-8", name.display()))?;
        tests.push(format!("    #[expect(unused_imports, reason = \"that they exist is all\")]\n    use super::{}::{{bites as _, just_below as _}};\n", name.replace('-', "_")));
    }
    tests.sort();
    let source = format!("mod every_guest_has_a_test {{\n{}}}\n", tests.concat());
    fs::write(Path::new(&env::var("OUT_DIR")?).join("every_guest_has_a_test.rs"), source)?;
    Ok(())
}
