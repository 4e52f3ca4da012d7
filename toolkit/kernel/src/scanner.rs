//! One strict pass over the JSON of a line: where its values are, and nothing kept.
//!
//! A line ends before a control character (its line feed), which no token accepts: so the
//! scanner needs no other bound. What it does not take, the strict path looks at.

use wide::u8x16;

/// Where a value is in a line, and what it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Value {
    pub kind: JsonType,
    pub start: u32,
    pub end: u32,
    /// Of a string with escapes: where its text ends among those of the line, and before
    /// that, in the upper half, where it starts. Of a whole number: itself.
    pub extra: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum JsonType {
    #[default]
    Missing,
    Null,
    Bool,
    /// A whole number of at most 15 digits, without a sign.
    Whole,
    Number,
    String,
    List,
    Object,
}

impl JsonType {
    /// All types of a value that is there.
    pub const ANY: &[JsonType] = &[
        JsonType::Bool,
        JsonType::Whole,
        JsonType::Number,
        JsonType::String,
        JsonType::List,
        JsonType::Object,
    ];
}

impl Value {
    /// Missing and null are the same.
    pub fn is_null(&self) -> bool {
        matches!(self.kind, JsonType::Missing | JsonType::Null)
    }

    /// The JSON of the value.
    pub fn raw<'a>(&self, line: &'a [u8]) -> &'a [u8] {
        &line[self.start as usize..self.end as usize]
    }

    /// The text of a string.
    pub fn text<'a>(&self, line: &'a [u8], unescaped: &'a [u8]) -> &'a [u8] {
        if self.extra > 0 {
            &unescaped[(self.extra >> 32) as usize..self.extra as u32 as usize]
        } else {
            &line[self.start as usize + 1..self.end as usize - 1]
        }
    }

    /// The text of a string, or the JSON of any other value.
    pub fn label<'a>(&self, line: &'a [u8], unescaped: &'a [u8]) -> &'a [u8] {
        match self.kind {
            JsonType::String => self.text(line, unescaped),
            _ => self.raw(line),
        }
    }
}

/// Passes what is at a place, and returns the place behind it.
///
/// The place is handed from call to call: it stays in a register so.
pub struct Scanner<'a> {
    /// The line and what follows it, so that it is read in whole vectors.
    pub data: &'a [u8],
    /// Where the line ends in the data.
    pub end: usize,
    /// How many brackets may be open.
    pub deepest: usize,
    /// The last whole number that was passed.
    pub whole: u64,
}

impl<'a> Scanner<'a> {
    pub fn new(data: &'a [u8], deepest: usize) -> Self {
        Scanner {
            data,
            end: data.len(),
            deepest,
            whole: 0,
        }
    }

    #[inline]
    pub fn sign(&self, at: usize) -> u8 {
        self.data.get(at).copied().unwrap_or(0)
    }

    #[inline]
    pub fn space(&self, mut at: usize) -> usize {
        while matches!(self.sign(at), b' ' | b'\t') {
            at += 1;
        }
        at
    }

    #[inline]
    pub fn expect(&self, at: usize, sign: u8) -> Option<usize> {
        (self.sign(at) == sign).then_some(at + 1)
    }

    /// Passes the colon between a key and its value.
    #[inline]
    pub fn colon(&self, at: usize) -> Option<usize> {
        let at = self.expect(self.space(at), b':')?;
        Some(self.space(at))
    }

    /// Passes a comma, or the bracket that closes: returns whether more follows.
    #[inline]
    pub fn goes_on(&self, at: usize, closing: u8) -> Option<(bool, usize)> {
        let at = self.space(at);
        match self.sign(at) {
            b',' => Some((true, self.space(at + 1))),
            sign if sign == closing => Some((false, at + 1)),
            _ => None,
        }
    }

    /// Passes a value inside a number of open brackets.
    pub fn value(&mut self, at: usize, depth: usize) -> Option<(JsonType, usize)> {
        Some(match self.sign(at) {
            b'"' => (JsonType::String, self.string(at + 1)?.1),
            b'{' => (JsonType::Object, self.object(at, depth + 1)?),
            b'[' => (JsonType::List, self.list(at, depth + 1)?),
            b'n' => (JsonType::Null, self.word(at, b"null")?),
            b't' => (JsonType::Bool, self.word(at, b"true")?),
            b'f' => (JsonType::Bool, self.word(at, b"false")?),
            _ => self.number(at)?,
        })
    }

