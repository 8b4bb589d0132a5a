//! Settings from environment variables. Each test reads them in a child process.

use std::env;
use std::ffi::OsString;
use std::process::{Command, Output};

use chat_client::{
    ClientBuilder, ENV_API_KEY, ENV_BASE_URL, ENV_INTEGRATION_ID, ENV_OPENAI_API_KEY, ENV_OPENAI_BASE_URL,
};

/// The settings of a child process with only these variables.
fn settings(variables: &[(&str, OsString)]) -> String {
    child(variables, true)
}

/// The settings of a child process that reads the variables of OpenAI's clients.
fn openai(variables: &[(&str, &str)], has_key: bool) -> String {
    let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, OsString::from(value))).collect();
    child(&[&variables[..], &[("TEST_OPENAI", "1".into())]].concat(), has_key)
}

fn child(variables: &[(&str, OsString)], has_key: bool) -> String {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "child_of_the_environment", "--nocapture"]).env_clear().env("TEST_CHILD", "1");
    command.envs(has_key.then_some(("TEST_KEY", "1")));
    let Output { stdout, .. } = command.envs(variables.iter().cloned()).output().unwrap();
    let said = String::from_utf8(stdout).unwrap();
    let (_, line) = said.split_once("settings: ").unwrap_or_else(|| panic!("{said}"));
    line.lines().next().unwrap().to_owned()
}

/// Prints the settings for another test. It does nothing if it runs on its own.
#[test]
fn child_of_the_environment() {
    if env::var_os("TEST_CHILD").is_none() {
        return;
    }
    let builder = ClientBuilder::<()>::new("test/1");
    let builder = if env::var_os("TEST_KEY").is_some() { builder.api_key("sk-1") } else { builder };
    let builder = match env::var("TEST_OPENAI").as_deref() {
        Ok("1") => builder.openai_env(),
        Ok("2") => builder.env().openai_env(),
        Ok(_) => builder.openai_env().env(),
        Err(_) => builder.env(),
    };
    match builder.settings() {
        Ok(settings) => {
            let (base_url, integration_id) = (settings.endpoint.base_url(), settings.defaults.integration_id);
            println!("settings: {base_url} {integration_id:?} {}", settings.key.origin());
        }
        Err(error) => println!("settings: {error}"),
    }
}

const NONE: &str = "https://api.inkeep.com None the client's settings";

#[test]
fn variables_are_read_if_they_are_set() {
    assert_eq!(settings(&[]), NONE);
    let all = [(ENV_API_KEY, "sk-2"), (ENV_BASE_URL, "https://h.example/x"), (ENV_INTEGRATION_ID, "docs")];
    let all = all.map(|(name, value)| (name, OsString::from(value)));
    assert_eq!(settings(&all), "https://h.example/x Some(\"docs\") the environment variable INKEEP_API_KEY");
    assert_eq!(settings(&all.map(|(name, _)| (name, OsString::new()))), NONE);
}

#[test]
fn white_space_is_removed_and_an_empty_value_is_not_set() {
    let all = [(ENV_API_KEY, "sk-2"), (ENV_BASE_URL, "https://h.example/x"), (ENV_INTEGRATION_ID, "docs")];
    for (before, after) in [("", "\n"), ("", "\r\n"), (" \t", "  "), ("\n", " \n")] {
        let padded = all.map(|(name, value)| (name, OsString::from(format!("{before}{value}{after}"))));
        assert_eq!(settings(&padded), "https://h.example/x Some(\"docs\") the environment variable INKEEP_API_KEY");
    }
    assert_eq!(settings(&all.map(|(name, _)| (name, OsString::from(" \r\n")))), NONE);
}

