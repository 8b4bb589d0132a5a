//! Questions about Markdown source whose end has not arrived yet.

/// The longest text that waits for the end of its markup, in bytes.
const MAX_WAIT: usize = 200;
/// The same for the URL of a link.
const MAX_URL: usize = 2000;
/// The longest entity, such as `&CounterClockwiseContourIntegral;`.
const MAX_ENTITY: usize = 40;
/// The longest run of asterisks or underscores whose end is looked for.
const MAX_RUN: usize = 64;

/// Whether the last line may still become something else than it looks like now.
pub(super) fn is_unclear(source: &str) -> bool {
    let is_complete = source.ends_with('\n');
    let line = last_line(source);
    let content = line.trim_start_matches([' ', '\t', '>', '-', '+', '*', '.', ')', '[', ']', 'x', 'X']);
    let content = content.trim_start_matches(|c: char| c.is_ascii_digit() || " \t.)".contains(c));
    // The rows of a table, and what may be its head.
    if content.starts_with('|') {
        return true;
    }
    if is_complete {
        return false;
    }
    let text = line.trim_start_matches(|c: char| c.is_ascii_digit() || " \t>-+*.)=_:|#`~[]".contains(c));
    let hashes = content.len() - content.trim_start_matches('#').len();
    text.is_empty() && line.len() <= MAX_WAIT
        || content.starts_with("```")
        || content.starts_with("~~~")
        || (1..=6).contains(&hashes) && content[hashes..].starts_with([' ', '\t'])
}

/// Whether the source ends with an empty line, which ends a paragraph or a table.
pub(super) fn ends_with_blank_line(source: &str) -> bool {
    source.ends_with('\n') && last_line(source).trim_matches([' ', '\t', '>']).is_empty()
}

/// Whether the source begins with the definition of a link: `[label]: URL`.
pub(super) fn is_definition(source: &str) -> bool {
    let line = source.split('\n').next().unwrap_or_default().trim_start_matches([' ', '>', '\\']);
    line.strip_prefix('[').and_then(|label| label.split_once(']')).is_some_and(|(_, rest)| rest.starts_with(':'))
}

/// The definitions of links after `start`: where they begin, and their labels.
pub(super) fn definitions(source: &str, start: usize) -> impl Iterator<Item = (usize, &str)> {
    let mut end = line_start(source, start);
    source[end..].split_inclusive('\n').filter_map(move |line| {
        end += line.len();
        let text = line.trim_start_matches([' ', '>']);
        let (label, _) = text.strip_prefix('[')?.split_once("]:")?;
        Some((end - text.len(), label))
    })
}

fn last_line(source: &str) -> &str {
    let source = source.strip_suffix('\n').unwrap_or(source);
    &source[line_start(source, source.len())..]
}

/// The start of the line that contains `at`.
pub(super) fn line_start(source: &str, at: usize) -> usize {
    source[..at].rfind('\n').map_or(0, |line_break| line_break + 1)
}

/// Markup that is not closed yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Marker {
    /// The text from here on has to wait.
    Wait,
    /// It has waited for too long, and is literal.
    Literal,
}

/// Determines whether the character at `at` may be the start of markup. It is literal in the source so far.
pub(super) fn marker(source: &str, at: usize) -> Option<Marker> {
    let (before, rest) = (&source[..at], &source[at + 1..]);
    let limit = match source.as_bytes()[at] {
        b'`' => MAX_WAIT,
        b'*' if may_open(source, at) => MAX_WAIT,
        b'_' if may_open(source, at) && !ends_with_letter(before) => MAX_WAIT,
        b'~' if rest.starts_with('~') || before.ends_with('~') => MAX_WAIT,
        // One tilde means "about". Two are markup.
        b'~' if !rest.is_empty() => 0,
        b'~' => MAX_WAIT,
        b'[' => bracket(rest)?,
        b'<' if rest.is_empty() || rest.starts_with(|c: char| c.is_ascii_alphabetic() || "/!?".contains(c)) => MAX_WAIT,
        b'&' if rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'#') => MAX_ENTITY,
        b'\\' if matches!(rest, "" | "\n") => MAX_WAIT,
        _ => return None,
    };
    if before.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1 {
        return None;
    }
    Some(if rest.len() > limit { Marker::Literal } else { Marker::Wait })
}

/// Whether text follows the run of equal characters at `at`, or may follow.
fn may_open(source: &str, at: usize) -> bool {
    let run = source.as_bytes()[at];
    let mut after = source[at..].chars().take(MAX_RUN).skip_while(|c| *c == char::from(run));
    after.next().is_none_or(|c| !c.is_whitespace())
}

/// How long the text after `[` has to wait. `None` if it is no link.
fn bracket(rest: &str) -> Option<usize> {
    let mut depth = 1;
    for (at, byte) in rest.bytes().enumerate().take(MAX_WAIT + 1) {
        match byte {
            b'[' => depth += 1,
            b']' => depth -= 1,
            _ => {}
        }
        if depth > 0 {
            continue;
        }
        let after = &rest[at + 1..];
        return match after.strip_prefix('(') {
            Some(url) if url.bytes().take(MAX_URL).any(|byte| byte.is_ascii_whitespace()) => Some(at + MAX_WAIT),
            Some(_) => Some(at + MAX_URL),
            None => after.is_empty().then_some(MAX_WAIT),
        };
    }
    Some(MAX_WAIT)
}

fn ends_with_letter(text: &str) -> bool {
    text.chars().next_back().is_some_and(char::is_alphanumeric)
}
