//! Makes up `samples/orders.csv` and writes the input that holds it:
//! `cargo run -p csv-report --example csv-report-samples`. The same bytes each time.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use csv_report::Input;

const ROWS: u32 = 12_000;
const REGIONS: [&str; 6] = ["Coast", "Delta", "Highlands", "Lakes", "Plains", "Valley"];

/// Products with their prices in cents.
const PRODUCTS: [(&str, u32); 8] = [
    ("anvil", 18_900),
    ("bellows", 7_450),
    ("chisel", 1_290),
    ("\"file, fine\"", 890),
    ("hammer", 2_350),
    ("nails", 475),
    ("saw", 3_120),
    ("tongs", 1_640),
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples");
    let csv = orders()?;
    fs::write(samples.join("orders.csv"), &csv)?;
    let input = Input {
        csv,
        group_by: "region".to_owned(),
        value: "amount".to_owned(),
    };
    fs::write(
        samples.join("input.json"),
        serde_json::to_string(&input)? + "\n",
    )?;
    Ok(())
}

/// Orders of a year. One in a hundred was cancelled and has no amount.
fn orders() -> Result<String, std::fmt::Error> {
    let mut dice = Dice(2_026);
    let mut csv = "order,date,region,product,quantity,amount\n".to_owned();
    for order in 1..=ROWS {
        let day = (order - 1) * 336 / ROWS;
        let (month, day) = (day / 28 + 1, day % 28 + 1);
        let region = REGIONS[dice.roll(6).min(dice.roll(8)) as usize];
        let (product, cents) = PRODUCTS[dice.roll(8) as usize];
        let quantity = 1 + dice.roll(12).min(dice.roll(12));
        write!(
            csv,
            "{order},2025-{month:02}-{day:02},{region},{product},{quantity},"
        )?;
        if dice.roll(100) > 0 {
            let cents = cents * quantity;
            write!(csv, "{}.{:02}", cents / 100, cents % 100)?;
        }
        csv.push('\n');
    }
    Ok(csv)
}

/// The generator of Knuth, The Art of Computer Programming, volume 2, 3.3.4.
struct Dice(u64);

impl Dice {
    /// A number from 0 to `sides - 1`.
    fn roll(&mut self, sides: u32) -> u32 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % u64::from(sides)) as u32
    }
}
