//! Everything that is wrong with a configuration, collected so that one start reports it all.

use std::fmt;

/// What is wrong, one sentence for each setting.
#[derive(Debug, Default)]
pub struct Problems(Vec<String>);

impl Problems {
    /// Notes that the variable `name` is wrong, and why.
    pub fn add(&mut self, name: &str, why: impl fmt::Display) {
        self.0.push(format!("{name}: {why}"));
    }

    /// Notes the error of `result`, or hands out its value.
    pub fn take<T, E: fmt::Display>(&mut self, name: &str, result: Result<T, E>) -> Option<T> {
        result.map_err(|why| self.add(name, why)).ok()
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One wrong setting for each of `whys`.
    pub fn of_each<E: fmt::Display>(name: &str, whys: impl IntoIterator<Item = E>) -> Self {
        let mut problems = Self::default();
        whys.into_iter().for_each(|why| problems.add(name, why));
        problems
    }

    /// What is wrong, one sentence for each setting.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Hands out `value` if nothing is wrong.
    pub fn finish<T>(self, value: Option<T>) -> Result<T, Self> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => Err(self),
        }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.len() == 1 {
            "the configuration has a problem:"
        } else {
            "the configuration has problems:"
        })?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  - {problem}"))
    }
}

impl std::error::Error for Problems {}