    fn object(&mut self, at: usize, depth: usize) -> Option<usize> {
        if depth > self.deepest {
            return None;
        }
        let mut at = self.space(at + 1);
        if self.sign(at) == b'}' {
            return Some(at + 1);
        }
        loop {
            at = self.expect(at, b'"')?;
            at = self.string(at)?.1;
            at = self.colon(at)?;
            at = self.value(at, depth)?.1;
            match self.goes_on(at, b'}')? {
                (true, next) => at = next,
                (false, end) => return Some(end),
            }
        }
    }

    fn list(&mut self, at: usize, depth: usize) -> Option<usize> {
        if depth > self.deepest {
            return None;
        }
        let mut at = self.space(at + 1);
        if self.sign(at) == b']' {
            return Some(at + 1);
        }
        loop {
            at = self.value(at, depth)?.1;
            match self.goes_on(at, b']')? {
                (true, next) => at = next,
                (false, end) => return Some(end),
            }
        }
    }

    #[inline]
    fn word(&self, at: usize, word: &[u8]) -> Option<usize> {
        let is_here = self.data.get(at..)?.starts_with(word);
        is_here.then_some(at + word.len())
    }

    #[inline]
    fn number(&mut self, at: usize) -> Option<(JsonType, usize)> {
        let (value, digits) = whole(self.data, at);
        let end = at + digits;
        let goes_on = matches!(self.sign(end), b'.' | b'e' | b'E');
        if digits == 0 || goes_on || (digits > 1 && self.sign(at) == b'0') {
            return Some((JsonType::Number, self.any_number(at)?));
        }
        self.whole = value;
        Some((JsonType::Whole, end))
    }

    fn any_number(&self, mut at: usize) -> Option<usize> {
        if self.sign(at) == b'-' {
            at += 1;
        }
        at = match self.sign(at) {
            b'0' => at + 1,
            _ => self.digits(at)?,
        };
        if self.sign(at) == b'.' {
            at = self.digits(at + 1)?;
        }
        if matches!(self.sign(at), b'e' | b'E') {
            at += 1;
            if matches!(self.sign(at), b'+' | b'-') {
                at += 1;
            }
            at = self.digits(at)?;
        }
        Some(at)
    }

    fn digits(&self, start: usize) -> Option<usize> {
        let mut at = start;
        while self.sign(at).is_ascii_digit() {
            at += 1;
        }
        (at > start).then_some(at)
    }

    /// Passes a string behind its opening quote; returns whether it has escapes.
    #[inline]
    pub fn string(&self, at: usize) -> Option<(bool, usize)> {
        let at = next_stop(self.data, at);
        if self.sign(at) == b'"' {
            return Some((false, at + 1));
        }
        self.string_from(at).map(|end| (true, end))
    }

    /// Goes on with a string that goes on with an escape or a control character.
    fn string_from(&self, mut at: usize) -> Option<usize> {
        while let Some(chunk) = chunk_at::<CHUNK>(self.data, at) {
            let base = at;
            let mut found = wide_stops(chunk);
            while found != 0 {
                at = base + found.trailing_zeros() as usize;
                if self.sign(at) == b'"' {
                    return Some(at + 1);
                }
                at = self.escape(at)?;
                // What the escape took of the chunk is no stop any more.
                found &= u64::MAX.checked_shl((at - base) as u32).unwrap_or(0);
            }
            at = at.max(base + CHUNK);
        }
        // The last bytes of the data.
        loop {
            at = next_stop(self.data, at);
            if self.sign(at) == b'"' {
                return Some(at + 1);
            }
            at = self.escape(at)?;
        }
    }

    /// Passes an escape.
    #[inline]
    fn escape(&self, at: usize) -> Option<usize> {
        let is_simple = SIMPLE[usize::from(self.sign(at + 1))] != 0;
        if is_simple && self.sign(at) == b'\\' {
            return Some(at + 2);
        }
        Some(at + escape(&self.data[at..])?.1)
    }

    /// Passes a string behind its opening quote, and writes its text if that is another
    /// than the raw one.
    #[inline]
    pub fn text(&self, start: usize, texts: &mut Texts) -> Option<usize> {
        let at = next_stop(self.data, start);
        if self.sign(at) == b'"' {
            return Some(at + 1);
        }
        self.text_from(start, at, texts)
    }

