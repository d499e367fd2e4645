//! Latency and bandwidth over the message length, as SVG.

use std::path::Path;

use plotters::prelude::*;

use super::perf::{Line, Pair};
use crate::error::Error;

const COLOURS: [RGBColor; 3] = [
    RGBColor(0x1b, 0x6c, 0xa8),
    RGBColor(0xd9, 0x5f, 0x02),
    RGBColor(0x2a, 0x8a, 0x4a),
];

/// Draws both curves of all pairs, one above the other.
pub fn draw(pairs: &[Pair], path: &Path) -> Result<(), Error> {
    let area = SVGBackend::new(path, (900, 900)).into_drawing_area();
    let drawn = area
        .fill(&WHITE)
        .map_err(|error| error.to_string())
        .and_then(|()| {
            let (above, below) = area.split_vertically(450);
            chart(&above, "one way, µs", pairs, |line| line.us)?;
            chart(&below, "MB/s", pairs, |line| line.mbps)?;
            area.present().map_err(|error| error.to_string())
        });
    drawn.map_err(|error| Error::Judged(format!("cannot draw {}: {error}", path.display())))
}

fn chart(
    area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    title: &str,
    pairs: &[Pair],
    value: fn(&Line) -> f64,
) -> Result<(), String> {
    let text = |error: DrawingAreaErrorKind<std::io::Error>| error.to_string();
    // Length 0 has no place on a logarithmic axis; half a byte stands for it.
    let points = |pair: &Pair| -> Vec<(f64, f64)> {
        let place = |line: &Line| (line.length as f64).max(0.5);
        pair.lines
            .iter()
            .map(|line| (place(line), value(line).max(0.001)))
            .collect()
    };
    let values = pairs.iter().flat_map(points).map(|(_, y)| y);
    let (low, high) = values.fold((f64::MAX, f64::MIN), |(low, high), y| {
        (low.min(y), high.max(y))
    });
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 20))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(64)
        .build_cartesian_2d(
            (0.5..5.0e6_f64).log_scale(),
            (low * 0.8..high * 1.25).log_scale(),
        )
        .map_err(text)?;
    chart
        .configure_mesh()
        .x_desc("bytes")
        .draw()
        .map_err(text)?;
    for (pair, colour) in pairs.iter().zip(COLOURS) {
        chart
            .draw_series(LineSeries::new(points(pair), colour.stroke_width(2)))
            .map_err(text)?
            .label(format!("{} → {}", pair.from, pair.to))
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], colour));
    }
    chart
        .configure_series_labels()
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK)
        .draw()
        .map_err(text)
}
