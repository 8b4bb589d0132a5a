//! Certificate roots from the features, the environment, or a file.

use std::cmp::Ordering;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::{env, fs};

#[cfg(feature = "native-roots")]
use chat_proto::BoxError;
use chat_proto::Error;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};

/// Environment variable with the path of a file of roots, which replace the default ones.
pub(crate) const ENV_CERT_FILE: &str = "SSL_CERT_FILE";
/// Environment variable with the directories of such files.
pub(crate) const ENV_CERT_DIR: &str = "SSL_CERT_DIR";

/// Reads the certificates of a PEM file, for example of a private CA. Other sections of the file are skipped.
///
/// `setting` is the name of the option or variable that the path comes from. Errors name it.
///
/// # Errors
///
/// [`InvalidRequest`](chat_proto::ErrorKind::InvalidRequest), naming the setting and the file, if the file can't be read,
/// holds no certificate, or holds an invalid one.
pub fn pem_file(setting: &'static str, path: impl AsRef<Path>) -> Result<Vec<CertificateDer<'static>>, Error> {
    let path = path.as_ref();
    let certificates = read(path).map_err(|why| named(setting, path, &why))?;
    let mut store = RootCertStore::empty();
    for certificate in &certificates {
        let added = store.add(certificate.clone());
        added.map_err(|error| named(setting, path, &format!("which holds an invalid certificate: {error}")))?;
    }
    Ok(certificates)
}

/// Returns the roots of the environment, or those that the features select. The argument has the values of the two
/// variables.
///
/// The files of the environment are read each time, because the variables may change. The other roots are loaded once.
pub(crate) fn default_roots(file_and_dirs: [Option<OsString>; 2]) -> Result<Arc<RootCertStore>, Error> {
    match file_and_dirs.map(|value| value.filter(|value| !value.is_empty())) {
        [None, None] => loaded_once(),
        [file, dirs] => {
            from_paths(file.map(PathBuf::from).as_deref(), dirs.as_ref().map(env::split_paths)).map(Arc::new)
        }
    }
}

/// Returns the roots that the features select. All clients of the process share them. An error is not kept.
fn loaded_once() -> Result<Arc<RootCertStore>, Error> {
    static LOADED: Mutex<Option<Arc<RootCertStore>>> = Mutex::new(None);
    // The lock is held while the roots are loaded, so that no other thread loads them too.
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(roots) = &*loaded {
        return Ok(Arc::clone(roots));
    }
    let roots = Arc::new(built_in()?);
    *loaded = Some(Arc::clone(&roots));
    Ok(roots)
}

fn from_paths(file: Option<&Path>, dirs: Option<env::SplitPaths<'_>>) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    let mut known = Vec::new();
    if let Some(path) = file {
        known = read(path).map_err(|why| named(ENV_CERT_FILE, path, &why))?;
        // A system's bundle may contain invalid certificates.
        if roots.add_parsable_certificates(known.iter().cloned()).0 == 0 {
            return Err(named(ENV_CERT_FILE, path, "which holds no valid certificate"));
        }
    }
    let mut more = Vec::new();
    let mut failure = None;
    for dir in dirs.into_iter().flatten() {
        match read_all(&dir) {
            Ok(certificates) => more.extend(certificates),
            Err(why) => failure = Some(named(ENV_CERT_DIR, &dir, &why)),
        }
    }
    // The bundle is often made from the files in the directory.
    known.sort_unstable_by(order);
    more.retain(|certificate| known.binary_search_by(|other| order(other, certificate)).is_err());
    more.sort_unstable_by(order);
    more.dedup();
    roots.add_parsable_certificates(more);
    // It is common that some of the directories do not exist.
    if roots.is_empty() {
        return Err(failure.unwrap_or_else(|| Error::invalid_request(ENV_CERT_DIR, "names no valid certificate")));
    }
    Ok(roots)
}

fn order(one: &CertificateDer<'_>, other: &CertificateDer<'_>) -> Ordering {
    one.as_ref().cmp(other.as_ref())
}

/// Reads the certificates of all files in a directory. Files that have no certificate or can't be read are skipped, because
/// such directories contain other files and broken links.
fn read_all(dir: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let unreadable = |error| format!("which can't be read: {error}");
    let entries = fs::read_dir(dir).map_err(unreadable)?.collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
    let mut paths: Vec<PathBuf> = entries.iter().filter_map(|entry| fs::canonicalize(entry.path()).ok()).collect();
    paths.sort_unstable();
    paths.dedup();
    let certificates: Vec<_> = paths.iter().filter_map(|path| read(path).ok()).flatten().collect();
    if certificates.is_empty() { Err("which holds no certificate in PEM format".into()) } else { Ok(certificates) }
}

fn read(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let unreadable = |error: &dyn std::fmt::Display| format!("which can't be read: {error}");
    let text = fs::read(path).map_err(|error| unreadable(&error))?;
    let certificates = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, pem::Error>>();
    match certificates.map_err(|error| unreadable(&error))? {
        none if none.is_empty() => Err("which holds no certificate in PEM format".into()),
        certificates => Ok(certificates),
    }
}

fn named(setting: &'static str, path: &Path, why: &str) -> Error {
    Error::invalid_request(setting, format!("names {}, {why}", path.display()))
}

#[cfg(feature = "native-roots")]
fn built_in() -> Result<RootCertStore, Error> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // The system may have invalid certificates.
    if roots.add_parsable_certificates(found.certs).0 > 0 {
        return Ok(roots);
    }
    let why =
        found.errors.into_iter().next().map_or_else(|| "the system has no certificate roots".into(), BoxError::from);
    Err(Error::invalid_request("tls", "could not be configured").with_source(why))
}

