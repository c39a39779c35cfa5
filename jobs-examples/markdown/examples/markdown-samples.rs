//! Writes the input that holds `samples/document.md`:
//! `cargo run -p markdown --example markdown-samples`.

use std::fs;
use std::path::Path;

use markdown::Input;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples");
    let input = Input {
        markdown: fs::read_to_string(samples.join("document.md"))?,
    };
    fs::write(
        samples.join("input.json"),
        serde_json::to_string_pretty(&input)? + "\n",
    )?;
    Ok(())
}
