//! Paints the images in `samples/` and writes the input that holds one of them:
//! `cargo run -p thumbnail --example thumbnail-samples`. The same bytes each time.

use std::fs;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use image::codecs::jpeg::JpegEncoder;
use image::{ImageFormat, Rgb, RgbImage};
use thumbnail::Input;

const WIDTH: u32 = 640;
const HEIGHT: u32 = 480;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples");

    let mut photo = Vec::new();
    RgbImage::from_fn(WIDTH, HEIGHT, landscape)
        .write_with_encoder(JpegEncoder::new_with_quality(&mut photo, 82))?;
    fs::write(samples.join("photo.jpg"), &photo)?;

    RgbImage::from_fn(WIDTH, HEIGHT, chart)
        .save_with_format(samples.join("chart.png"), ImageFormat::Png)?;

    let input = Input {
        image: BASE64.encode(&photo),
        max_width: 160,
        max_height: 160,
    };
    fs::write(
        samples.join("input.json"),
        serde_json::to_string(&input)? + "\n",
    )?;
    Ok(())
}

/// A sky with a sun, two ranges of hills, and a meadow, with the grain of a photograph.
fn landscape(x: u32, y: u32) -> Rgb<u8> {
    let (fx, fy) = (x as f32 / WIDTH as f32, y as f32 / HEIGHT as f32);
    let far = 0.48 + 0.10 * noise(fx * 4.0, 1.5, 11);
    let near = 0.62 + 0.12 * noise(fx * 3.0, 7.5, 23);
    let color = if fy < far {
        let clouds = (noise(fx * 5.0, fy * 9.0, 5) - 0.55).max(0.0) * 1.6;
        let distance = ((fx - 0.72).powi(2) + ((fy - 0.20) * 0.75).powi(2)).sqrt();
        let sun = (1.0 - distance / 0.35).clamp(0.0, 1.0).powi(3);
        let sky = mix([84.0, 141.0, 212.0], [206.0, 222.0, 236.0], fy / far);
        mix(
            mix(sky, [246.0, 246.0, 248.0], clouds),
            [255.0, 244.0, 214.0],
            sun,
        )
    } else if fy < near {
        let shade = noise(fx * 14.0, fy * 14.0, 31);
        mix([86.0, 108.0, 128.0], [122.0, 142.0, 152.0], shade)
    } else {
        let blades = noise(fx * 90.0, fy * 40.0, 47);
        let light = (fy - near) / (1.0 - near);
        let grass = mix([58.0, 96.0, 40.0], [126.0, 150.0, 62.0], blades);
        mix(grass, [40.0, 66.0, 30.0], light * 0.5)
    };
    let grain = (hash(x as i32, y as i32, 71) - 0.5) * 10.0;
    Rgb(color.map(|channel| (channel + grain).clamp(0.0, 255.0) as u8))
}

/// Seven bars on a white page: the flat colours that PNG is made for.
fn chart(x: u32, y: u32) -> Rgb<u8> {
    const BARS: [u32; 7] = [120, 190, 160, 260, 310, 280, 350];
    const COLORS: [[u8; 3]; 2] = [[38, 90, 140], [222, 122, 44]];
    let (left, bottom) = (60, HEIGHT - 60);
    if (x == left && y <= bottom) || (y == bottom && x >= left) {
        return Rgb([30, 30, 30]);
    }
    if x > left && y < bottom {
        let (bar, offset) = (((x - left) / 80) as usize, (x - left) % 80);
        if (12..68).contains(&offset) && BARS.get(bar).is_some_and(|height| bottom - y < *height) {
            return Rgb(COLORS[bar % 2]);
        }
        if (bottom - y).is_multiple_of(60) {
            return Rgb([220, 220, 220]);
        }
    }
    Rgb([255, 255, 255])
}

fn mix(from: [f32; 3], to: [f32; 3], part: f32) -> [f32; 3] {
    let part = part.clamp(0.0, 1.0);
    std::array::from_fn(|channel| from[channel] + (to[channel] - from[channel]) * part)
}

/// Value noise of three octaves, from 0 to 1.
fn noise(x: f32, y: f32, seed: u32) -> f32 {
    let octave = |scale: f32, seed| {
        let (x, y) = (x * scale, y * scale);
        let (cell_x, cell_y) = (x.floor() as i32, y.floor() as i32);
        let smooth = |t: f32| t * t * (3.0 - 2.0 * t);
        let (tx, ty) = (smooth(x - x.floor()), smooth(y - y.floor()));
        let row = |y| {
            let (left, right) = (hash(cell_x, y, seed), hash(cell_x + 1, y, seed));
            left + (right - left) * tx
        };
        let (top, bottom) = (row(cell_y), row(cell_y + 1));
        top + (bottom - top) * ty
    };
    (4.0 * octave(1.0, seed) + 2.0 * octave(2.0, seed + 1) + octave(4.0, seed + 2)) / 7.0
}

/// A number from 0 to 1 that depends on all bits of a point.
fn hash(x: i32, y: i32, seed: u32) -> f32 {
    let mut bits = (x as u32).wrapping_mul(0x9E37_79B1)
        ^ (y as u32).wrapping_mul(0x85EB_CA77)
        ^ seed.wrapping_mul(0xC2B2_AE3D);
    for _ in 0..2 {
        bits ^= bits >> 15;
        bits = bits.wrapping_mul(0x2C1B_3C6D);
        bits ^= bits >> 12;
    }
    bits as f32 / u32::MAX as f32
}