#[cfg(not(feature = "native-roots"))]
#[allow(clippy::unnecessary_wraps, reason = "the system's roots may be missing")]
fn built_in() -> Result<RootCertStore, Error> {
    Ok(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() })
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    /// A temporary directory. Dropping it removes it.
    struct Dir(PathBuf);

    impl Dir {
        fn new(name: &str) -> Self {
            let path = env::temp_dir().join(format!("chat-net-{name}-{}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
            let path = self.0.join(name);
            fs::write(&path, text).unwrap();
            path
        }
    }

    impl Drop for Dir {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn certificate() -> String {
        let params = CertificateParams::new(["ca.example".to_owned()]).unwrap();
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let text = BASE64_STANDARD.encode(certificate.der());
        format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
    }

    const ODD: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

    /// The number of roots, or the error.
    fn roots(file: Option<&Path>, dirs: &[&Path]) -> Result<usize, String> {
        let dirs = (!dirs.is_empty()).then(|| env::join_paths(dirs).unwrap());
        default_roots([file.map(Into::into), dirs]).map(|roots| roots.len()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_variables_replace_the_default_roots() {
        let dir = Dir::new("replace");
        let (one, other) = (certificate(), certificate());
        let file = dir.write("bundle.pem", format!("some words\n{one}{ODD}{other}"));
        let many = roots(None, &[]).unwrap();
        assert!(many > 2, "{many}");
        assert_eq!(roots(Some(Path::new("")), &[]), Ok(many), "an empty variable counts as not set");
        assert_eq!(roots(Some(&file), &[]), Ok(2));

        let inner = Dir::new("replace-dir");
        inner.write("a.pem", &one);
        inner.write("a-copy.0", &one);
        inner.write("README", "no certificate");
        inner.write("key.der", [0xff, 0]);
        fs::create_dir_all(inner.0.join("private")).unwrap();
        let missing = dir.0.join("missing");
        assert_eq!(roots(None, &[&inner.0]), Ok(1));
        assert_eq!(roots(None, &[&missing, &inner.0]), Ok(1), "one of the directories is enough");
        assert_eq!(roots(Some(&file), &[&missing]), Ok(2));
    }

    #[test]
    fn the_default_roots_are_loaded_once_and_those_of_the_environment_each_time() {
        let none = || default_roots([None, None]).unwrap();
        assert!(Arc::ptr_eq(&none(), &none()));
        let dir = Dir::new("once");
        let file = dir.write("bundle.pem", certificate());
        assert_eq!(roots(Some(&file), &[]), Ok(1));
        dir.write("bundle.pem", certificate() + &certificate());
        assert_eq!(roots(Some(&file), &[]), Ok(2));
    }

    #[test]
    fn errors_name_the_file_and_its_setting() {
        let dir = Dir::new("named");
        let empty = dir.write("empty.pem", "");
        let der = dir.write("ca.der", [0x30, 0x82, 1]);
        let odd = dir.write("odd.pem", ODD);
        let cut = dir.write("cut.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n");
        let missing = dir.0.join("missing.pem");
        let rows = [
            (&missing, "which can't be read: "),
            (&dir.0, "which can't be read: "),
            (&cut, "which can't be read: "),
            (&empty, "which holds no certificate in PEM format"),
            (&der, "which holds no certificate in PEM format"),
            (&odd, "which holds "),
        ];
        for (path, why) in rows {
            let says = |setting: &str| format!("{setting} names {}, {why}", path.display());
            let of_variable = roots(Some(path), &[]).unwrap_err();
            assert!(of_variable.starts_with(&says("SSL_CERT_FILE")), "{of_variable}");
            let of_option = pem_file("--ca-cert", path).unwrap_err().to_string();
            assert!(of_option.starts_with(&says("--ca-cert")), "{of_option}");
        }
        let empty_dir = Dir::new("named-empty");
        let of_dir = roots(None, &[&empty_dir.0]).unwrap_err();
        assert_eq!(
            of_dir,
            format!("SSL_CERT_DIR names {}, which holds no certificate in PEM format", empty_dir.0.display())
        );
        let of_dir = roots(None, &[&missing]).unwrap_err();
        assert!(
            of_dir.starts_with(&format!("SSL_CERT_DIR names {}, which can't be read", missing.display())),
            "{of_dir}"
        );
        let good = dir.write("good.pem", certificate() + &certificate());
        assert_eq!(pem_file("--ca-cert", good).unwrap().len(), 2);
    }
}
