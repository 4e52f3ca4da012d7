//! Which objects are pieces of a streamed response, and no whole one.

/// Names of a piece in `object`.
const PIECES: [&[u8]; 6] = [
    b"chat.completion.chunk",
    b"chat.completion.done",
    b"chat.reasoning",
    b"chat.reasoning.done",
    b"completion.chunk",
    b"text_completion.chunk",
];

/// What a response and its choices have; of the choices one is enough.
#[derive(Default)]
pub struct Signs {
    pub choice: bool,
    pub message: bool,
    pub delta: bool,
    pub object_delta: bool,
    pub finish_reason: bool,
    pub text: bool,
    pub usage: bool,
}

impl Signs {
    /// Returns whether the name cannot make a chunk of the response.
    pub fn are_whole(&self) -> bool {
        self.message && !self.delta
    }

    /// Returns whether this is a chunk; the name is empty where there is none, and None where
    /// it is no string.
    pub fn are_of_chunk(&self, name: Option<&[u8]>) -> bool {
        match name {
            Some(b"") => !self.message && (!self.choice || self.delta),
            Some(b"chat.completion") => self.delta && !self.finish_reason,
            Some(b"text_completion") => {
                let is_open = self.choice && !self.finish_reason;
                !self.message && (is_open || !self.text && !self.usage)
            }
            Some(name) if PIECES.contains(&name) => !self.message || self.object_delta,
            _ => false,
        }
    }
}