    fn text_from(&self, start: usize, stop: usize, texts: &mut Texts) -> Option<usize> {
        // No text is longer than its escapes; chunks are copied whole.
        let room = texts.end + (self.end - start) + 2 * CHUNK;
        if texts.bytes.len() < room {
            texts.bytes.resize(room + room / 2, 0);
        }
        let text = &mut texts.bytes[..];
        let mut end = texts.end + (stop - start);
        text[texts.end..end].copy_from_slice(&self.data[start..stop]);
        let mut at = stop;
        // A chunk of what is to come, and from where on it is to be copied.
        while let Some(chunk) = chunk_at::<CHUNK>(self.data, at) {
            let base = at;
            let mut found = wide_stops(chunk);
            while found != 0 {
                let stop = base + found.trailing_zeros() as usize;
                end = copy_chunk(self.data, at, stop, text, end);
                if self.sign(stop) == b'"' {
                    texts.end = end;
                    return Some(stop + 1);
                }
                (at, end) = self.write_escape(stop, text, end)?;
                // What the escape took of the chunk is no stop any more.
                found &= u64::MAX.checked_shl((at - base) as u32).unwrap_or(0);
            }
            if at < base + CHUNK {
                end = copy_chunk(self.data, at, base + CHUNK, text, end);
                at = base + CHUNK;
            }
        }
        // The last bytes of the data.
        loop {
            match self.sign(at) {
                b'"' => {
                    texts.end = end;
                    return Some(at + 1);
                }
                b'\\' => (at, end) = self.write_escape(at, text, end)?,
                ..=0x1F => return None,
                sign => {
                    text[end] = sign;
                    (at, end) = (at + 1, end + 1);
                }
            }
        }
    }

    /// Writes the character of an escape; returns the places behind both.
    #[inline(always)] // it is most of the work on a text
    fn write_escape(&self, at: usize, text: &mut [u8], end: usize) -> Option<(usize, usize)> {
        let simple = SIMPLE[usize::from(self.sign(at + 1))];
        if simple == 0 || self.sign(at) != b'\\' {
            return self.write_unit(at, text, end);
        }
        text[end] = simple;
        Some((at + 2, end + 1))
    }

    fn write_unit(&self, at: usize, text: &mut [u8], end: usize) -> Option<(usize, usize)> {
        let (character, length) = escape(&self.data[at..])?;
        let size = character.encode_utf8(&mut text[end..]).len();
        Some((at + length, end + size))
    }
}

/// The text of the strings of a line that have escapes, one behind the other.
#[derive(Default)]
pub struct Texts {
    pub bytes: Vec<u8>,
    /// Where they end; room for more is behind it.
    pub end: usize,
}

/// The character of the escape that begins some text, and how many bytes it takes; None:
/// there is none, or half a pair.
#[inline]
fn escape(text: &[u8]) -> Option<(char, usize)> {
    let [b'\\', sign, ..] = *text else {
        return None;
    };
    match SIMPLE[usize::from(sign)] {
        0 if sign == b'u' => escaped_unit(text),
        0 => None,
        character => Some((char::from(character), 2)),
    }
}

fn escaped_unit(text: &[u8]) -> Option<(char, usize)> {
    let high = unit(text)?;
    if !(0xD800..0xDC00).contains(&high) {
        return Some((char::from_u32(high)?, 6));
    }
    let low = unit(&text[6..]).filter(|low| (0xDC00..0xE000).contains(low))?;
    let code = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
    Some((char::from_u32(code)?, 12))
}

/// The number of an escape of six bytes.
fn unit(text: &[u8]) -> Option<u32> {
    let [b'\\', b'u', digits @ ..] = text.first_chunk::<6>()? else {
        return None;
    };
    let digits = digits.map(|digit| u32::from(DIGITS[usize::from(digit)]));
    let [one, two, three, four] = digits;
    (one | two | three | four <= 0xF).then_some(one << 12 | two << 8 | three << 4 | four)
}

/// By the sign behind a backslash: its character; 0: it has none of its own.
const SIMPLE: [u8; 256] = {
    let mut table = [0; 256];
    let pairs = b"n\nt\tr\rb\x08f\x0c\"\"\\\\//";
    let mut at = 0;
    while at < pairs.len() {
        table[pairs[at] as usize] = pairs[at + 1];
        at += 2;
    }
    table
};

