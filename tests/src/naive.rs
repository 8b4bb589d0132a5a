//! The reference decoder: a literal implementation of the standard's algorithm (HTML, 9.2.5 and 9.2.6) over the whole
//! body. It is slow, unbounded and short enough to review.

/// Content of a body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decoded {
    /// The items in order, including comments and blocks without data.
    pub items: Vec<Item>,
    /// Last event ID string at the end.
    pub last_event_id: String,
    /// Reconnection time at the end.
    pub retry_ms: Option<u64>,
    /// Whether the body ends inside an event.
    pub incomplete: bool,
}

/// An item of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// An event that is dispatched.
    Event {
        /// Its type.
        event_type: String,
        /// Its data.
        data: String,
        /// Last event ID string when it was dispatched.
        id: String,
    },
    /// A complete comment line, without the colon.
    Comment(String),
    /// A blank line after `event`, `id` or `retry` lines that dispatches no event.
    Block,
}

impl Decoded {
    /// Returns the events.
    pub fn events(&self) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(|item| matches!(item, Item::Event { .. }))
    }
}

/// Decodes a complete body.
pub fn decode(body: &[u8]) -> Decoded {
    let text = String::from_utf8_lossy(body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body));
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let (lines, tail) = text.rsplit_once('\n').map_or((None, &*text), |(lines, tail)| (Some(lines), tail));

    let mut out = Decoded::default();
    let (mut event_type, mut data, mut id_buffer) = (String::new(), String::new(), String::new());
    let (mut inside, mut retried) = (false, false);
    for line in lines.into_iter().flat_map(|lines| lines.split('\n')) {
        if line.is_empty() {
            out.last_event_id.clone_from(&id_buffer);
            if let Some(data) = data.strip_suffix('\n') {
                let event_type = if event_type.is_empty() { "message" } else { &event_type };
                let (event_type, data, id) = (event_type.to_owned(), data.to_owned(), id_buffer.clone());
                out.items.push(Item::Event { event_type, data, id });
            } else if inside || retried {
                out.items.push(Item::Block);
            }
            event_type.clear();
            data.clear();
            (inside, retried) = (false, false);
            continue;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let stripped = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "" => out.items.push(Item::Comment(value.to_owned())),
            "event" => stripped.clone_into(&mut event_type),
            "data" => data += &format!("{stripped}\n"),
            "id" if !stripped.contains('\0') => stripped.clone_into(&mut id_buffer),
            "retry" if !stripped.is_empty() && stripped.bytes().all(|byte| byte.is_ascii_digit()) => {
                out.retry_ms = Some(stripped.parse().unwrap_or(u64::MAX));
            }
            _ => {}
        }
        inside |= matches!(field, "data" | "event" | "id");
        retried |= field == "retry";
    }
    out.incomplete = inside || !tail.is_empty() && !tail.starts_with(':');
    out
}
