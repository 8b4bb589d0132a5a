//! A Postgres server of the tests, in a temporary folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use chat_store::TurnId;

use super::Folder;

/// A server that is stopped at the end.
pub(crate) struct Server {
    folder: Folder,
    /// The folder of the programs.
    programs: PathBuf,
    /// The user that runs the server, if this process is root's.
    user: Option<&'static str>,
}

impl Server {
    /// Starts a server. `None`, with a message, if Postgres is not installed.
    pub(crate) fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            println!("skipped: Postgres is not installed (Debian's package `postgresql`)");
            return None;
        };
        let folder = Folder::new();
        let user = ordinary_user(folder.path());
        let server = Self { folder, programs, user };
        let data = server.data();
        if let Some(user) = user {
            let output = Command::new("chown").arg(user).arg(server.folder.path()).output().unwrap();
            assert!(output.status.success(), "{output:?}");
        }
        server.run("initdb", &["-D", &data, "-U", "chat", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"]);
        server.begin();
        Some(server)
    }

    /// Starts the server with the data of its folder.
    pub(crate) fn begin(&self) {
        let folder = self.folder.path().display();
        // A socket in the folder, and no port, which another test could take.
        let options = format!("-c listen_addresses='' -c unix_socket_directories={folder}");
        let log = format!("{folder}/log");
        self.run("pg_ctl", &["-D", &self.data(), "-l", &log, "-w", "-t", "60", "-o", &options, "start"]);
    }

    /// Stops the server: `immediate` is like a crash.
    pub(crate) fn stop(&self, mode: &str) {
        self.run("pg_ctl", &["-D", &self.data(), "-m", mode, "-w", "-t", "60", "stop"]);
    }

    /// Returns the URL of a new, empty schema.
    pub(crate) fn schema(&self) -> String {
        let name = format!("s{}", TurnId::new()).replace('-', "");
        self.sql(&format!("CREATE SCHEMA {name}"));
        format!("{}?options=-csearch_path%3D{name}", self.url())
    }

    /// Runs statements.
    pub(crate) fn sql(&self, sql: &str) {
        tokio::runtime::Runtime::new()
            .unwrap()
            .block_on(async { client(&self.url()).await.batch_execute(sql).await.unwrap() });
    }

    /// Returns the URL, whose host is the folder of the socket.
    pub(crate) fn url(&self) -> String {
        let folder = self.folder.path().display().to_string();
        let host: String = folder.bytes().map(|byte| format!("%{byte:02X}")).collect();
        format!("postgres://chat@{host}/postgres")
    }

    fn data(&self) -> String {
        self.folder.path().join("data").display().to_string()
    }

    /// Runs a program as an ordinary user.
    fn run(&self, program: &str, args: &[&str]) {
        let output = self.try_run(program, args);
        assert!(output.status.success(), "{program} {args:?}: {output:?}");
    }

    fn try_run(&self, program: &str, args: &[&str]) -> Output {
        let program = self.programs.join(program);
        let mut command = match self.user {
            None => Command::new(program),
            Some(user) => {
                let mut command = Command::new("runuser");
                command.args(["-u", user, "--"]).arg(program);
                command
            }
        };
        // The server inherits the output of `pg_ctl`, so a pipe would stay open.
        let (out, err) = (self.folder.path().join("out"), self.folder.path().join("err"));
        let create = |path: &Path| Stdio::from(fs::File::create(path).unwrap());
        command.current_dir(self.folder.path()).args(args);
        let status = command.stdin(Stdio::null()).stdout(create(&out)).stderr(create(&err)).status().unwrap();
        Output { status, stdout: fs::read(out).unwrap(), stderr: fs::read(err).unwrap() }
    }
}

/// A connection to a server.
pub(crate) async fn client(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(async move { drop(connection.await) });
    client
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.try_run("pg_ctl", &["-D", &self.data(), "-m", "immediate", "-w", "stop"]));
    }
}

/// The folder with `initdb`: of the `PATH`, or of the newest version of Debian's package.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut debian: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            Some((path.file_name()?.to_str()?.parse().ok()?, path.join("bin")))
        })
        .collect();
    debian.sort();
    let folders = std::env::split_paths(&path).chain(debian.into_iter().rev().map(|(_, folder)| folder));
    folders.into_iter().find(|folder| folder.join("initdb").exists() && folder.join("pg_ctl").exists())
}

/// The user to run the server as, because `initdb` refuses root. `None` if this process is not root's.
#[cfg(unix)]
fn ordinary_user(folder: &Path) -> Option<&'static str> {
    use std::os::unix::fs::MetadataExt;
    if fs::metadata(folder).unwrap().uid() != 0 {
        return None;
    }
    let exists = |user: &&str| Command::new("id").arg(user).output().is_ok_and(|output| output.status.success());
    Some(["postgres", "nobody"].into_iter().find(exists).expect("there is an ordinary user"))
}

#[cfg(not(unix))]
fn ordinary_user(_: &Path) -> Option<&'static str> {
    None
}