/// By the sign: its value as a hexadecimal digit; 255: it is none.
const DIGITS: [u8; 256] = {
    let mut table = [255; 256];
    let mut digit = 0;
    while digit < 16 {
        table[b"0123456789abcdef"[digit] as usize] = digit as u8;
        table[b"0123456789ABCDEF"[digit] as usize] = digit as u8;
        digit += 1;
    }
    table
};

/// The whole number of up to 15 digits at a place, and how many it has; 0:
/// there is none, or a longer one.
#[inline]
fn whole(data: &[u8], at: usize) -> (u64, usize) {
    let Some(chunk) = chunk_at(data, at) else {
        return (0, 0);
    };
    let (value, digits) = leading_digits(u64::from_le_bytes(*chunk));
    if digits < 8 {
        return (value, digits);
    }
    let Some(chunk) = chunk_at(data, at + 8) else {
        return (0, 0);
    };
    let (more, digits) = leading_digits(u64::from_le_bytes(*chunk));
    match 10_u64.checked_pow(digits as u32) {
        Some(scale) if digits < 8 => (value * scale + more, 8 + digits),
        _ => (0, 0),
    }
}

/// The number that the digits at the beginning of eight bytes make, and how many they are.
///
/// All at once: a loop over digits ends at a place that no processor guesses.
#[inline]
fn leading_digits(word: u64) -> (u64, usize) {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let values = word ^ (EACH * 0x30);
    // The upper bit of each byte that is no digit; what it carries goes to later ones.
    let others = (values.wrapping_add(EACH * 0x76) | values) & (EACH * 0x80);
    let digits = others.trailing_zeros() as usize / 8;
    if digits == 0 {
        return (0, 0);
    }
    let padded = values << (64 - 8 * digits);
    let pairs = padded.wrapping_mul(10 << 8 | 1) >> 8 & 0x00FF_00FF_00FF_00FF;
    let fours = pairs.wrapping_mul(100 << 16 | 1) >> 16 & 0x0000_FFFF_0000_FFFF;
    (fours.wrapping_mul(10_000 << 32 | 1) >> 32, digits)
}

/// The place of the next quote, backslash or control character.
#[inline]
fn next_stop(data: &[u8], mut at: usize) -> usize {
    // Most strings are short.
    if let Some(chunk) = chunk_at::<16>(data, at) {
        let found = stops(chunk);
        if found != 0 {
            return at + found.trailing_zeros() as usize;
        }
        at += 16;
    }
    while let Some(chunk) = chunk_at::<CHUNK>(data, at) {
        let found = wide_stops(chunk);
        if found != 0 {
            return at + found.trailing_zeros() as usize;
        }
        at += CHUNK;
    }
    while at < data.len() && !is_stop(data[at]) {
        at += 1;
    }
    at
}

/// Writes a part of a chunk behind some text; returns where the text ends.
#[inline]
fn copy_chunk(data: &[u8], from: usize, to: usize, text: &mut [u8], end: usize) -> usize {
    match chunk_at::<CHUNK>(data, from) {
        // All of it: a copy of fixed size needs no loop.
        Some(chunk) => text[end..end + CHUNK].copy_from_slice(chunk),
        None => text[end..end + (to - from)].copy_from_slice(&data[from..to]),
    }
    end + (to - from)
}

/// Bytes of a long string that are looked at together.
const CHUNK: usize = 64;

#[inline]
fn chunk_at<const SIZE: usize>(data: &[u8], at: usize) -> Option<&[u8; SIZE]> {
    data.get(at..)?.first_chunk()
}

fn is_stop(byte: u8) -> bool {
    matches!(byte, b'"' | b'\\' | ..=0x1F)
}

/// A bit for each quote, backslash and control character.
#[inline]
fn stops(chunk: &[u8; 16]) -> u32 {
    let bytes = u8x16::from(*chunk);
    let quotes = bytes.simd_eq(u8x16::splat(b'"'));
    let slashes = bytes.simd_eq(u8x16::splat(b'\\'));
    let controls = bytes.simd_eq(bytes.min(u8x16::splat(0x1F)));
    (quotes | slashes | controls).to_bitmask()
}

#[inline]
fn wide_stops(chunk: &[u8; CHUNK]) -> u64 {
    let (quarters, _) = chunk.as_chunks::<16>();
    let bits = |quarter: usize| u64::from(stops(&quarters[quarter])) << (16 * quarter);
    bits(0) | bits(1) | bits(2) | bits(3)
}
