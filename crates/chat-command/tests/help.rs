//! The examples of `--help`, and the scripts of `chat completions`.

mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use support::{chat, run};

const SHELLS: [&str; 5] = ["bash", "elvish", "fish", "powershell", "zsh"];

#[test]
fn each_shell_has_a_script() {
    for shell in SHELLS {
        let run = run(&mut chat(["completions", shell]));
        assert_eq!((run.status, run.stderr.as_str()), (Some(0), ""), "{shell}");
        assert!(run.stdout.contains("record") && run.stdout.contains("doctor"), "{shell}: {}", run.stdout);
    }
    let unknown = run(&mut chat(["completions", "dos"]));
    assert_eq!((unknown.status, unknown.stdout.as_str()), (Some(2), ""));
}

#[test]
fn bash_accepts_its_script() {
    let script = Path::new(env!("CARGO_TARGET_TMPDIR")).join("chat.bash");
    fs::write(&script, run(&mut chat(["completions", "bash"])).stdout).expect("a file");
    match Command::new("bash").arg("-n").arg(&script).output() {
        Ok(checked) => assert!(checked.status.success() && checked.stderr.is_empty(), "{checked:?}"),
        Err(error) => println!("skipped: bash cannot be run: {error}"),
    }
}

/// The names of the subcommands, from the help.
fn commands() -> Vec<String> {
    let help = run(&mut chat(["--help"])).stdout;
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    listed.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).filter(|name| name != "help").collect()
}

/// The examples of a subcommand, from its help. A backslash at the end of a line continues it.
fn examples(command: &str) -> Vec<String> {
    let help = run(&mut chat([command, "--help"])).stdout;
    let lines = help.lines().skip_while(|line| *line != "Examples:").skip(1);
    let text: Vec<&str> = lines.take_while(|line| line.starts_with("  ")).map(str::trim).collect();
    text.join("\n").replace("\\\n", "").lines().map(str::to_owned).collect()
}

#[test]
fn every_subcommand_has_examples_that_fit_on_a_line() {
    let commands = commands();
    assert!(commands.len() >= 9, "{commands:?}");
    for command in commands {
        assert!(!examples(&command).is_empty(), "{command}");
        let help = run(&mut chat([&command, "--help"])).stdout;
        let lines = help.lines().skip_while(|line| *line != "Examples:").take_while(|line| !line.is_empty());
        for line in lines {
            assert!(line.len() <= 79, "clap would wrap this on a terminal of 80 columns: {line}");
        }
    }
}

#[cfg(unix)]
#[test]
fn the_examples_run() {
    use support::Running;

    /// The address of the examples.
    const SERVER: &str = "http://127.0.0.1:8787";

    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("examples");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder");
    let mut server = Running::start(&mut chat(["serve", "--addr", "127.0.0.1:0"]));
    let url = server.line().strip_prefix("listening on ").expect("the first line").to_owned();
    let bin = Path::new(env!("CARGO_BIN_EXE_chat")).parent().expect("a folder");
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").expect("a path"));
    // `chat` makes a command without the variables that the examples must not depend on.
    let shell = |line: &str| {
        let mut command = Command::new("sh");
        let cleared = chat([""; 0]);
        for (name, value) in cleared.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.env("CHAT_STORE", folder.join("store.sqlite3"));
        command.args(["-c", line]).env("PATH", &path).current_dir(&folder).stdin(Stdio::null());
        command
    };
    for example in commands().iter().flat_map(|command| examples(command)) {
        if example.starts_with("chat serve") {
            // On a free port, and ended when it listens.
            let line = if example.contains("--addr") {
                example.replace("127.0.0.1:8787", "127.0.0.1:0")
            } else {
                example.clone() + " --addr 127.0.0.1:0"
            };
            let mut serving = Running::start(&mut shell(&format!("exec {line}")));
            assert!(serving.line().starts_with("listening on "), "{example}");
            continue;
        }
        let done = run(&mut shell(&example.replace(SERVER, &url)));
        assert_eq!(done.status, Some(0), "{example}: {done:?}");
    }
    assert!(folder.join("call.rec").exists() && folder.join("chat.bash").exists());
}
