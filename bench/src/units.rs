//! Numbers as people read them: three significant digits and a unit that fits.

/// A time: `850 ns`, `12.3 µs`, `4.56 ms`, `1.20 s`.
pub(crate) fn time(ns: f64) -> String {
    let (value, unit) = match ns.abs() {
        ..999.5 => return format!("{ns:.0} ns"),
        ..999.5e3 => (ns / 1e3, "µs"),
        ..999.5e6 => (ns / 1e6, "ms"),
        _ => (ns / 1e9, "s"),
    };
    format!("{} {unit}", three_digits(value))
}

/// A round time as the label of an axis: `1 ms`, `200 µs`.
pub(crate) fn time_tick(ns: f64) -> String {
    let (value, unit) = match ns {
        ..1e3 => (ns, "ns"),
        ..1e6 => (ns / 1e3, "µs"),
        ..1e9 => (ns / 1e6, "ms"),
        _ => (ns / 1e9, "s"),
    };
    format!("{value:.0} {unit}")
}

/// A size: powers of two in binary units (`64 KiB`), all others in decimal ones (`6.2 MB`).
pub(crate) fn bytes(bytes: u64) -> String {
    const BINARY: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    if bytes.is_power_of_two()
        && let Some((unit, name)) = BINARY.iter().find(|(unit, _)| bytes >= *unit)
    {
        return format!("{} {name}", bytes / unit);
    }
    let value = bytes as f64;
    match bytes {
        ..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", value / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", value / 1e6),
        _ => format!("{:.1} GB", value / 1e9),
    }
}

/// A ratio: `0.0025`, `0.312`, `1.08`, `24.5`.
pub(crate) fn ratio(ratio: f64) -> String {
    match ratio.abs() {
        ..0.09995 => format!("{ratio:.4}"),
        ..0.9995 => format!("{ratio:.3}"),
        _ => three_digits(ratio),
    }
}

/// A count or a rate: `12 345`, `87.2`.
pub(crate) fn number(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e4 {
        return format!("{value:.0}");
    }
    if value.abs() < 999.5 {
        return three_digits(value);
    }
    let digits = format!("{:.0}", value.abs());
    let mut grouped = String::from(if value < 0.0 { "-" } else { "" });
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push('\u{202f}'); // narrow no-break space
        }
        grouped.push(digit);
    }
    grouped
}

/// `p50`, `p99.9`; the ends have names.
pub(crate) fn percentile(percentile: f64) -> String {
    if percentile <= 0.0 {
        "min".to_owned()
    } else if percentile >= 100.0 {
        "max".to_owned()
    } else {
        format!("p{percentile}")
    }
}

fn three_digits(value: f64) -> String {
    match value.abs() {
        ..9.995 => format!("{value:.2}"),
        ..99.95 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_choose_their_unit() {
        let shown = [0.0, 850.0, 999.6, 12_345.0, 999_600.0, 4_560_000.0, 1.2e9].map(time);
        assert_eq!(
            shown,
            [
                "0 ns", "850 ns", "1.00 µs", "12.3 µs", "1.00 ms", "4.56 ms", "1.20 s"
            ]
        );
    }

    #[test]
    fn sizes_are_the_ones_people_name() {
        let shown = [64, 4096, 65_536, 1 << 20, 1_000_000, 6_220_800, 24_883_200].map(bytes);
        assert_eq!(
            shown,
            [
                "64 B", "4 KiB", "64 KiB", "1 MiB", "1.0 MB", "6.2 MB", "24.9 MB"
            ]
        );
    }

    #[test]
    fn numbers_are_grouped_and_percentiles_named() {
        assert_eq!(number(12_345.0), "12\u{202f}345");
        assert_eq!(number(30.0), "30");
        assert_eq!(number(87.24), "87.2");
        assert_eq!(
            [0.0, 50.0, 99.9, 100.0].map(percentile),
            ["min", "p50", "p99.9", "max"]
        );
        assert_eq!(
            [0.0025, 0.31234, 0.9999, 24.52].map(ratio),
            ["0.0025", "0.312", "1.00", "24.5"]
        );
    }
}
