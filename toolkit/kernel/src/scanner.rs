//! One strict pass over the JSON of a line: where its values stand, and nothing kept.
//!
//! A line ends before a control character (its line feed), which no token takes: so the
//! scanner needs no other bound. What it does not take, the strict path looks at.

use wide::u8x16;

/// Where a value stands in a line, and what it begins with.
#[derive(Clone, Copy, Debug, Default)]
pub struct Value {
    pub kind: JsonType,
    pub start: u32,
    pub end: u32,
    /// Where the text of a string stands among the unescaped ones; 0 and 0: it is raw.
    pub text_start: u32,
    pub text_end: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum JsonType {
    #[default]
    Missing,
    Null,
    Bool,
    Number,
    String,
    List,
    Object,
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
        if self.text_end > 0 {
            &unescaped[self.text_start as usize..self.text_end as usize]
        } else {
            &line[self.start as usize + 1..self.end as usize - 1]
        }
    }
}

pub struct Scanner<'a> {
    /// The line and what follows it, so that it is read in whole vectors.
    pub data: &'a [u8],
    pub at: usize,
    /// How many brackets may be open.
    pub deepest: usize,
}

impl Scanner<'_> {
    #[inline]
    pub fn peek(&self) -> u8 {
        self.data.get(self.at).copied().unwrap_or(0)
    }

    #[inline]
    pub fn space(&mut self) {
        while matches!(self.peek(), b' ' | b'\t') {
            self.at += 1;
        }
    }

    /// Passes a sign, if it stands here.
    #[inline]
    pub fn take(&mut self, sign: u8) -> bool {
        let is_here = self.peek() == sign;
        self.at += usize::from(is_here);
        is_here
    }

    #[inline]
    pub fn expect(&mut self, sign: u8) -> Option<()> {
        self.take(sign).then_some(())
    }

    /// Passes what stands between a key and its value.
    #[inline]
    pub fn colon(&mut self) -> Option<()> {
        self.space();
        self.expect(b':')?;
        self.space();
        Some(())
    }

    /// Passes a comma, or the bracket that closes: says whether more follows.
    #[inline]
    pub fn goes_on(&mut self, closing: u8) -> Option<bool> {
        self.space();
        let sign = self.peek();
        self.at += 1;
        match sign {
            b',' => {
                self.space();
                Some(true)
            }
            _ if sign == closing => Some(false),
            _ => None,
        }
    }

    /// Passes a value that stands below so many brackets.
    pub fn value(&mut self, depth: usize) -> Option<JsonType> {
        Some(match self.peek() {
            b'"' => {
                self.at += 1;
                self.string()?;
                JsonType::String
            }
            b'{' => {
                self.object(depth + 1)?;
                JsonType::Object
            }
            b'[' => {
                self.list(depth + 1)?;
                JsonType::List
            }
            b'n' => self.word(b"null", JsonType::Null)?,
            b't' => self.word(b"true", JsonType::Bool)?,
            b'f' => self.word(b"false", JsonType::Bool)?,
            _ => {
                self.number()?;
                JsonType::Number
            }
        })
    }

    fn object(&mut self, depth: usize) -> Option<()> {
        if depth > self.deepest {
            return None;
        }
        self.at += 1;
        self.space();
        if self.take(b'}') {
            return Some(());
        }
        loop {
            self.expect(b'"')?;
            self.string()?;
            self.colon()?;
            self.value(depth)?;
            if !self.goes_on(b'}')? {
                return Some(());
            }
        }
    }

    fn list(&mut self, depth: usize) -> Option<()> {
        if depth > self.deepest {
            return None;
        }
        self.at += 1;
        self.space();
        if self.take(b']') {
            return Some(());
        }
        loop {
            self.value(depth)?;
            if !self.goes_on(b']')? {
                return Some(());
            }
        }
    }

    fn word(&mut self, word: &[u8], kind: JsonType) -> Option<JsonType> {
        let stands = self.data[self.at..].starts_with(word);
        self.at += word.len();
        stands.then_some(kind)
    }

    fn number(&mut self) -> Option<()> {
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if matches!(self.peek(), b'e' | b'E') {
            self.at += 1;
            if !self.take(b'+') {
                self.take(b'-');
            }
            self.digits()?;
        }
        Some(())
    }

    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while self.peek().is_ascii_digit() {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }

    /// Passes a string behind its opening quote; says whether it has escapes.
    #[inline]
    pub fn string(&mut self) -> Option<bool> {
        self.at = next_stop(self.data, self.at);
        if self.take(b'"') {
            return Some(false);
        }
        loop {
            self.at += escape(&self.data[self.at..])?.1;
            self.at = next_stop(self.data, self.at);
            if self.take(b'"') {
                return Some(true);
            }
        }
    }

    /// Passes a string behind its opening quote, and writes its text if that is another
    /// than the raw one.
    #[inline]
    pub fn text(&mut self, unescaped: &mut Vec<u8>) -> Option<()> {
        let start = self.at;
        self.at = next_stop(self.data, start);
        if self.take(b'"') {
            return Some(());
        }
        unescaped.extend_from_slice(&self.data[start..self.at]);
        loop {
            let (character, length) = escape(&self.data[self.at..])?;
            self.at += length;
            if character.is_ascii() {
                unescaped.push(character as u8);
            } else {
                unescaped.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
            self.at = copy_to_stop(self.data, self.at, unescaped);
            if self.take(b'"') {
                return Some(());
            }
        }
    }
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
    while let Some(chunk) = chunk_at::<64>(data, at) {
        let found = wide_stops(chunk);
        if found != 0 {
            return at + found.trailing_zeros() as usize;
        }
        at += 64;
    }
    while at < data.len() && !is_stop(data[at]) {
        at += 1;
    }
    at
}

/// Writes the bytes before the next stop, and returns its place.
#[inline]
fn copy_to_stop(data: &[u8], mut at: usize, text: &mut Vec<u8>) -> usize {
    while let Some(chunk) = chunk_at::<64>(data, at) {
        let found = wide_stops(chunk);
        text.extend_from_slice(chunk); // all of it: a copy of fixed size needs no loop
        if found != 0 {
            let before = found.trailing_zeros() as usize;
            text.truncate(text.len() - (64 - before));
            return at + before;
        }
        at += 64;
    }
    while at < data.len() && !is_stop(data[at]) {
        text.push(data[at]);
        at += 1;
    }
    at
}

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
fn wide_stops(chunk: &[u8; 64]) -> u64 {
    let (quarters, _) = chunk.as_chunks::<16>();
    let bits = |quarter: usize| u64::from(stops(&quarters[quarter])) << (16 * quarter);
    bits(0) | bits(1) | bits(2) | bits(3)
}
