//! A smaller PNG of a JPEG or PNG image.
//!
//! The image comes from outside, so it may be hostile: its size is checked from its header before a
//! pixel is decoded, and whatever gets past that meets the job type's memory and time limits.

use std::io::Cursor;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hardstop_guest::{Ctx, Failure};
use image::{ImageFormat, ImageReader, Limits};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The most pixels that an image may have on one side.
const SIDE_MAX: u32 = 8_192;

/// The most bytes that decoding may take: what fits the manifest's memory limit of 64 MiB together
/// with the input.
const DECODE_BYTES_MAX: u64 = 40 << 20;

/// An image, and the box that its thumbnail must fit.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// A JPEG or PNG file, in base64.
    pub image: String,
    /// The most pixels across.
    #[schemars(range(min = 1, max = 2048))]
    pub max_width: u32,
    /// The most pixels down.
    #[schemars(range(min = 1, max = 2048))]
    pub max_height: u32,
}

/// A thumbnail.
#[derive(Deserialize, Serialize, JsonSchema)]
pub struct Output {
    /// A PNG file, in base64.
    pub image: String,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
}

/// Makes a PNG that fits a box from a JPEG or PNG image, keeping its proportions. An image that
/// fits already keeps its size.
#[hardstop_guest::job]
pub fn thumbnail(ctx: &Ctx, input: Input) -> Result<Output, Failure> {
    let bytes = BASE64
        .decode(&input.image)
        .map_err(|error| Failure::fatal(format!("`image` is not base64: {error}")))?;
    let mut reader = ImageReader::new(Cursor::new(&bytes)).with_guessed_format()?;
    let Some(format @ (ImageFormat::Jpeg | ImageFormat::Png)) = reader.format() else {
        return Err(Failure::fatal("`image` is neither a JPEG nor a PNG file"));
    };
    let mut limits = Limits::default();
    limits.max_image_width = Some(SIDE_MAX);
    limits.max_image_height = Some(SIDE_MAX);
    limits.max_alloc = Some(DECODE_BYTES_MAX);
    reader.limits(limits);
    let image = reader
        .decode()
        .map_err(|error| Failure::fatal(format!("`image` cannot be decoded: {error}")))?;

    ctx.progress(0.5, "decoded");
    let (width, height) = (image.width(), image.height());
    let (max_width, max_height) = (input.max_width.max(1), input.max_height.max(1));
    let small = if width <= max_width && height <= max_height {
        image
    } else {
        image.thumbnail(max_width, max_height)
    };
    log::info!(
        from = format!("{width}x{height}").as_str(),
        to = format!("{}x{}", small.width(), small.height()).as_str();
        "made a thumbnail of a {format:?} of {} bytes", bytes.len()
    );

    let mut png = Cursor::new(Vec::new());
    small.write_to(&mut png, ImageFormat::Png)?;
    Ok(Output {
        image: BASE64.encode(png.into_inner()),
        width: small.width(),
        height: small.height(),
    })
}

hardstop_guest::export!(thumbnail);

#[cfg(test)]
mod tests {
    use super::*;
    use hardstop_guest::{FailureKind, Outcome};

    const JPEG: &[u8] = include_bytes!("../samples/photo.jpg");
    const PNG: &[u8] = include_bytes!("../samples/chart.png");

    fn input(image: &[u8], max_width: u32, max_height: u32) -> Input {
        Input {
            image: BASE64.encode(image),
            max_width,
            max_height,
        }
    }

    fn decoded(output: &Output) -> image::DynamicImage {
        let bytes = BASE64.decode(&output.image).expect("base64");
        image::load_from_memory_with_format(&bytes, ImageFormat::Png).expect("a PNG")
    }

    #[test]
    fn images_shrink_into_the_box_and_keep_their_proportions() {
        for sample in [JPEG, PNG] {
            let ctx = Ctx::for_test();
            let output = thumbnail(&ctx, input(sample, 160, 160)).expect("a thumbnail");
            assert_eq!((output.width, output.height), (160, 120));
            let image = decoded(&output);
            assert_eq!((image.width(), image.height()), (160, 120));
            assert_eq!(ctx.progress_reports().len(), 1);
            assert_eq!(ctx.logs()[0].fields[0].1, "640x480");
        }
    }

    #[test]
    fn an_image_that_fits_keeps_its_size() {
        let output = thumbnail(&Ctx::for_test(), input(PNG, 2_048, 2_048)).expect("a thumbnail");
        assert_eq!((output.width, output.height), (640, 480));
    }

    #[test]
    fn the_thumbnail_looks_like_the_image() {
        let output = thumbnail(&Ctx::for_test(), input(JPEG, 8, 6)).expect("a thumbnail");
        let small = decoded(&output).to_rgb8();
        let [_, _, sky_blue] = small.get_pixel(1, 0).0;
        let [_, ground_green, ground_blue] = small.get_pixel(1, 5).0;
        assert!(sky_blue > 150, "the sky is blue: {sky_blue}");
        assert!(ground_green > ground_blue, "the meadow is green");
    }

    #[test]
    fn what_is_no_image_is_fatal_and_says_why() {
        let text = |image: &str| Input {
            image: image.to_owned(),
            max_width: 10,
            max_height: 10,
        };
        let mut cut = JPEG.to_vec();
        cut.truncate(300);
        for (input, message) in [
            (text("%%%"), "not base64"),
            (
                input(b"GIF89a and so on", 10, 10),
                "neither a JPEG nor a PNG",
            ),
            (input(b"", 10, 10), "neither a JPEG nor a PNG"),
            (input(&cut, 10, 10), "cannot be decoded"),
        ] {
            let failure = thumbnail(&Ctx::for_test(), input).err().expect("a failure");
            assert_eq!(failure.kind, FailureKind::Fatal);
            assert!(failure.message.contains(message), "{failure}");
        }
    }

    #[test]
    fn an_image_that_claims_to_be_huge_is_refused_from_its_header() {
        // A PNG header of 60000 by 60000 pixels: signature, IHDR with its checksum, nothing else.
        let mut bomb = PNG[..33].to_vec();
        bomb[16..20].copy_from_slice(&60_000u32.to_be_bytes());
        bomb[20..24].copy_from_slice(&60_000u32.to_be_bytes());
        let checksum = crc32(&bomb[12..29]);
        bomb[29..33].copy_from_slice(&checksum.to_be_bytes());
        bomb.extend_from_slice(&PNG[33..]);
        let failure = thumbnail(&Ctx::for_test(), input(&bomb, 10, 10))
            .err()
            .expect("a failure");
        assert_eq!(failure.kind, FailureKind::Fatal);
        assert!(
            failure.message.to_lowercase().contains("limit"),
            "{failure}"
        );
    }

    /// The checksum of PNG chunks, ISO 3309.
    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0u32, |mut crc, byte| {
            crc ^= u32::from(*byte);
            for _ in 0..8 {
                crc = (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg());
            }
            crc
        })
    }

    #[test]
    fn the_sample_input_works() {
        let outcome = Ctx::for_test()
            .run::<thumbnail>(include_str!("../samples/input.json"))
            .expect("an outcome");
        let Outcome::Complete(output) = outcome else {
            panic!("not complete");
        };
        assert_eq!(
            (&output["width"], &output["height"]),
            (&160.into(), &120.into())
        );
    }
}
