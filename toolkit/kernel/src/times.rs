//! Times: Unix times in any unit, and RFC 3339 times.

use crate::json::{LineError, is_number, label, text};
use crate::plan::Plan;

/// Reads a Unix time, or an RFC 3339 time with a zone, as microseconds; None: it is 0, or has
/// no zone.
pub fn read_time(raw: &str, plan: &Plan) -> Result<Option<i64>, LineError> {
    let digits = label(raw);
    let time = if !raw.starts_with('"') {
        if !is_number(raw) {
            return Err(LineError::wrong_type(plan.expected("timestamp"), raw));
        }
        microseconds(&digits, plan.created_scale, plan.latest_microsecond)
    } else if let Some(calendar) = Calendar::parse(&digits) {
        match calendar.offset {
            Some(offset) => calendar.microseconds(offset),
            None => return Ok(None),
        }
    } else {
        let points = digits.bytes().filter(|&byte| byte == b'.').count();
        let numbers = digits.bytes().filter(u8::is_ascii_digit).count();
        if points > 1 || points + numbers != digits.len() || points == digits.len() && points > 0 {
            let expected = plan.expected("timestamp");
            let reason = format!("expected {expected}, got a string without one");
            return Err(LineError::because("wrong_type", reason));
        }
        microseconds(&digits, plan.created_scale, plan.latest_microsecond)
    };
    match time {
        Some(micros) if (0..plan.latest_microsecond).contains(&micros) => {
            Ok((micros > 0).then_some(micros))
        }
        _ => {
            let reason = "expected a time from 1970 to before 2200".to_owned();
            Err(LineError::because("out_of_range", reason))
        }
    }
}

/// Returns whether a value is a time without a zone.
pub fn lacks_zone(raw: &str) -> bool {
    let time = raw.starts_with('"').then(|| text(raw));
    time.is_some_and(|time| Calendar::parse(&time).is_some_and(|time| time.offset.is_none()))
}

/// A date and a time of day, as RFC 3339 has them.
struct Calendar<'t> {
    /// Year, month, day, hour, minute, second.
    numbers: [i64; 6],
    second: &'t str,
    /// Whether the zone is behind, its hours and minutes.
    offset: Option<(bool, i64, i64)>,
}

impl<'t> Calendar<'t> {
    /// None: the text is no such time.
    fn parse(text: &'t str) -> Option<Self> {
        const FORM: &[u8; 19] = b"0000-00-00T00:00:00";
        let bytes = text.as_bytes();
        let is_alike = |(byte, sign): (&u8, &u8)| match sign {
            b'0' => byte.is_ascii_digit(),
            b'T' => matches!(byte, b'T' | b't' | b' '),
            _ => byte == sign,
        };
        if bytes.len() < FORM.len() || !bytes.iter().zip(FORM).all(is_alike) {
            return None;
        }
        let mut end = FORM.len();
        if bytes[end..].first() == Some(&b'.') {
            let digits = bytes[end + 1..].iter().take_while(|it| it.is_ascii_digit());
            end += 1 + digits.count();
            bytes[end - 1].is_ascii_digit().then_some(())?;
        }
        let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
        let [year, month, day] = [number(0, 4)?, number(5, 7)?, number(8, 10)?];
        let [hour, minute, second] = [number(11, 13)?, number(14, 16)?, number(17, 19)?];
        let offset = match bytes[end..] {
            [] => None,
            [b'Z' | b'z'] => Some((false, 0, 0)),
            [sign @ (b'+' | b'-'), one, two, ref rest @ ..] => {
                let [three, four] = *rest.strip_prefix(b":").unwrap_or(rest) else {
                    return None;
                };
                let digits = [one, two, three, four].map(|byte| i64::from(byte) - 48);
                let [one, two, three, four] = digits;
                let is_number = digits.iter().all(|digit| (0..10).contains(digit));
                is_number.then_some(())?;
                Some((sign == b'-', 10 * one + two, 10 * three + four))
            }
            _ => return None,
        };
        Some(Calendar {
            numbers: [year, month, day, hour, minute, second],
            second: &text[17..end],
            offset,
        })
    }

    /// Microseconds since 1970; None: there is no such time. Second 60 is the next.
    fn microseconds(&self, (is_behind, hours, minutes): (bool, i64, i64)) -> Option<i64> {
        let [year, month, day, hour, minute, second] = self.numbers;
        let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let last = match month {
            2 => 28 + i64::from(is_leap),
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => 0,
        };
        let is_time = hour.max(hours) < 24 && minute.max(minutes) < 60 && second <= 60;
        if year == 0 || !(1..=last).contains(&day) || !is_time {
            return None;
        }
        // Of a year that begins in March, so that the leap day is the last one.
        let (year, month) = (year - i64::from(month < 3), (month + 9) % 12);
        let leaps = year / 4 - year / 100 + year / 400;
        let days = 365 * year + leaps + (153 * month + 2) / 5 + day - 719_469;
        let ahead = (hours * 60 + minutes) * if is_behind { -1 } else { 1 };
        let second = microseconds(self.second, 6, i64::MAX)?;
        Some(((days * 24 + hour) * 60 + minute - ahead) * 60_000_000 + second)
    }
}

/// A decimal number times a power of ten, exactly as written, rounded half to even.
///
/// None if it is negative after rounding, or not before the latest.
fn microseconds(number: &str, scale: i32, latest: i64) -> Option<i64> {
    let (mantissa, exponent) = match number.find(['e', 'E']) {
        Some(at) => (&number[..at], exponent_of(&number[at + 1..])),
        None => (number, 0),
    };
    let negative = mantissa.starts_with('-');
    let mantissa = mantissa.trim_start_matches('-');
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits: Vec<u8> = whole
        .bytes()
        .chain(fraction.bytes())
        .map(|byte| byte - b'0')
        .collect();
    let first = digits.iter().position(|&digit| digit != 0);
    let Some(first) = first else { return Some(0) };
    // How many of the digits are before the point, once it is moved.
    let shift = exponent.saturating_add(i64::from(scale));
    let point = (whole.len() as i64).saturating_add(shift);
    let significant = point.saturating_sub(first as i64);
    if significant > 20 {
        return None;
    }
    let digit = |place: i64| {
        usize::try_from(place)
            .ok()
            .and_then(|place| digits.get(place))
            .copied()
            .unwrap_or(0)
    };
    let mut value = 0_i128;
    for place in first as i64..point.max(first as i64) {
        value = value * 10 + i128::from(digit(place));
    }
    let next = if point >= 0 { digit(point) } else { 0 };
    let rest = (point + 1).max(0) as usize;
    let has_more = digits
        .get(rest..)
        .unwrap_or_default()
        .iter()
        .any(|&digit| digit != 0);
    if next > 5 || (next == 5 && (has_more || value % 2 == 1)) {
        value += 1;
    }
    if (negative && value != 0) || value >= i128::from(latest) {
        return None;
    }
    i64::try_from(value).ok()
}

/// The exponent; one past all bounds stays past them.
fn exponent_of(text: &str) -> i64 {
    const BOUND: i64 = 1 << 40;
    let digits = text.trim_start_matches(['+', '-']).trim_start_matches('0');
    let size = match digits.len() {
        0 => 0,
        1..=12 => digits.parse().unwrap_or(BOUND),
        _ => BOUND,
    };
    if text.starts_with('-') { -size } else { size }
}
