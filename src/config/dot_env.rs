//! The `.env` file of the working directory.

use std::collections::BTreeSet;

/// Reads `.env` of the working directory into the environment, before anything else runs.
///
/// A variable that is already set stays as it is.
pub fn load_dot_env() -> Result<DotEnv, DotEnvError> {
    let names = dotenvy::dotenv_iter().and_then(|lines| {
        let names = lines.map(|line| line.map(|(name, _)| name));
        names.filter(|name| name.as_ref().map_or(true, |name| std::env::var_os(name).is_none())).collect()
    });
    match names {
        Ok(names) => dotenvy::dotenv().map(|_| DotEnv { names }).map_err(DotEnvError::from),
        Err(error) if error.not_found() => Ok(DotEnv::default()),
        Err(error) => Err(error.into()),
    }
}

/// Which variables come from `.env`.
#[derive(Clone, Debug, Default)]
pub struct DotEnv {
    names: BTreeSet<String>,
}

impl DotEnv {
    /// Whether the file set this variable, and not the environment.
    pub fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }
}

impl From<dotenvy::Error> for DotEnvError {
    /// The library's own text would quote the line, which may hold a secret.
    fn from(error: dotenvy::Error) -> Self {
        match error {
            dotenvy::Error::LineParse(_, column) => Self::Line { column },
            _ => Self::Unreadable,
        }
    }
}

/// A `.env` file that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DotEnvError {
    /// A line that is not `NAME=value`.
    #[error(
        ".env has a line that is not NAME=value (near column {column}); quote values that hold spaces or quotes"
    )]
    Line {
        /// Where in the line the reader gave up.
        column: usize,
    },
    /// The file is there and cannot be read.
    #[error(".env is there but cannot be read")]
    Unreadable,
}
