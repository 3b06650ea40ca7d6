//! From the text of an expression to its parts.

use std::iter::Peekable;
use std::str::Chars;

use jiff::Timestamp;

use super::super::refusal::Refusal;
use super::test::{Bound, Test};
use super::{Expression, Kind};

/// How deep brackets and negations may go.
const MAX_DEPTH: usize = 50;

/// Characters that have to be escaped in a word.
const RESERVED: &str = "!(){}[]*^~?:\\=&><\"";

/// A value, and whether anything may follow it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Term {
    pub text: String,
    pub is_open: bool,
}

/// How a condition compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Has,
    Is,
    Above { equals: bool },
    Below { equals: bool },
}

/// What is left of the text.
pub(super) struct Parser<'a> {
    rest: Peekable<Chars<'a>>,
    kind_of: &'a dyn Fn(&str) -> Option<Kind>,
    now: Timestamp,
    depth: usize,
}

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str, kind_of: &'a dyn Fn(&str) -> Option<Kind>, now: Timestamp) -> Self {
        Self { rest: text.chars().peekable(), kind_of, now, depth: 0 }
    }

    /// Reads all of it.
    pub(super) fn parse(mut self) -> Result<Expression, Refusal> {
        let expression = self.either()?;
        match self.rest.next() {
            None => Ok(expression),
            Some(')') => Err(invalid("there is a ) too many")),
            Some(_) => Err(not_emulated("conditions that have no AND or OR between them")),
        }
    }

    fn either(&mut self) -> Result<Expression, Refusal> {
        let mut parts = vec![self.both()?];
        while self.take_word("OR") {
            parts.push(self.both()?);
        }
        Ok(alone_or(parts, Expression::Any))
    }

    fn both(&mut self) -> Result<Expression, Refusal> {
        let mut parts = vec![self.one()?];
        while self.take_word("AND") {
            parts.push(self.one()?);
        }
        Ok(alone_or(parts, Expression::All))
    }

    fn one(&mut self) -> Result<Expression, Refusal> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(invalid("it goes too deep"));
        }
        let expression = if self.take_word("NOT") || self.take('-') {
            Expression::Not(Box::new(self.one()?))
        } else if self.take('(') {
            let inner = self.either()?;
            if !self.take(')') {
                return Err(invalid("a ) is missing"));
            }
            inner
        } else {
            self.condition()?
        };
        self.depth -= 1;
        Ok(expression)
    }

    fn condition(&mut self) -> Result<Expression, Refusal> {
        let field = self.word()?;
        let Some(operator) = self.operator() else {
            return Err(match field.text.as_str() {
                "" => invalid("a condition is missing"),
                _ => not_emulated("a word that has no field"),
            });
        };
        let kind = (self.kind_of)(&field.text);
        let kind = kind.ok_or_else(|| not_emulated(&format!("the field {}", field.text)))?;
        let test = match self.peek() {
            Some('[' | '{') if operator == Operator::Has => self.range(kind)?,
            _ => Test::new(kind, operator, self.value()?, self.now)?,
        };
        Ok(Expression::Condition { field: field.text, test })
    }

    fn operator(&mut self) -> Option<Operator> {
        let has_colon = self.rest.next_if_eq(&':').is_some();
        let order = self.rest.next_if(|c| matches!(c, '>' | '<' | '='));
        let equals = matches!(order, Some('>' | '<')) && self.rest.next_if_eq(&'=').is_some();
        match order {
            Some('>') => Some(Operator::Above { equals }),
            Some('<') => Some(Operator::Below { equals }),
            Some(_) => Some(Operator::Is),
            None => has_colon.then_some(Operator::Has),
        }
    }

    /// `[a TO b]`, with curly brackets where an end does not count.
    fn range(&mut self, kind: Kind) -> Result<Test, Refusal> {
        let low_counts = self.rest.next() == Some('[');
        let low = self.value()?;
        if !self.take_word("TO") {
            return Err(invalid("TO is missing"));
        }
        let high = self.value()?;
        self.skip_space();
        let high_counts = match self.rest.next() {
            Some(']') => true,
            Some('}') => false,
            _ => return Err(invalid("a ] is missing")),
        };
        let bound = |term, counts| Bound { term, counts };
        Test::range(kind, &bound(low, low_counts), &bound(high, high_counts), self.now)
    }

    fn value(&mut self) -> Result<Term, Refusal> {
        self.skip_space();
        let term = if self.rest.next_if_eq(&'"').is_some() { self.quoted()? } else { self.word()? };
        if term.text.is_empty() && !term.is_open {
            return Err(invalid("a value is missing"));
        }
        Ok(term)
    }

    fn word(&mut self) -> Result<Term, Refusal> {
        self.skip_space();
        let mut text = String::new();
        while let Some(c) = self.rest.peek().copied() {
            match c {
                '*' => return self.wildcard(text),
                '\\' => {
                    self.rest.next();
                    text.extend(self.rest.next());
                }
                '?' | '~' | '^' => return Err(not_emulated(&format!("a {c}"))),
                c if c.is_whitespace() || RESERVED.contains(c) => break,
                c => {
                    self.rest.next();
                    text.push(c);
                }
            }
        }
        Ok(Term { text, is_open: false })
    }

    /// Up to the closing quote.
    fn quoted(&mut self) -> Result<Term, Refusal> {
        let mut text = String::new();
        loop {
            match self.rest.next() {
                Some('"') => return Ok(Term { text, is_open: false }),
                Some('\\') => text.extend(self.rest.next()),
                Some('*') => {
                    let closes = self.rest.next() == Some('"');
                    return if closes { Ok(Term { text, is_open: true }) } else { Err(inner_wildcard()) };
                }
                Some(c) => text.push(c),
                None => return Err(invalid("a quote is missing")),
            }
        }
    }

    /// A `*`, which must be the last of its word.
    fn wildcard(&mut self, text: String) -> Result<Term, Refusal> {
        self.rest.next();
        match self.rest.peek() {
            Some(c) if !c.is_whitespace() && !")]}".contains(*c) => Err(inner_wildcard()),
            _ => Ok(Term { text, is_open: true }),
        }
    }

    fn peek(&mut self) -> Option<char> {
        self.skip_space();
        self.rest.peek().copied()
    }

    fn take(&mut self, wanted: char) -> bool {
        self.skip_space();
        self.rest.next_if_eq(&wanted).is_some()
    }

    /// Takes a word that stands alone.
    fn take_word(&mut self, wanted: &str) -> bool {
        self.skip_space();
        let mut ahead = self.rest.clone();
        let is_it = wanted.chars().all(|c| ahead.next() == Some(c));
        let is_alone = ahead.peek().is_none_or(|c| c.is_whitespace() || "()[]{}\"".contains(*c));
        if is_it && is_alone {
            self.rest = ahead;
        }
        is_it && is_alone
    }

    fn skip_space(&mut self) {
        while self.rest.next_if(|c| c.is_whitespace()).is_some() {}
    }
}

/// One part alone stands for itself.
fn alone_or(mut parts: Vec<Expression>, join: fn(Vec<Expression>) -> Expression) -> Expression {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        last => {
            parts.extend(last);
            join(parts)
        }
    }
}

fn inner_wildcard() -> Refusal {
    not_emulated("a * before the end of a word")
}

pub(super) fn invalid(problem: &str) -> Refusal {
    Refusal::InvalidExpression(problem.to_owned())
}

pub(super) fn not_emulated(what: &str) -> Refusal {
    Refusal::NotEmulated(format!("search expressions with {what}"))
}
