//! The commands of the terminal: lines that begin with a slash.

use crate::terminal;

/// A line that the user has entered.
#[derive(Debug, PartialEq)]
pub(crate) enum Input<'a> {
    Nothing,
    Question(&'a str),
    /// Ask the last question again.
    Retry,
    Quit,
    Command(Command<'a>),
    /// A line that begins with a slash and is no command, and what is wrong with it.
    Wrong(String),
}

/// A command with its argument.
#[derive(Debug, PartialEq)]
pub(crate) enum Command<'a> {
    New,
    Resume(Option<&'a str>),
    Sessions,
    Model(Option<&'a str>),
    System(Option<&'a str>),
    Save(&'a str),
    Citations,
    Help,
}

/// A command in the list of `/help`.
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) argument: &'static str,
    pub(crate) about: &'static str,
}

const fn entry(name: &'static str, argument: &'static str, about: &'static str) -> Entry {
    Entry { name, argument, about }
}

/// All commands.
pub(crate) const COMMANDS: [Entry; 10] = [
    entry("/new", "", "start a new conversation with the same settings"),
    entry("/resume", "[ID]", "continue a stored conversation, by default the one before this one"),
    entry("/sessions", "", "list the stored conversations"),
    entry("/model", "[NAME]", "show or set the model; without a name, list those of the server"),
    entry("/system", "[TEXT]", "show or set the instructions"),
    entry("/retry", "", "ask the last question again, as a new turn"),
    entry("/save", "FILE", "save the conversation as Markdown in a new file"),
    entry("/citations", "", "show the sources of the last answer"),
    entry("/help", "", "list the commands and keys"),
    entry("/quit", "", "exit; Ctrl-D does too"),
];

impl<'a> Input<'a> {
    /// Reads a line. A line with white space before its slash is a question.
    pub(crate) fn parse(line: &'a str) -> Self {
        if line.trim().is_empty() {
            return Self::Nothing;
        }
        if !line.starts_with('/') {
            return Self::Question(line.trim());
        }
        let (name, argument) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let argument = Some(argument.trim()).filter(|argument| !argument.is_empty());
        let command = match (name, argument) {
            ("/new", None) => Command::New,
            ("/resume", id) => Command::Resume(id),
            ("/sessions", None) => Command::Sessions,
            ("/model", name) => Command::Model(name),
            ("/system", text) => Command::System(text),
            ("/retry", None) => return Self::Retry,
            ("/save", Some(file)) => Command::Save(file),
            ("/save", None) => return Self::Wrong("/save needs the name of a file".to_owned()),
            ("/citations", None) => Command::Citations,
            ("/help", None) => Command::Help,
            ("/quit" | "/exit", None) => return Self::Quit,
            (name, Some(_)) if COMMANDS.iter().any(|entry| entry.name == name) => {
                return Self::Wrong(format!("{name} takes nothing after it"));
            }
            (name, _) => {
                return Self::Wrong(format!(
                    "there is no command {name}; /help lists the commands; to ask a question that begins with a slash, \
                     begin with a space"
                ));
            }
        };
        Self::Command(command)
    }
}

/// The keys, for `/help`.
const KEYS: [&str; 4] = [
    "Enter sends the question. A line that ends with \\ goes on in the next line, and so does Alt-Enter.",
    "A pasted text may have several lines. Begin a question with a space if it begins with a slash.",
    "Ctrl-C stops the answer and keeps what has arrived. At the prompt it clears the line, and exits if the line is empty.",
    "Up and Ctrl-R find earlier questions, and Tab completes commands.",
];

/// The text of `/help`.
pub(crate) fn help() -> String {
    let commands = COMMANDS.iter().map(|Entry { name, argument, about }| {
        let usage = format!("{name} {argument}");
        terminal::wrap(&format!("{usage:<15} {about}"), "                ")
    });
    let keys = KEYS.iter().map(|line| terminal::wrap(line, ""));
    commands.chain([String::new()]).chain(keys).map(|text| text + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_read() {
        for entry in &COMMANDS {
            let line = format!("{} {}", entry.name, entry.argument);
            assert!(matches!(Input::parse(&line), Input::Command(_) | Input::Retry | Input::Quit), "{line}");
        }
        assert_eq!(Input::parse("/save a b.md "), Input::Command(Command::Save("a b.md")));
        assert_eq!(Input::parse("/system\tBe brief. "), Input::Command(Command::System(Some("Be brief."))));
        assert_eq!(Input::parse("/exit"), Input::Quit);
    }

    #[test]
    fn other_lines_are_questions() {
        assert_eq!(Input::parse(" \n"), Input::Nothing);
        assert_eq!(Input::parse("Why? \n"), Input::Question("Why?"));
        assert_eq!(Input::parse(" /etc/hosts"), Input::Question("/etc/hosts"));
    }

    #[test]
    fn wrong_commands_say_what_to_do() {
        for (line, part) in [
            ("/nwe", "no command /nwe"),
            ("/", "no command /"),
            ("/new x", "/new takes nothing"),
            ("/save", "name of a file"),
        ] {
            let Input::Wrong(message) = Input::parse(line) else { panic!("{line} is a command") };
            assert!(message.contains(part), "{message}");
        }
    }
}
