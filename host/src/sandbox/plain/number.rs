//! Numbers as JSON writes them, read without a detour: an integer never passes through a float, and a
//! float is the nearest to its decimal text.

use super::shape::Int;

/// Digits that matter: an `i128` holds them, and no integer type of WIT has more than 20.
const DIGITS_MAX: usize = 30;

/// Reads an integer from the text of a JSON number. `1.0` and `1e3` are integers too, as JSON Schema
/// says; they are read digit by digit.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn integer(text: &str, int: Int) -> Result<i128, String> {
    let (min, max) = int.range();
    let value = whole(text).ok_or_else(|| format!("{} is not a whole number", shown(text)))?;
    match value.filter(|value| (min..=max).contains(value)) {
        Some(value) => Ok(value),
        None => Err(format!("{} is outside {min} to {max}", shown(text))),
    }
}

/// None: not whole, or no number. `Some(None)`: whole, but of more digits than are looked at.
fn whole(text: &str) -> Option<Option<i128>> {
    let (sign, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
        None => (unsigned, 0),
    };
    let (before, after) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if before.is_empty() || !before.bytes().chain(after.bytes()).all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = format!("{before}{after}");
    let digits = digits.trim_start_matches('0');
    let significant = digits.trim_end_matches('0');
    if significant.is_empty() {
        return Some(Some(0));
    }
    // How many zeros follow the significant digits.
    let zeros = i64::try_from(digits.len() - significant.len()).ok()? - i64::try_from(after.len()).ok()?;
    let zeros = exponent.checked_add(zeros)?;
    let Ok(zeros) = usize::try_from(zeros) else { return None };
    if significant.len().saturating_add(zeros) > DIGITS_MAX {
        return Some(None);
    }
    let value: i128 = format!("{significant}{}", "0".repeat(zeros)).parse().ok()?;
    Some(Some(sign * value))
}

/// Reads an integer from a text that holds nothing but decimal digits and a sign.
///
/// # Errors
/// As [`integer`].
pub(super) fn decimal(text: &str, int: Int) -> Result<i128, String> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("{} is no integer in decimal digits", shown(text)));
    }
    integer(text, int)
}

/// A number as an error repeats it: no longer than a line.
fn shown(text: &str) -> String {
    const CHARS: usize = 40;
    match text.char_indices().nth(CHARS) {
        Some((end, _)) => format!("`{}…`", &text[..end]),
        None => format!("`{text}`"),
    }
}

/// The names of the floats that JSON numbers cannot say.
pub(super) const NOT_FINITE: [&str; 3] = ["NaN", "Infinity", "-Infinity"];

macro_rules! floats {
    ($($name:ident, $float:ident;)*) => {$(
        /// The nearest float to the text of a JSON number.
        ///
        /// # Errors
        /// When it is outside what the type can hold.
        pub(super) fn $name(text: &str) -> Result<$float, String> {
            match text.parse::<$float>() {
                Ok(value) if value.is_finite() => Ok(value),
                _ => Err(format!("{} is outside what {} can hold", shown(text), stringify!($float))),
            }
        }
    )*};
}

floats! {
    float32, f32;
    float64, f64;
}

/// The JSON of a float: the shortest number that reads back as it, or the name of what is no number.
/// All NaNs are one, as in the component model.
pub(super) fn float_json(value: impl Into<f64> + std::fmt::Debug + Copy) -> String {
    let wide: f64 = value.into();
    match wide {
        _ if wide.is_nan() => r#""NaN""#.to_owned(),
        f64::INFINITY => r#""Infinity""#.to_owned(),
        f64::NEG_INFINITY => r#""-Infinity""#.to_owned(),
        // Of the narrow type, whose shortest digits are fewer.
        _ => format!("{value:?}"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn whole_numbers_are_exact_in_every_spelling() {
        for (text, expected) in [
            ("0", 0),
            ("-0", 0),
            ("0.000", 0),
            ("0e99999", 0),
            ("18446744073709551615", i128::from(u64::MAX)),
            ("9007199254740993", 9_007_199_254_740_993),
            ("9007199254740993.0", 9_007_199_254_740_993),
            ("1.8446744073709551615e19", i128::from(u64::MAX)),
            ("1e3", 1_000),
            ("100e-2", 1),
            ("12.50e1", 125),
        ] {
            assert_eq!(integer(text, Int::U64), Ok(expected), "{text}");
        }
        assert_eq!(integer("-9223372036854775808", Int::S64), Ok(i128::from(i64::MIN)));
        assert_eq!(decimal("-12", Int::S8), Ok(-12));
    }

    #[test]
    fn what_is_not_whole_or_out_of_range_is_refused_with_the_range() {
        for text in ["1.5", "1e-1", "0.1", "12.34e1"] {
            assert!(integer(text, Int::U64).is_err_and(|why| why.contains("whole")), "{text}");
        }
        let long = "9".repeat(500);
        for text in ["18446744073709551616", "-1", "1e20", "1e999999999999", &long, "1e9223372036854775807"] {
            let why = integer(text, Int::U64).expect_err(text);
            assert!(why.contains("outside") && why.len() < 200, "{why}");
        }
        assert!(integer("128", Int::S8).is_err_and(|why| why.contains("-128 to 127")));
        for text in ["", "-", "0x10", "1.0", "1e3", " 1", "+1", "١"] {
            assert!(decimal(text, Int::U64).is_err(), "{text}");
        }
    }

    #[test]
    fn floats_that_are_no_numbers_have_names_and_those_too_large_are_refused() {
        let named = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY].map(float_json);
        assert_eq!(named, NOT_FINITE.map(|name| format!("\"{name}\"")));
        assert!(float32("1e39").is_err() && float64("1e309").is_err());
        assert_eq!(float_json(0.1_f32), "0.1");
        assert_eq!(float_json(-0.0_f64), "-0.0");
    }

    proptest! {
        #[test]
        fn every_float_reads_back_as_itself(bits in any::<u64>(), narrow in any::<u32>()) {
            let (wide, narrow) = (f64::from_bits(bits), f32::from_bits(narrow));
            if wide.is_finite() {
                let json = float_json(wide);
                prop_assert_eq!(float64(&json).map(f64::to_bits), Ok(bits));
                prop_assert!(serde_json::from_str::<serde_json::Number>(&json).is_ok(), "{}", json);
            }
            if narrow.is_finite() {
                prop_assert_eq!(float32(&float_json(narrow)).map(f32::to_bits), Ok(narrow.to_bits()));
            }
        }

        #[test]
        fn every_integer_reads_back_as_itself(value in any::<i64>()) {
            prop_assert_eq!(integer(&value.to_string(), Int::S64), Ok(i128::from(value)));
        }
    }
}
