//! Plots as SVG: bars beside each other, with their spread.

use std::fmt::Write as _;

/// One bar.
#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    /// What it is of.
    pub label: String,
    /// Which series it belongs to.
    pub series: usize,
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

/// Bars of one unit.
#[derive(Debug, Clone, PartialEq)]
pub struct Plot {
    pub title: String,
    /// What the colours mean.
    pub series: Vec<String>,
    pub bars: Vec<Bar>,
}

/// All sizes are in pixels.
const WIDTH: f64 = 760.0;
const LABEL_WIDTH: f64 = 250.0;
const VALUE_WIDTH: f64 = 90.0;
const BAR_HEIGHT: f64 = 14.0;
const BAR_GAP: f64 = 4.0;
const GROUP_GAP: f64 = 10.0;
const HEAD_HEIGHT: f64 = 56.0;
const FOOT_HEIGHT: f64 = 12.0;
/// Legible on white and on black.
const COLOURS: [&str; 4] = ["#3b82c4", "#d97a2b", "#4c9a5b", "#9a6bbf"];
const GREY: &str = "#7a7a7a";

impl Plot {
    /// As a document. Without bars it has a title and nothing else.
    pub fn to_svg(&self) -> String {
        let scale = (WIDTH - LABEL_WIDTH - VALUE_WIDTH) / self.largest();
        let mut body = String::new();
        let mut y = HEAD_HEIGHT;
        let mut last: Option<&str> = None;
        for bar in &self.bars {
            let is_new = last != Some(bar.label.as_str());
            if is_new && last.is_some() {
                y += GROUP_GAP;
            }
            if is_new {
                let at = (LABEL_WIDTH - 8.0, y + BAR_HEIGHT - 3.0);
                text(&mut body, at, "end", &bar.label);
            }
            last = Some(&bar.label);
            self.bar(&mut body, bar, y, scale);
            y += BAR_HEIGHT + BAR_GAP;
        }
        let height = y + FOOT_HEIGHT;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
             viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"12\" fill=\"{GREY}\">\n"
        );
        let _ = writeln!(svg, "<title>{}</title>", escaped(&self.title));
        text(&mut svg, (8.0, 20.0), "start", &self.title);
        self.legend(&mut svg);
        svg + &body + "</svg>\n"
    }

    fn largest(&self) -> f64 {
        let values = self.bars.iter().map(|bar| bar.max.max(bar.median));
        values.fold(f64::MIN_POSITIVE, f64::max)
    }

    fn legend(&self, svg: &mut String) {
        let mut x = 8.0;
        for (index, name) in self.series.iter().enumerate() {
            let colour = COLOURS[index % COLOURS.len()];
            let _ = writeln!(
                svg,
                "<rect x=\"{x}\" y=\"30\" width=\"10\" height=\"10\" fill=\"{colour}\"/>"
            );
            text(svg, (x + 14.0, 39.0), "start", name);
            x += 34.0 + 7.0 * name.chars().count() as f64;
        }
    }

    fn bar(&self, svg: &mut String, bar: &Bar, y: f64, scale: f64) {
        let colour = COLOURS[bar.series % COLOURS.len()];
        let width = (bar.median * scale).max(1.0);
        let _ = writeln!(
            svg,
            "<rect x=\"{LABEL_WIDTH}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{BAR_HEIGHT}\" fill=\"{colour}\"/>"
        );
        let middle = y + BAR_HEIGHT / 2.0;
        let (from, to) = (LABEL_WIDTH + bar.min * scale, LABEL_WIDTH + bar.max * scale);
        let _ = writeln!(
            svg,
            "<line x1=\"{from:.1}\" x2=\"{to:.1}\" y1=\"{middle:.1}\" y2=\"{middle:.1}\" stroke=\"{GREY}\"/>"
        );
        let value = crate::table::number(Some(&bar.median.into()));
        let at = (
            LABEL_WIDTH + width.max(bar.max * scale) + 6.0,
            y + BAR_HEIGHT - 3.0,
        );
        text(svg, at, "start", &value);
    }
}

fn text(svg: &mut String, (x, y): (f64, f64), anchor: &str, text: &str) {
    let text = escaped(text);
    let _ = writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"
    );
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(label: &str, series: usize, median: f64) -> Bar {
        Bar {
            label: label.to_owned(),
            series,
            median,
            min: median / 2.0,
            max: median * 2.0,
        }
    }

    fn plot(bars: Vec<Bar>) -> Plot {
        Plot {
            title: "jobs < a second".to_owned(),
            series: vec!["SQLite".to_owned(), "Postgres".to_owned()],
            bars,
        }
    }

    #[test]
    fn the_largest_fills_the_width() {
        let svg = plot(vec![bar("drain", 0, 50.0), bar("drain", 1, 100.0)]).to_svg();
        // 420 pixels are 200, the largest maximum.
        assert!(
            svg.contains("width=\"105.0\" height=\"14\" fill=\"#3b82c4\""),
            "{svg}"
        );
        assert!(
            svg.contains("width=\"210.0\" height=\"14\" fill=\"#d97a2b\""),
            "{svg}"
        );
        assert!(svg.contains("x1=\"355.0\" x2=\"670.0\""), "{svg}");
        assert_eq!(svg.matches(">drain<").count(), 1, "a label for each group");
        assert!(svg.contains("jobs &lt; a second"), "{svg}");
        assert_eq!(svg.matches('<').count(), svg.matches('>').count());
    }

    #[test]
    fn nothing_makes_no_bars() {
        let svg = plot(Vec::new()).to_svg();
        assert!(!svg.contains("<line") && svg.ends_with("</svg>\n"), "{svg}");
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }
}