#[test]
fn an_error_names_the_variable_that_the_value_came_from() {
    let said = settings(&[(ENV_BASE_URL, "h.example".into())]);
    assert!(
        said.starts_with("base_url must begin with https:// or http://")
            && said.contains("variable INKEEP_API_BASE_URL"),
        "{said}"
    );
    let said = settings(&[(ENV_API_KEY, "a b".into())]);
    assert!(said.starts_with("api_key ") && said.contains("variable INKEEP_API_KEY"), "{said}");
    for value in ["", " \n"] {
        let said = child(&[(ENV_API_KEY, value.into())], false);
        assert_eq!(said, "api_key is missing: the environment variable INKEEP_API_KEY is not set");
    }
}

#[test]
fn the_variables_of_openai_are_read_instead() {
    let inkeep = [(ENV_API_KEY, "sk-2"), (ENV_BASE_URL, "https://h.example/x"), (ENV_INTEGRATION_ID, "docs")];
    assert_eq!(openai(&inkeep, true), "https://api.openai.com/v1 None the client's settings");
    let key = [(ENV_OPENAI_API_KEY, " sk-3\n")];
    assert_eq!(openai(&key, true), "https://api.openai.com/v1 None the environment variable OPENAI_API_KEY");
    let all = [key[0], (ENV_OPENAI_BASE_URL, "https://h.example/y/ ")];
    assert_eq!(openai(&all, false), "https://h.example/y None the environment variable OPENAI_API_KEY");
}

#[test]
fn the_key_of_the_service_does_not_go_to_openai() {
    let in_order = |order: &str, variables: &[(&str, &str)]| {
        let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, OsString::from(value))).collect();
        child(&[&variables[..], &[("TEST_OPENAI", order.into())]].concat(), false)
    };
    let both = |variables: &[(&str, &str)]| in_order("2", variables);
    let said = both(&[(ENV_API_KEY, "sk-2"), (ENV_BASE_URL, "https://h.example")]);
    assert_eq!(said, "api_key is missing: the environment variable OPENAI_API_KEY is not set");
    let said = both(&[(ENV_API_KEY, "sk-2"), (ENV_OPENAI_API_KEY, "sk-3")]);
    assert_eq!(said, "https://api.openai.com/v1 None the environment variable OPENAI_API_KEY");
    // In the other order too.
    let both = |variables: &[(&str, &str)]| in_order("3", variables);
    for openai in [&[][..], &[(ENV_OPENAI_API_KEY, "sk-3"), (ENV_OPENAI_BASE_URL, "https://o.example")]] {
        let said = both(&[&[(ENV_API_KEY, "sk-2")], openai].concat());
        assert_eq!(said, "https://api.inkeep.com None the environment variable INKEEP_API_KEY");
    }
    let said = both(&[(ENV_OPENAI_API_KEY, "sk-3"), (ENV_BASE_URL, "https://h.example")]);
    assert_eq!(said, "api_key is missing: the environment variable INKEEP_API_KEY is not set");
}

#[test]
fn an_error_names_the_variable_of_openai() {
    for variables in [&[][..], &[(ENV_OPENAI_API_KEY, " ")], &[(ENV_API_KEY, "sk-2")]] {
        let said = openai(variables, false);
        assert_eq!(said, "api_key is missing: the environment variable OPENAI_API_KEY is not set");
    }
    let said = openai(&[(ENV_OPENAI_API_KEY, "a b")], true);
    assert!(said.starts_with("api_key ") && said.ends_with("variable OPENAI_API_KEY)"), "{said}");
    let said = openai(&[(ENV_OPENAI_BASE_URL, "h.example")], true);
    assert!(said.starts_with("base_url must begin") && said.ends_with("variable OPENAI_BASE_URL)"), "{said}");
}

/// If an invalid base URL were ignored, the key would go to another server.
#[cfg(unix)]
#[test]
fn a_value_that_is_not_unicode_is_rejected() {
    use std::os::unix::ffi::OsStringExt as _;

    let odd = || OsString::from_vec(b"https://h\xff.example".to_vec());
    let said = settings(&[(ENV_BASE_URL, odd())]);
    assert!(said.starts_with("base_url has non-ASCII characters"), "{said}");
    let said = settings(&[(ENV_API_KEY, odd())]);
    assert!(said.starts_with("api_key is not a valid header value"), "{said}");
}
